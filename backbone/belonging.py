"""Whether what the pipeline keeps belongs to a person: requests, enriched lines, bad rows, in all the forms it keeps them in."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

from backbone import jsontext, thrift
from backbone.bus.protocol import Stream
from backbone.event import COLUMNS, POSITION
from backbone.payload import CollectorPayload
from backbone.person import COLUMNS as ID_COLUMNS
from backbone.person import Person

_NAMES = "uid|duid|nuid|tnuid|user_id|domain_userid|network_userid|networkUserId|userId"
_NETWORK = ("networkUserId", "userId")
"""How a bad row calls the network user id of its request."""
_TEXT = r'\\*"(?:name\\*"\s*:\s*\\*")?'
_MEMBER = re.compile(
    rf'{_TEXT}({_NAMES})\\*"\s*(?:,\s*\\*"value\\*"\s*)?:\s*\\*"((?:[^"\\]|\\+u[0-9a-fA-F]{{4}}|\\+[/bfnrt])*)\\*"'
)
_ESCAPE = re.compile(r"\\+(u[0-9a-fA-F]{4}|[/bfnrt])")
_QUERY = re.compile(r"(?:^|[?&;:\"])(uid|duid|nuid|tnuid)=([^&;,)\"\s]*)")
_COOKIE = re.compile(r"cookie: ?([^\",\]]*)", re.IGNORECASE)
_PRINTED = re.compile(r"\bnetworkUserId:([^,)\s]+)")
"""In a request that was too large, of which a printed form is kept."""


def in_record(person: Person, stream: Stream, data: bytes) -> bool:
    """A record of the bus."""
    if stream == "raw":
        return in_raw(person, data)
    text = data.decode("utf-8", "replace")
    return in_bad_row(person, text) if stream == "bad" else stream != "replayed" and in_line(person, text)


def in_raw(person: Person, data: bytes) -> bool:
    """A request in Thrift; one that is none is not looked into."""
    try:
        return in_payload(person, thrift.decode(data))
    except thrift.ThriftError:
        return False


def in_payload(person: Person, payload: CollectorPayload) -> bool:
    """A request: also when only one of its events is theirs."""
    return (
        person.has("network_userid", payload.network_user_id)
        or any(person.in_parameter(*pair) for pair in _pairs(payload.querystring or "", payload.encoding or "utf-8"))
        or any(map(person.in_header, payload.headers))
        or in_body(person, payload.body)
    )


def _pairs(query: str, encoding: str) -> Iterator[tuple[str, str]]:
    for part in re.split("[&;]", query):
        name, _, value = part.partition("=")
        try:
            yield unquote_plus(name, encoding), unquote_plus(value, encoding)
        except LookupError:
            yield unquote_plus(name), unquote_plus(value)


def in_body(person: Person, body: Any) -> bool:
    """What trackers post: `payload_data`, whose `data` is a list of events; also an event, or a list, without that around it."""
    if type(body) is not str or not body:
        return False
    try:
        value, _ = jsontext.loads(body)
    except jsontext.JsonError:
        return in_fragment(person, body)
    data = value.get("data") if type(value) is dict else None
    events = [one for part in (value, data) for one in (part if type(part) is list else [part]) if type(one) is dict]
    return any(person.in_parameter(*pair) for event in events for pair in event.items())


def in_line(person: Person, line: str) -> bool:
    """An enriched line, also one that was cut after its ids."""
    cells = line.split("\t", max(POSITION[name] for name in ID_COLUMNS) + 1)
    return any(POSITION[name] < len(cells) and person.has(name, cells[POSITION[name]]) for name in ID_COLUMNS)


def in_bad_row(person: Person, text: str) -> bool:
    """A bad row of any kind; or the line that a failed event is kept as before its bad row comes."""
    try:
        value, _ = jsontext.loads(text)
    except jsontext.JsonError:
        return in_line(person, text) or in_fragment(person, text)
    if type(value) is not dict:  # a line that is a number between empty cells reads as JSON, too
        return in_line(person, text)
    data = value.get("data")
    if type(data) is not dict:
        return False
    kind, payload = str(value.get("schema")), data.get("payload")
    if type(payload) is not str:
        return type(payload) is dict and _in_object(person, payload)
    if "/size_violation/" in kind:
        return in_line(person, payload) or in_fragment(person, payload)
    return _in_base64(person, payload) or in_line(person, payload)


def _in_base64(person: Person, text: str) -> bool:
    try:
        return in_raw(person, base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error):
        return False


def _in_object(person: Person, payload: dict[str, Any]) -> bool:
    """`payload` of a bad row: an event (`raw` and `enriched`), a request, or the columns of a row."""
    raw, enriched = payload.get("raw"), payload.get("enriched")
    inner = [part for part in (raw, enriched) if type(part) is dict]
    if inner:
        return any(_in_object(person, part) for part in inner)
    return (
        person.in_columns(payload)
        or any(person.has("network_userid", payload.get(name)) for name in _NETWORK)
        or any(person.in_parameter(*pair) for name in ("parameters", "querystring") for pair in _named(payload.get(name)))
        or any(map(person.in_header, payload.get("headers") or ()))
        or in_body(person, payload.get("body"))
    )


def _named(pairs: Any) -> Iterator[tuple[Any, Any]]:
    """Parameters in either of the forms bad rows have had."""
    if type(pairs) is dict:
        yield from pairs.items()
    elif type(pairs) is list:
        yield from ((pair.get("name"), pair.get("value")) for pair in pairs if type(pair) is dict)
    elif type(pairs) is str:
        yield from _pairs(pairs, "utf-8")


def in_fragment(person: Person, text: str) -> bool:
    """JSON or a query that was cut: members and parameters that are whole, however often their quotes are escaped."""
    members = ((name, _unescaped(value)) for name, value in _MEMBER.findall(text))
    return (
        any(_in_member(person, name, value) for name, value in members)
        or any(person.in_parameter(name, unquote_plus(value)) for name, value in _QUERY.findall(text))
        or any(person.in_header(f"Cookie:{value}") for value in _COOKIE.findall(text))
        or any(person.has("network_userid", value) for value in _PRINTED.findall(text))
    )


def _in_member(person: Person, name: str, value: str) -> bool:
    if name in _NETWORK:
        return person.has("network_userid", value)
    return person.has(name, value) if name in ID_COLUMNS else person.in_parameter(name, value)


def _unescaped(value: str) -> str:
    try:
        return str(json.loads('"' + _ESCAPE.sub(r"\\\1", value) + '"'))
    except ValueError:
        return value


assert len(COLUMNS) > max(POSITION[name] for name in ID_COLUMNS)
