"""Is a schema a schema? The draft-4 metaschema, the `$schema` gate, and depth: what Snowplow's client checks before compiling."""

import re
from typing import Any

from jsonschema import Draft4Validator

from backbone import jsontext
from backbone.iglu.failures import Issue
from backbone.iglu.keywords import reporter

IGLU_SCHEMA = "http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#"
"""What `$schema` must be, byte for byte."""
_ALSO_ACCEPTED = "https://json-schema.org/draft-04/schema"
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s<>\"{}|\\^`]+\Z")
TOO_DEEP = "Maximum allowed JSON depth exceeded"

_reporter = reporter(dict(Draft4Validator.META_SCHEMA))


def issues(document: Any, max_depth: int | None = None) -> tuple[Issue, ...]:
    """Everything wrong with a schema document; empty if it may be compiled."""
    if max_depth is not None and jsontext.depth(document, max_depth) > max_depth:
        return (Issue("/", TOO_DEEP),)
    reports = _reporter.reports(document)
    if reports:
        return tuple(Issue(report.path, report.message) for report in reports)
    if "$schema" not in document or document["$schema"] in (IGLU_SCHEMA, _ALSO_ACCEPTED):
        return ()
    uri = document["$schema"]
    known = "Unknown MetaSchema" if not uri or _URI.match(uri) else "Wrong MetaSchema URI"
    return (Issue("$", f"{known}: {uri}"),)
