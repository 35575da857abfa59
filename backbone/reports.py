"""One message of a bad row in plain words: what is wrong and what to do about it."""

from typing import Any, NamedTuple

Json = dict[str, Any]

REPLAY_ALL = "Mend what is wrong; then run `snowmelt replay`."
_TO_COME = "for events to come"
_STANDARD = "iglu:com.snowplowanalytics."
_ATOMIC = "iglu:com.snowplowanalytics.snowplow/atomic/jsonschema/1-0-0"


class Finding(NamedTuple):
    """`schema` is the URI of the schema at fault, if one is."""

    reason: str
    remedy: str
    schema: str | None = None


def violation(message: Json) -> Finding:
    """A message of `schema_violations`, `loader_iglu_error`, or the Iglu ones of a rejected request."""
    schema = _text(message.get("schemaKey"))
    if schema is None:
        return _without_schema(message)
    if "schemaCriterion" in message:
        reason = f"The data is wrapped in the schema {schema}, where one of {message['schemaCriterion']} is expected."
        return Finding(reason, f"Fix how the tracker wraps its data, {_TO_COME}.", schema)
    error = message.get("error")
    if not isinstance(error, dict):
        return _fits_no_column(schema, message)
    if error.get("error") == "ResolutionError":
        return _not_found(schema, error)
    issues, found = error.get("schemaIssues"), error.get("dataReports")
    if isinstance(issues, list) and issues:
        issue = issues[0] if isinstance(issues[0], dict) else {}
        reason = f"The schema {schema} is itself not valid (at {issue.get('path')}: {issue.get('message')})."
        return Finding(reason, f"Correct {_file(schema)}; then run `{_replay(schema)}`.", schema)
    reports = [report for report in found if isinstance(report, dict)] if isinstance(found, list) else []
    return _invalid(schema, reports)


def request(message: Json, api: str, kind: str) -> Finding:
    """A message of `adapter_failures` or `tracker_protocol_violations` (the `kind`); `api` is the request's path."""
    field = _text(message.get("field"))
    if field == "vendor/version":
        remedy = "Correct the tracker's or webhook's address (trackers post to /com.snowplowanalytics.snowplow/tp2)"
        return Finding(f"Nothing is known about requests to the path {api}.", f"{remedy}, {_TO_COME}.")
    if field is not None and "error" in message:
        return Finding(f"The {_part(field)} of a request to {api} is not JSON.", f"Fix what the sender posts, {_TO_COME}.")
    if field is not None:
        expectation = _text(message.get("expectation")) or "unusable"
        reason = f"The {_part(field)} of a request to {api} cannot be used: {expectation[:200]}."
        return Finding(reason, f"Fix what the sender sends, {_TO_COME}.")
    if "schemaKey" in message or "json" in message:
        return violation(message)
    remedy = f"Stop the webhook sending it; once it is known, run `snowmelt replay --reason {kind}`."
    return Finding(f"A webhook request to {api} is of a type that is not known.", remedy)


def _part(field: str) -> str:
    parts = {"contentType": "content type", "querystring": "query string", "co|cx": "list of entities (`co`, `cx`)"}
    return parts.get(field, field)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _file(schema: str) -> str:
    return f"schemas/{schema.removeprefix('iglu:')}"


def _replay(schema: str) -> str:
    return f"snowmelt replay --schema {schema}"


def _kind_of(field: str | None) -> str:
    kinds = {"unstruct": "self-describing event (`ue_pr`, `ue_px`)", "contexts": "list of entities (`co`, `cx`)"}
    return kinds.get(field or "", field or "data")


_CODES = {
    "INVALID_IGLUURI": "names a schema in another form than iglu:vendor/name/jsonschema/1-0-0",
    "INVALID_SCHEMAVER": "names a schema version that is not three numbers such as 1-0-0, the first at least 1",
    "INVALID_DATA_PAYLOAD": "is not an object with a text `schema` and a `data`",
}


def _without_schema(message: Json) -> Finding:
    remedy = f"Fix the tracking code that builds it, {_TO_COME}."
    if "json" in message:
        told = _CODES.get(_text(message.get("error")) or "", "is not self-describing JSON")
        return Finding(f"A self-describing event or entity {told}.", remedy)
    return Finding(f"The event's {_kind_of(_text(message.get('field')))} is not valid JSON.", remedy)


def _not_found(schema: str, error: Json) -> Finding:
    history = error.get("lookupHistory")
    asked = [item.get("repository") for item in history if isinstance(item, dict)] if isinstance(history, list) else []
    where = f" (asked: {', '.join(str(name) for name in asked)})" if asked else ""
    reason = f"The schema {schema} was not found in any registry{where}."
    remedy = f"Add it as {_file(schema)}, or add the registry that has it to the resolver; then run `{_replay(schema)}`."
    return Finding(reason, remedy, schema)


def _fits_no_column(schema: str, message: Json) -> Finding:
    expected = message.get("expected")
    what = f": {expected} is expected" if isinstance(expected, str) else ""
    return Finding(
        f"Data of the schema {schema} does not fit its column{what}.",
        f"Check {_file(schema)} for a change that breaks earlier versions; then run `{_replay(schema)}`.",
        schema,
    )


def _invalid(schema: str, reports: list[Json]) -> Finding:
    if not reports:
        return Finding(f"The data does not keep to the schema {schema}.", f"Fix it; then run `{_replay(schema)}`.", schema)
    first = reports[0]
    reason, remedy = _atomic(first) if schema.startswith(_ATOMIC) else _broken(first, schema)
    more = len(reports) - 1
    if more:
        reason = f"{reason} ({more} more {'fault' if more == 1 else 'faults'} of this kind of data.)"
    return Finding(reason, f"{remedy}.", schema)


_PROBLEMS = (
    ("Not a valid UUID", "is not a UUID"),
    ("Not a valid platform", "is none of web, mob, pc, srv, app, tv, cnsl, iot, headset"),
    ("Not a valid event type", "is none of pv, pp, se, ue, tr, ti"),
    ("Cannot be converted to java.lang.Integer", "is not a whole number of at most 32 bits"),
    ("Cannot be converted to java.math.BigDecimal", "is not a decimal number"),
    ("Cannot be converted to Boolean-like", "is neither 1 nor 0"),
    ("Could not be converted to java.lang.Integer", "holds a number of more than 32 bits"),
    ("Does not conform to regex", "is not of the form 1200x800"),
    ("Not in the expected format", "is not a time in milliseconds since 1970"),
    ("Format", "is a time outside the years 0 to 9999"),
)


def _atomic(report: Json) -> tuple[str, str]:
    name, message = report.get("path"), _text(report.get("message")) or ""
    if report.get("keyword") == "atomic_field_length_exceeded":
        limit = message.rpartition(" ")[2]
        remedy = f"Set `enricher.field_limits.{name}` higher and run `{_replay(_ATOMIC)}`, or send less, {_TO_COME}"
        return f"The field `{name}` is longer than {limit} characters.", remedy
    told = next((words for start, words in _PROBLEMS if message.startswith(start)), "has a value of the wrong kind")
    return f"The tracker parameter `{name}` {told}.", f"Make the tracker send `{name}` in the right form, {_TO_COME}"


def _broken(report: Json, schema: str) -> tuple[str, str]:
    path, keyword = report.get("path") or "$", report.get("keyword")
    targets = [str(target) for target in report.get("targets") or ()] if isinstance(report.get("targets"), list) else []
    first = targets[0] if targets else "?"
    where = "" if path == "$" else f" at `{path}`"
    if keyword == "required":
        reason = f"The property `{first}`{where} is missing, which the schema {schema} requires."
        return reason, _change(schema, f"Make `{first}` optional in", f"make the tracker send `{first}`")
    if keyword == "additionalProperties":
        reason = f"The property `{first}`{where} is not defined in the schema {schema}, which allows no others."
        return reason, _change(schema, f"Add the property `{first}` to", "fix the tracker")
    reason = f"The value at `{path}` {_told(keyword, targets)}, as the schema {schema} demands."
    return reason, _change(schema, "Change", "fix the tracker")


def _change(schema: str, change: str, alternative: str) -> str:
    """What to do to the schema, if it is one's own, or else to the tracker."""
    if schema.startswith(_STANDARD):
        return f"{alternative[0].upper()}{alternative[1:]}, {_TO_COME} (the schema is part of the protocol, not for changing)"
    return f"{change} {_file(schema)} and run `{_replay(schema)}`, or {alternative}, {_TO_COME}"


_DEMANDS = {
    "maxLength": "is longer than {0} characters, not at most that",
    "minLength": "is shorter than {0} characters, not at least that",
    "maximum": "is larger than {0}, not at most that",
    "minimum": "is smaller than {0}, not at least that",
    "maxItems": "has more than {0} items, not at most that",
    "minItems": "has fewer than {0} items, not at least that",
    "enum": "is not one of the listed values",
    "pattern": "does not match the regular expression",
    "uniqueItems": "has items that occur twice, not once each",
    "uuid": "is not a UUID",
    "dateTime": "is not a date with a time and an offset (such as 2025-04-30T10:00:00Z)",
    "format": "is not a well-formed {0}",
    "multipleOf": "is not a multiple of {0}",
}


def _told(keyword: Any, targets: list[str]) -> str:
    if keyword in ("type", "unionType") and len(targets) > 1:
        return f"is of the type {targets[0]}, not {targets[1].strip('[]').replace(', ', ' or ')}"
    demand = _DEMANDS.get(str(keyword))
    if demand is None or ("{0}" in demand and not targets):
        return f"breaks the rule `{keyword}`"
    return demand.format(targets[0][:100] if targets else "")
