"""`CollectorPayload` ⇄ Thrift binary protocol: a bare struct, no message envelope.

A field is type byte, big-endian int16 id, value; a string is int32 length and bytes; a list is element type, int32 count;
a zero byte ends the struct. Ids and order as the Snowplow collector writes them (100 … 410, 31337 last).
"""

import struct

from backbone.payload import PAYLOAD_SCHEMA, CollectorPayload

_STRING, _I64, _LIST = 11, 10, 15
_pack_length = struct.Struct(">i").pack
_pack_timestamp = struct.Struct(">bhq").pack
_read_field = struct.Struct(">bh").unpack_from
_read_text_head = struct.Struct(">bhi").unpack_from
_read_length = struct.Struct(">i").unpack_from
_read_i64 = struct.Struct(">q").unpack_from
_read_list = struct.Struct(">bi").unpack_from
_FIXED_SIZE = {1: 0, 2: 1, 3: 1, 4: 8, 6: 2, 8: 4, 10: 8}
_MAX_NESTING = 64


def _tag(number: int) -> bytes:
    return struct.pack(">bh", _STRING, number)


_IP, _ENCODING, _COLLECTOR = _tag(100), _tag(210), _tag(220)
_AGENT, _REFERER, _PATH, _QUERY, _BODY = _tag(300), _tag(310), _tag(320), _tag(330), _tag(340)
_CONTENT_TYPE, _HOST, _NETWORK_ID = _tag(360), _tag(400), _tag(410)
_HEADERS = struct.pack(">bhb", _LIST, 350, _STRING)
_SCHEMA = _tag(31337)
_STANDARD_END = _SCHEMA + _pack_length(len(PAYLOAD_SCHEMA)) + PAYLOAD_SCHEMA.encode() + b"\0"


def encode(payload: CollectorPayload) -> bytes:
    """The bytes one raw message holds. Lone surrogates become `?`."""
    parts: list[bytes] = []
    add = parts.append

    def text(tag: bytes, value: str | None) -> None:
        if value is not None:
            data = value.encode("utf-8", "replace")
            add(tag)
            add(_pack_length(len(data)))
            add(data)

    text(_IP, payload.ip_address)
    add(_pack_timestamp(_I64, 200, payload.timestamp))
    text(_ENCODING, payload.encoding)
    text(_COLLECTOR, payload.collector)
    text(_AGENT, payload.user_agent)
    text(_REFERER, payload.referer_uri)
    text(_PATH, payload.path)
    text(_QUERY, payload.querystring)
    text(_BODY, payload.body)
    add(_HEADERS)
    add(_pack_length(len(payload.headers)))
    for header in payload.headers:
        data = header.encode("utf-8", "replace")
        add(_pack_length(len(data)))
        add(data)
    text(_CONTENT_TYPE, payload.content_type)
    text(_HOST, payload.hostname)
    text(_NETWORK_ID, payload.network_user_id)
    if payload.schema == PAYLOAD_SCHEMA:
        add(_STANDARD_END)
    else:
        text(_SCHEMA, payload.schema)
        add(b"\0")
    return b"".join(parts)


class ThriftError(ValueError):
    """The bytes are no Thrift struct; the text says where and why."""


def decode(data: bytes) -> CollectorPayload:
    """Reads one struct. Unknown fields are skipped, bytes after the end ignored, bad UTF-8 becomes U+FFFD.

    Raises ThriftError. A field that is absent, or has another type than expected, stays unset.
    """
    payload = CollectorPayload(encoding=None, schema=None)
    at, size = 0, len(data)
    try:
        while (kind := data[at]) != 0:
            if kind == _STRING:
                _, number, length = _read_text_head(data, at)
                end = at + 7 + length
                if length < 0:
                    raise ThriftError(f"Negative length: {length}")
                if end > size:
                    raise IndexError
                name = _TEXT_FIELDS.get(number)
                if name is not None:
                    setattr(payload, name, data[at + 7 : end].decode("utf-8", "replace"))
                at = end
                continue
            _, number = _read_field(data, at)
            at += 3
            if kind == _I64 and number == 200:
                (payload.timestamp,) = _read_i64(data, at)
                at += 8
            elif kind == _LIST and number == 350 and data[at] == _STRING:
                payload.headers, at = _texts(data, at)
            else:
                at = _skip(data, at, kind, 0)
    except (IndexError, struct.error):
        raise ThriftError("Reached end of bytes when parsing as thrift format") from None
    return payload


_TEXT_FIELDS = {
    100: "ip_address",
    210: "encoding",
    220: "collector",
    300: "user_agent",
    310: "referer_uri",
    320: "path",
    330: "querystring",
    340: "body",
    360: "content_type",
    400: "hostname",
    410: "network_user_id",
    31337: "schema",
}


def _end_of(data: bytes, at: int) -> int:
    (length,) = _read_length(data, at)
    if length < 0:
        raise ThriftError(f"Negative length: {length}")
    end: int = at + 4 + length
    if end > len(data):
        raise IndexError
    return end


def _texts(data: bytes, at: int) -> tuple[list[str], int]:
    _, count = _read_list(data, at)
    at += 5
    if count < 0:
        raise ThriftError(f"Negative size: {count}")
    if count * 4 > len(data) - at:
        raise IndexError
    values = []
    for _ in range(count):
        end = _end_of(data, at)
        values.append(data[at + 4 : end].decode("utf-8", "replace"))
        at = end
    return values, at


def _skip(data: bytes, at: int, kind: int, depth: int) -> int:
    """Position after a value of a field nobody here knows."""
    if depth > _MAX_NESTING:
        raise ThriftError("Maximum skip depth exceeded")
    if kind in _FIXED_SIZE:
        at += _FIXED_SIZE[kind]
        if at > len(data):
            raise IndexError
        return at
    if kind == _STRING:
        return _end_of(data, at)
    if kind == 12:
        while (inner := data[at]) != 0:
            at = _skip(data, at + 3, inner, depth + 1)
        return at + 1
    if kind in (14, _LIST):
        element, count = _read_list(data, at)
        return _skip_many(data, at + 5, (element,), count, depth)
    if kind == 13:
        key, value, count = struct.unpack_from(">bbi", data, at)
        return _skip_many(data, at + 6, (key, value), count, depth)
    raise ThriftError(f"Unrecognized type {kind}")


def _skip_many(data: bytes, at: int, kinds: tuple[int, ...], count: int, depth: int) -> int:
    if count > len(data):
        raise IndexError
    for _ in range(count):
        for kind in kinds:
            at = _skip(data, at, kind, depth + 1)
    return at
