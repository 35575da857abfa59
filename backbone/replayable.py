"""From a bad row back to a payload: the record of the raw stream that sends what failed through the enricher again.

An event becomes a request of its own, with the parameters its adapter made of it and the id it already had, so that however often
it is sent it is the same event.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from backbone import thrift
from backbone.payload import CollectorPayload

Json = dict[str, Any]

_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\Z")
_TIMESTAMP = re.compile(r"([+-]?\d{4,9})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z\Z")
_EVENT_PATH = "/i"
_DAYS_OF_400_YEARS = 146_097


def raw_payload(row: Json) -> bytes | None:
    """The record for the raw stream; `None` where the row does not hold enough (a size violation, a row of the loader)."""
    try:
        kind = row["schema"].split("/")[1]
        payload = row["data"]["payload"]
        if kind in ("schema_violations", "enrichment_failures"):
            return thrift.encode(_of_event(payload["raw"], payload.get("enriched") or {}))
        if kind in ("adapter_failures", "tracker_protocol_violations"):
            return thrift.encode(_of_request(payload))
        if kind in ("collector_payload_format_violation", "generic_error"):
            return base64.b64decode(payload, validate=True)
    except (LookupError, TypeError, AttributeError, ValueError, binascii.Error):
        pass
    return None


def _of_event(raw: Json, enriched: Json) -> CollectorPayload:
    given = raw["parameters"]
    pairs = given.items() if isinstance(given, dict) else [(pair["name"], pair["value"]) for pair in given]
    parameters = dict(pairs)
    event_id = parameters.get("eid")
    if not (isinstance(event_id, str) and _UUID.match(event_id)):
        parameters["eid"] = enriched["event_id"]
    made = _shared(raw, raw["loaderName"], raw["userId"])
    made.path = _EVENT_PATH
    made.querystring = _query(parameters.items(), made.encoding)
    return made


def _of_request(payload: Json) -> CollectorPayload:
    made = _shared(payload, payload["collector"], payload["networkUserId"])
    made.path = f"/{payload['vendor']}/{payload['version']}"
    pairs = [(pair["name"], pair["value"]) for pair in payload["querystring"] or ()]
    made.querystring = _query(pairs, made.encoding) if pairs else None
    made.body = payload["body"]
    made.content_type = payload["contentType"]
    return made


def _shared(given: Json, collector: str | None, network_user_id: str | None) -> CollectorPayload:
    return CollectorPayload(
        ip_address=given["ipAddress"],
        timestamp=_millis(given["timestamp"]),
        encoding=given["encoding"],
        collector=collector,
        user_agent=given["useragent"],
        referer_uri=given["refererUri"],
        headers=list(given["headers"] or ()),
        hostname=given["hostname"],
        network_user_id=network_user_id,
    )


def _query(pairs: Iterable[tuple[str, str | None]], encoding: str | None) -> str:
    return "&".join(
        _quoted(name, encoding) if value is None else f"{_quoted(name, encoding)}={_quoted(value, encoding)}"
        for name, value in pairs
    )


def _quoted(text: str, encoding: str | None) -> str:
    try:
        return quote(text.encode(encoding or "utf-8", "replace"), safe="")
    except LookupError:
        return quote(text.encode("utf-8", "replace"), safe="")


def _millis(text: str) -> int:
    """Epoch milliseconds of `2025-04-30T10:00:00.000Z`; years outside `datetime`'s are moved there by whole 400-year cycles."""
    match = _TIMESTAMP.match(text)
    if match is None:
        raise ValueError("not a timestamp")
    year, month, day, hour, minute, second = (int(match[index]) for index in range(1, 7))
    cycles, of_cycle = divmod(year - 2000, 400)
    moment = datetime(2000 + of_cycle, month, day, hour, minute, second, tzinfo=UTC)
    seconds = int(moment.timestamp()) + cycles * _DAYS_OF_400_YEARS * 86_400
    return seconds * 1000 + int((match[7] or "0").ljust(3, "0")[:3])
