"""`CollectorPayload` as Thrift bytes, both ways."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbone import thrift
from backbone.payload import CollectorPayload
from backbone.thrift import ThriftError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
FULL = CollectorPayload(
    ip_address="203.0.113.7",
    timestamp=1_746_007_200_000,
    encoding="UTF-8",
    collector="c-1",
    user_agent="UA",
    referer_uri="http://r.example/",
    path="/i",
    querystring="e=pv",
    body="{}",
    headers=["A: b", "C: d"],
    content_type="application/json",
    hostname="h.example",
    network_user_id="8712a379-4bcb-46ee-815d-85f26540577f",
)


def text(number: int, value: bytes) -> bytes:
    return struct.pack(">bhi", 11, number, len(value)) + value


def test_a_full_payload_survives_the_round_trip() -> None:
    assert thrift.decode(thrift.encode(FULL)) == FULL


@given(
    st.builds(
        CollectorPayload, TEXT, st.integers(-(2**63), 2**63 - 1), TEXT, TEXT, *[st.none() | TEXT] * 5, st.lists(TEXT, max_size=3)
    )
)
def test_any_payload_survives_the_round_trip(payload: CollectorPayload) -> None:
    assert thrift.decode(thrift.encode(payload)) == payload


@given(st.binary(max_size=300))
def test_any_bytes_are_a_payload_or_an_error(data: bytes) -> None:
    try:
        found = thrift.decode(data)
    except ThriftError:
        return
    assert thrift.decode(thrift.encode(found)).path == found.path


@pytest.mark.parametrize("end", range(len(thrift.encode(FULL))))
def test_every_cut_is_noticed(end: int) -> None:
    with pytest.raises(ThriftError, match="Reached end of bytes"):
        thrift.decode(thrift.encode(FULL)[:end])


def test_unset_fields_stay_unset_and_order_does_not_matter() -> None:
    data = text(320, b"/i") + struct.pack(">bhq", 10, 200, -5) + text(100, b"1.1.1.1") + b"\0"
    found = thrift.decode(data)
    assert (found.path, found.timestamp, found.ip_address) == ("/i", -5, "1.1.1.1")
    assert (found.encoding, found.schema, found.collector) == (None, None, None)


@pytest.mark.parametrize(
    "unknown",
    [
        text(9999, b"x"),
        struct.pack(">bh?", 2, 9999, True),
        struct.pack(">bhd", 4, 9999, 0.5),
        struct.pack(">bhi", 8, 100, 5),
        struct.pack(">bhbi", 15, 9999, 8, 2) + struct.pack(">ii", 1, 2),
        struct.pack(">bhbi", 14, 350, 10, 1) + struct.pack(">q", 1),
        struct.pack(">bhbbi", 13, 9999, 11, 8, 1) + struct.pack(">i1si", 1, b"k", 5),
        struct.pack(">bh", 12, 9999) + text(1, b"inner") + b"\0",
        struct.pack(">bhbi", 15, 350, 8, 1) + struct.pack(">i", 1),
    ],
    ids=["text", "flag", "double", "known number of another type", "list", "set", "map", "struct", "headers of another type"],
)
def test_fields_nobody_knows_are_skipped(unknown: bytes) -> None:
    assert thrift.decode(unknown + text(320, b"/i") + b"\0after the end").path == "/i"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"nonsense", "Unrecognized type 110"),
        (struct.pack(">bhi", 11, 100, -5), "Negative length"),
        (struct.pack(">bhi", 11, 100, 2**31 - 1), "Reached end of bytes"),
        (struct.pack(">bhbi", 15, 350, 11, -1), "Negative size"),
        (struct.pack(">bhbi", 15, 350, 11, 2**31 - 1), "Reached end of bytes"),
        (struct.pack(">bhbi", 15, 9999, 2, 2**31 - 1), "Reached end of bytes"),
        (struct.pack(">bh", 12, 9999) * 100, "Maximum skip depth exceeded"),
    ],
)
def test_what_is_no_struct_is_said_to_be_none(data: bytes, problem: str) -> None:
    with pytest.raises(ThriftError, match=problem):
        thrift.decode(data)


@pytest.mark.parametrize(("value", "read"), [(b"\xff", "�"), ("é".encode(), "é"), (b"a\xe2\x82", "a�")])
def test_bad_utf_8_becomes_replacement_characters(value: bytes, read: str) -> None:
    assert thrift.decode(text(300, value) + b"\0").user_agent == read


@pytest.mark.parametrize(("change", "wanted"), [({"user_agent": "\ud800"}, "?"), ({"schema": "iglu:x/y/thrift/1-0-0"}, None)])
def test_what_cannot_be_written_as_it_is(change: dict[str, Any], wanted: str | None) -> None:
    found = thrift.decode(thrift.encode(CollectorPayload(**change)))
    assert found.user_agent == wanted
    assert found.schema == change.get("schema", FULL.schema)
