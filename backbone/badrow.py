"""Bad rows: what failed and why, as self-describing JSON that Snowplow's tools read too.

Each builder answers one bad row as bytes. `backbone.explanation` says what a row means and what to do about it;
`backbone.replayable` makes the payload of a row that sends it through the enricher again.
"""

import re
from collections.abc import Sequence
from importlib import metadata
from typing import Any, NamedTuple

from backbone import jsontext

VENDOR = "com.snowplowanalytics.snowplow.badrows"
SIZE_VIOLATION = f"iglu:{VENDOR}/size_violation/jsonschema/1-0-0"
PAYLOAD_FORMAT_VIOLATION = f"iglu:{VENDOR}/collector_payload_format_violation/jsonschema/1-0-0"
ADAPTER_FAILURES = f"iglu:{VENDOR}/adapter_failures/jsonschema/1-0-0"
TRACKER_PROTOCOL_VIOLATIONS = f"iglu:{VENDOR}/tracker_protocol_violations/jsonschema/1-0-1"
SCHEMA_VIOLATIONS = f"iglu:{VENDOR}/schema_violations/jsonschema/2-0-1"
ENRICHMENT_FAILURES = f"iglu:{VENDOR}/enrichment_failures/jsonschema/2-0-1"
GENERIC_ERROR = f"iglu:{VENDOR}/generic_error/jsonschema/1-0-0"

Json = dict[str, Any]
"""A JSON object; numbers may be `jsontext.LiteralNumber`."""

_VERSION = re.compile(r"\d+\.\d+\.\d+")


class Processor(NamedTuple):
    """Who made the row; `version` starts with `x.y.z`, which the rows' schemas demand."""

    artifact: str
    version: str

    @property
    def name(self) -> str:
        return f"{self.artifact}-{self.version}"


def processor(artifact: str) -> Processor:
    """This installation's processor of that name."""
    version = metadata.version("snowmelt")
    return Processor(artifact, version if _VERSION.match(version) else f"0.0.0-{version}")


def _row(schema: str, maker: Processor, failure: Any, payload: Any) -> bytes:
    data = {"processor": maker._asdict(), "failure": failure, "payload": payload}
    return jsontext.dumps({"schema": schema, "data": data}).encode("utf-8", "replace")


def size_violation(maker: Processor, timestamp: str, limit: int, actual: int, expectation: str, payload: str) -> bytes:
    """`limit` and `actual` in bytes; `payload` is as much of the oversized text as is worth keeping."""
    failure = {
        "timestamp": timestamp,
        "maximumAllowedSizeBytes": limit,
        "actualSizeBytes": actual,
        "expectation": expectation,
    }
    return _row(SIZE_VIOLATION, maker, failure, payload)


def payload_format_violation(maker: Processor, timestamp: str, message: Json, payload: str) -> bytes:
    """A record from the collector that cannot be read; `payload` is its base64."""
    return _row(PAYLOAD_FORMAT_VIOLATION, maker, {"timestamp": timestamp, "loader": "thrift", "message": message}, payload)


def request_rejected(maker: Processor, timestamp: str, messages: Sequence[Json], payload: Json, by_tracker: bool) -> bytes:
    """A request that holds no events we understand; `payload` is the collector payload, `by_tracker` the kind of row."""
    failure = {
        "timestamp": timestamp,
        "vendor": payload["vendor"],
        "version": payload["version"],
        "messages": list(messages),
    }
    return _row(TRACKER_PROTOCOL_VIOLATIONS if by_tracker else ADAPTER_FAILURES, maker, failure, payload)


def event_failed(schema: str, maker: Processor, timestamp: str, messages: Sequence[Json], enriched: Json, raw: Json) -> bytes:
    """One event that broke a schema or an enrichment; `schema` is SCHEMA_VIOLATIONS or ENRICHMENT_FAILURES."""
    return _row(schema, maker, {"timestamp": timestamp, "messages": list(messages)}, {"enriched": enriched, "raw": raw})


def generic_error(maker: Processor, timestamp: str, errors: Sequence[str], payload: str) -> bytes:
    """Something of ours went wrong; `payload` is the base64 of the record, so that it can be sent again."""
    return _row(GENERIC_ERROR, maker, {"timestamp": timestamp, "errors": list(errors)}, payload)
