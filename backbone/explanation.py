"""What a bad row means and what to do about it, in words for someone who has never seen one.

Nothing of an event's data is quoted but the names of properties and parameters: reasons are stored, shown and sent in alerts.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from backbone import cut_events, reports
from backbone.reports import Finding

Json = dict[str, Any]

_KIND_OF_ERROR = re.compile(r"(DuckDB: )?[A-Z][A-Za-z]{2,60}")
"""The name of an exception; any other message may quote data."""


class Explanation(NamedTuple):
    """`kind` is the bad row's name, `stage` the service that refused, `schema` the URI of the schema at fault."""

    kind: str
    stage: str
    reason: str
    remedy: str
    schema: str | None
    event_id: str | None
    app_id: str | None


def explain(row: Json) -> Explanation:
    """Explains any bad row, also one that Snowplow's programs wrote, and anything else too: never raises."""
    kind = _kind(row)
    data = _object(row.get("data"))
    finding = _FINDERS.get(kind, _unknown)(data)
    event_id, app_id = _identity(data) if kind != "size_violation" else cut_events.identity(_text(data.get("payload")) or "")
    return Explanation(kind, _stage(kind, data), finding.reason, finding.remedy, finding.schema, event_id, app_id)


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _kind(row: Json) -> str:
    """`schema_violations` of `iglu:…badrows/schema_violations/jsonschema/2-0-1`."""
    parts = (_text(row.get("schema")) or "").split("/")
    return parts[1] if len(parts) > 1 and parts[1] else "unknown"


def _stage(kind: str, data: Json) -> str:
    artifact = _text(_object(data.get("processor")).get("artifact")) or ""
    for stage, marks in (("collector", ("collector", "ssc")), ("loader", ("load", "repeater")), ("enricher", ("enrich",))):
        if any(mark in artifact for mark in marks):
            return stage
    return "loader" if kind.startswith("loader_") else "enricher"


def _identity(data: Json) -> tuple[str | None, str | None]:
    """(event id, app id) where the row has them."""
    payload = _object(data.get("payload"))
    enriched = _object(payload.get("enriched")) or payload
    app_id = _text(enriched.get("app_id")) or next(
        (_text(pair.get("value")) for pair in _objects(payload.get("querystring")) if pair.get("name") == "aid"), None
    )
    return _text(enriched.get("event_id")), app_id


def _several(messages: list[Json], one: Callable[[Json], Finding], fallback: Finding) -> Finding:
    """The first finding, saying how many more there are."""
    if not messages:
        return fallback
    first = one(messages[0])
    more = len(messages) - 1
    if more == 0:
        return first
    return first._replace(reason=f"{first.reason} ({more} more {'problem' if more == 1 else 'problems'} in the row.)")


def _schema_violations(data: Json) -> Finding:
    nothing = Finding("The event breaks a schema.", reports.REPLAY_ALL)
    return _several(_objects(_object(data.get("failure")).get("messages")), reports.violation, nothing)


def _enrichment_failures(data: Json) -> Finding:
    nothing = Finding("An enrichment failed.", reports.REPLAY_ALL)
    return _several(_objects(_object(data.get("failure")).get("messages")), _enrichment, nothing)


_BUILT_IN = {
    "v_collector": (
        "The payload does not name the collector it came from.",
        "Set `collector.name`, or stop sending an empty `cv`",
    ),
    "event": (
        "The event's type is missing or is not one that can be stored.",
        "Make the tracker send `e` as one of pv, pp, se, ue, tr, ti",
    ),
    "sp_dtm": (
        "The link that led to the page carries an `_sp` parameter whose time is not in milliseconds since 1970.",
        "Mend the code that decorates links between your domains",
    ),
}


def _enrichment(message: Json) -> Finding:
    enrichment, said = _object(message.get("enrichment")), _object(message.get("message"))
    name = _text(enrichment.get("identifier")) or _text(enrichment.get("schemaKey"))
    field = _text(said.get("field"))
    if name is None and field in _BUILT_IN:
        reason, remedy = _BUILT_IN[field]
        return Finding(reason, f"{remedy}, for events to come.")
    if name is None:
        error = _text(said.get("error")) or _text(said.get("expectation")) or "a built-in step failed"
        return Finding(f"{error[:200]}.", "Fix what the tracker sends, for events to come.")
    about = f" at the field `{field}`" if field else ""
    remedy = (
        "Check the enrichment's configuration and the service it asks; then run `snowmelt replay --reason enrichment_failures`."
    )
    return Finding(f"The enrichment {name} failed{about}.", remedy, _text(enrichment.get("schemaKey")))


def _request(kind: str, data: Json) -> Finding:
    failure = _object(data.get("failure"))
    api = f"/{failure.get('vendor')}/{failure.get('version')}"
    nothing = Finding(f"A request to {api} holds no events that can be understood.", reports.REPLAY_ALL)
    return _several(_objects(failure.get("messages")), lambda message: reports.request(message, api, kind), nothing)


def _payload_format(data: Json) -> Finding:
    message = _object(_object(data.get("failure")).get("message"))
    field = _text(message.get("payloadField"))
    remedy = (
        "Look at what sends to this address: it is not a tracker, or something between it and the collector garbles requests."
    )
    if field == "path":
        return Finding("The request's path is not one that trackers or webhooks send to.", remedy)
    if field == "querystring":
        return Finding("The request's query string is not a legal one: special characters must be percent-encoded.", remedy)
    if field == "networkUserId":
        return Finding("The network user id stored by the collector is not a UUID.", "Delete the cookie or fix who sets it.")
    return Finding(
        "The record is not a payload as the collector writes it.",
        "Check what writes to the `raw` stream: a collector of another version, a truncated copy, or another program.",
    )


def _size(data: Json) -> Finding:
    failure = _object(data.get("failure"))
    actual, limit = failure.get("actualSizeBytes"), failure.get("maximumAllowedSizeBytes")
    remedy = "Send less in one request, or raise the limit in `snowmelt.toml`; the data was cut and cannot be replayed."
    return Finding(f"It is {actual} bytes long, more than the {limit} that are allowed.", remedy)


def _generic(data: Json) -> Finding:
    return Finding(
        "Snowmelt itself failed on this payload.",
        "Please report it; after an upgrade that fixes it run `snowmelt replay --reason generic_error`.",
    )


def _loader_iglu(data: Json) -> Finding:
    nothing = Finding("The event's data fit no column of the table.", reports.REPLAY_ALL)
    return _several(_objects(data.get("failure")), reports.violation, nothing)


def _loader_parsing(data: Json) -> Finding:
    failure = data.get("failure")
    wrong = [str(error.get("key")) for error in _objects(failure.get("errors") if isinstance(failure, dict) else None)]
    if not wrong:
        return Finding(
            "The line is not an enriched event: it does not have 131 columns.",
            "Check what writes to the `enriched` stream besides the enricher.",
        )
    names = ", ".join(f"`{name}`" for name in wrong[:5])
    return Finding(
        f"The event does not fit the table `events`: {names} cannot be stored in its column.",
        "Fix what the tracker sends for it (a number out of range, a date out of range), for events to come.",
    )


def _loader_runtime(data: Json) -> Finding:
    message = _text(data.get("failure")) or ""
    kind = f" ({message})" if _KIND_OF_ERROR.fullmatch(message) else ""
    return Finding(
        f"The warehouse refused the event{kind}.", "Look at the loader's log of that time; then run `snowmelt replay`."
    )


def _unknown(data: Json) -> Finding:
    return Finding("The row is of a kind Snowmelt does not know.", "Check what writes to the `bad` stream.")


_FINDERS: dict[str, Callable[[Json], Finding]] = {
    "schema_violations": _schema_violations,
    "enrichment_failures": _enrichment_failures,
    "tracker_protocol_violations": partial(_request, "tracker_protocol_violations"),
    "adapter_failures": partial(_request, "adapter_failures"),
    "collector_payload_format_violation": _payload_format,
    "size_violation": _size,
    "generic_error": _generic,
    "loader_iglu_error": _loader_iglu,
    "loader_parsing_error": _loader_parsing,
    "loader_runtime_error": _loader_runtime,
}
