"""Requests packed together for Pub/Sub: Snowplow's container, which our own enricher and Snowplow's read."""

import gzip
import struct
import threading
from itertools import chain
from typing import Any, Literal

import pytest
import zstandard

from backbone.bus.memory import MemoryBus
from backbone.bus.protocol import Record
from collector.packing import Packing, packing
from enricher import framing

KINDS: tuple[Literal["zstd", "gzip"], ...] = ("zstd", "gzip")
LIMITS = framing.Limits(10_000_000, 200_000_000)


def committed(kind: Any, *records: tuple[Any, bytes]) -> list[Record]:
    bus = MemoryBus()
    packing(bus.publisher("collector"), kind).commit(list(records))
    return bus.subscribe(None, ["raw", "bad"]).pull(1_000, 10**9, 0.1)


def unpacked(records: list[Record]) -> list[bytes]:
    found = [part for record in records for part in framing.records(record.data, LIMITS)]
    assert all(isinstance(part, bytes) for part in found)
    return [part for part in found if isinstance(part, bytes)]


def test_the_container_is_the_one_of_the_specification() -> None:
    content = b"\x01\x01" + struct.pack(">i", 1) + b"a" + struct.pack(">i", 2) + b"bc"
    for kind, unpack in (("gzip", gzip.decompress), ("zstd", zstandard.ZstdDecompressor().decompress)):
        (record,) = committed(kind, ("raw", b"a"), ("raw", b"bc"))
        assert unpack(record.data) == content
        assert framing.is_container(record.data)


@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_goes_in_comes_out_in_order(kind: Any) -> None:
    payloads = [b"%d " % n + b"x" * size for n, size in enumerate([0, 10, 900_000, 200_000, 3_000_000, *[500] * 3_000])]
    records = committed(kind, *(("raw", payload) for payload in payloads))
    assert unpacked(records) == payloads
    assert 3 < len(records) < 8
    assert sum(len(record.data) for record in records) < sum(map(len, payloads)) / 10


@pytest.mark.parametrize("kind", KINDS)
def test_bad_rows_stay_as_they_are(kind: Any) -> None:
    records = committed(kind, ("bad", b"{}"), ("raw", b"a"), ("bad", b"{1}"))
    assert [record.data for record in records if record.stream == "bad"] == [b"{}", b"{1}"]
    assert [record.data for record in committed(kind, ("bad", b"{}"))] == [b"{}"]
    assert unpacked([record for record in records if record.stream == "raw"]) == [b"a"]


def test_without_compression_nothing_is_packed() -> None:
    assert [record.data for record in committed("none", ("raw", b"a"), ("raw", b"b"))] == [b"a", b"b"]


def test_even_an_empty_payload_is_no_nothing() -> None:
    assert unpacked(committed("gzip", ("raw", b""))) == [b""]


def test_threads_may_commit_together() -> None:
    bus = MemoryBus()
    publisher = Packing(bus.publisher("collector"), "zstd")
    payloads = [[b"%d %d " % (thread, n) * 100 for n in range(50)] for thread in range(8)]
    threads = [threading.Thread(target=lambda own=own: [publisher.commit([("raw", one)]) for one in own]) for own in payloads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(unpacked(bus.subscribe(None, ["raw"]).pull(1_000, 10**9, 0.1))) == sorted(chain(*payloads))
