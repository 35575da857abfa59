"""A failed event as a document that is pleasant to edit, and back into the record that sends it again.

Three forms, by what failed: an event of the enricher, a request without events, a line the loader refused. Each begins with
`kind`, `schema` and `reason`, which are there to be read: what a patch does to them has no effect.
"""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from backbone import jsontext, thrift
from backbone.bus.protocol import Stream
from backbone.payload import CollectorPayload
from backbone.replayable import raw_payload
from loader import replay_event_documents, replay_line_documents
from loader.replay_event_documents import headers, refuse_unknown
from loader.replay_selection import Failure
from loader.replay_wrapping import Json, Unfit, objects_only, same, text_or_none

_PATH = re.compile(r"/([^/]+)/([^/]+)\Z")
_TOLD = ("kind", "schema", "reason")
_OF_EVENTS = ("schema_violations", "enrichment_failures")
_OF_REQUESTS = ("adapter_failures", "tracker_protocol_violations")
_OF_RECORDS = ("collector_payload_format_violation", "generic_error")
_REQUEST_FIELDS = {
    "content_type": "contentType",
    "timestamp": "timestamp",
    "ip_address": "ipAddress",
    "user_agent": "useragent",
    "referer": "refererUri",
    "hostname": "hostname",
    "network_user_id": "networkUserId",
}
_RECORD_FIELDS = ("path", "querystring", "content_type", "ip_address", "user_agent", "hostname", "network_user_id")


class Sendable(NamedTuple):
    """`data` goes to `stream` as it is, unless a patch makes something else of it."""

    stream: Stream
    data: bytes


class Document(NamedTuple):
    value: Json
    """What a patch is given."""
    encode: Callable[[Json], bytes]
    """From the changed value to the record. Raises Unfit."""


def sendable(failure: Failure) -> Sendable | str:
    """What sends it again unchanged, or why nothing can."""
    if failure.enriched_line is not None:
        return Sendable("enriched", failure.enriched_line.encode("utf-8", "replace"))
    payload = raw_payload(bad_row(failure))
    return _why(failure.kind) if payload is None else Sendable("raw", payload)


def _why(kind: str | None) -> str:
    if kind == "size_violation":
        return "too large: only its beginning was kept"
    if kind is None:
        return "its bad row has not arrived yet"
    return f"a row of kind {kind} does not hold the data to send"


def bad_row(failure: Failure) -> Json:
    try:
        value, _ = jsontext.loads(failure.original or "")
    except jsontext.JsonError:
        return {}
    return value if type(value) is dict else {}


def document(failure: Failure) -> Document | None:
    """Of a failure that is sendable; None where there is nothing a patch could read."""
    told = {"kind": failure.kind, "schema": failure.schema, "reason": failure.reason}
    if failure.enriched_line is not None:
        line = replay_line_documents.Line(failure.enriched_line, failure.event_id is not None)
        return Document({**told, **line.value()}, lambda value: line.encode(own(value)))
    row = bad_row(failure)
    if failure.kind in _OF_EVENTS:
        event = replay_event_documents.FailedEvent(row)
        return Document({**told, **event.value()}, lambda value: _record(event.row(own(value))))
    if failure.kind in _OF_REQUESTS:
        return Document({**told, **_request_value(row)}, lambda value: _record(_request_row(row, own(value))))
    return _of_record(row, told) if failure.kind in _OF_RECORDS else None


def own(value: Json) -> Json:
    return {name: item for name, item in value.items() if name not in _TOLD}


def _record(row: Json) -> bytes:
    payload = raw_payload(row)
    if payload is None:
        raise Unfit("it is no longer a payload: see `timestamp`, which must look like 2026-11-22T09:30:00.000Z")
    return payload


def _request_value(row: Json) -> Json:
    payload = row["data"]["payload"]
    value = {"path": f"/{payload['vendor']}/{payload['version']}", "querystring": _query(payload["querystring"])}
    value["body"] = _body(payload["body"])
    value |= {name: payload[key] for name, key in _REQUEST_FIELDS.items()}
    return {**value, "headers": payload["headers"]}


def _query(pairs: list[Json] | None) -> Json | list[Json]:
    """By name; as it is where a name comes twice."""
    named = {pair["name"]: pair["value"] for pair in pairs or ()}
    return named if len(named) == len(pairs or ()) else list(pairs or ())


def _body(text: str | None) -> Any:
    """The JSON in it, if it is an object or a list."""
    try:
        value, _ = jsontext.loads(text or "")
    except jsontext.JsonError:
        return text
    return value if type(value) in (dict, list) else text


def _body_text(value: Any, before: str | None) -> str | None:
    if same(value, _body(before)):
        return before
    return value if value is None or type(value) is str else jsontext.dumps(value, exact=False)


def _request_row(row: Json, value: Json) -> Json:
    before = row["data"]["payload"]
    refuse_unknown(value, {"path", "querystring", "body", "headers", *_REQUEST_FIELDS})
    path = _PATH.match(value.get("path") or "")
    if path is None:
        raise Unfit("`path` must be /vendor/version")
    payload = {**before, "vendor": path[1], "version": path[2], "querystring": _pairs(value.get("querystring"))}
    payload["body"] = _body_text(value.get("body"), before["body"])
    payload |= {key: text_or_none(value.get(name), name) for name, key in _REQUEST_FIELDS.items()}
    payload["headers"] = headers(value)
    return {**row, "data": {**row["data"], "payload": payload}}


def _pairs(query: Any) -> list[Json]:
    if type(query) is list:
        pairs = [(objects_only(pair, "querystring").get("name"), pair.get("value")) for pair in query]
    else:
        pairs = list(objects_only({} if query is None else query, "querystring").items())
    if not all(type(name) is str for name, _ in pairs):
        raise Unfit("`querystring` must hold names and texts")
    return [{"name": name, "value": text_or_none(item, f"querystring.{name}")} for name, item in pairs]


def _of_record(row: Json, told: Json) -> Document | None:
    """A request that could not be read as one, as far as the collector's record itself can be read: all of it is text."""
    try:
        payload = thrift.decode(base64.b64decode(row["data"]["payload"], validate=True))
    except (thrift.ThriftError, binascii.Error, ValueError, TypeError, LookupError):
        return None
    value = {name: getattr(payload, name) for name in _RECORD_FIELDS}
    value |= {"body": _body(payload.body), "referer": payload.referer_uri, "headers": payload.headers}
    return Document({**told, **value}, lambda changed: _changed_record(payload, own(changed)))


def _changed_record(payload: CollectorPayload, value: Json) -> bytes:
    refuse_unknown(value, {*_RECORD_FIELDS, "body", "referer", "headers"})
    changed = {name: text_or_none(value.get(name), name) for name in _RECORD_FIELDS}
    made = CollectorPayload(
        timestamp=payload.timestamp,
        encoding=payload.encoding,
        collector=payload.collector,
        schema=payload.schema,
        referer_uri=text_or_none(value.get("referer"), "referer"),
        body=_body_text(value.get("body"), payload.body),
        headers=headers(value),
        **changed,
    )
    return thrift.encode(made)
