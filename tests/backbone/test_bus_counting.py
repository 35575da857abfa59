"""Exact numbers: of a log up to any offset, of what a producer counted, whatever was deleted or written by an older version."""

import sqlite3
from pathlib import Path

import pytest

from backbone.bus.balance import openings
from backbone.bus.log import LogBus
from backbone.bus.memory import MemoryBus
from backbone.bus.protocol import Bus, Extent
from backbone.bus.segment import STREAMS, first_offset, listed

NONE = dict.fromkeys(STREAMS, 0)


@pytest.fixture(params=["log", "memory"])
def bus(request: pytest.FixtureRequest, tmp_path: Path) -> Bus:
    return MemoryBus() if request.param == "memory" else LogBus(tmp_path / "bus")


def test_a_log_is_counted_up_to_any_offset(bus: Bus) -> None:
    publisher = bus.publisher("enricher")
    publisher.commit([("enriched", b"1"), ("failed", b"2"), ("bad", b"3")])
    publisher.commit([("enriched", b"4")])
    extent = bus.extents()["enricher"]
    assert extent == Extent(extent.kept, extent.kept, extent.kept + 3)
    found = [bus.counted("enricher", extent.kept - 1 + number) for number in range(6)]
    expected = [{}, {"enriched": 1}, {"enriched": 1, "failed": 1}, {"enriched": 1, "failed": 1, "bad": 1}]
    assert found[:4] == [{**NONE, **some} for some in expected]
    assert found[4] == found[5] == {**NONE, "enriched": 2, "failed": 1, "bad": 1}


def test_a_log_that_is_not_there_is_not_counted(bus: Bus) -> None:
    assert bus.extents() == {}
    assert bus.counted("enricher", 5) is None
    assert bus.progress("enricher") is None


def test_what_a_producer_counts_is_stored_with_its_records(bus: Bus) -> None:
    publisher = bus.publisher("enricher")
    publisher.commit([("enriched", b"a")], consumed={"collector": 7}, counted={"events": 2, "payloads": 1})
    publisher.commit([], counted={"events": 3})
    progress = bus.progress("enricher")
    assert progress is not None
    assert progress.consumed == {"collector": 7}
    assert progress.counters == {"events": 5, "payloads": 1}
    assert progress.written == {**NONE, "enriched": 1}


def test_numbers_survive_new_files_deleted_files_and_restarts(tmp_path: Path) -> None:
    bus = LogBus(tmp_path, 50_000_000, 20_000)
    subscription = bus.subscribe("loader", ["enriched"])
    publisher = bus.publisher("enricher")
    begun = bus.extents()["enricher"].begun
    for number in range(30):
        stream = "bad" if number % 5 == 0 else "enriched"
        publisher.commit([(stream, b"x" * 4000)], counted={"events": 1})  # type: ignore[list-item]
        while records := subscription.pull(100, 10_000_000, 0.0):
            subscription.ack({records[-1].log: records[-1].offset})
    publisher.close()
    publisher = bus.publisher("enricher")
    publisher.commit([("enriched", b"x")], counted={"events": 1})
    extent = bus.extents()["enricher"]
    assert extent.begun == begun
    assert extent.kept > begun
    assert bus.counted("enricher", extent.kept - 2) is None
    for offset in range(extent.kept - 1, extent.last + 1):
        bad = (min(offset, extent.last - 1) - begun) // 5 + 1
        assert bus.counted("enricher", offset) == {**NONE, "bad": bad, "enriched": offset - begun + 1 - bad}
    progress = bus.progress("enricher")
    assert progress is not None
    assert progress.counters == {"events": 31}
    assert sum(progress.written.values()) == 31


def as_version_1(file: Path) -> None:
    """The file as it was written before there were counters."""
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE counters")
        connection.execute("PRAGMA user_version=1")
    connection.close()


def test_files_of_version_1_are_read_counted_and_written_on(tmp_path: Path) -> None:
    bus = LogBus(tmp_path)
    publisher = bus.publisher("enricher")
    publisher.commit([("enriched", b"a"), ("bad", b"b")], consumed={"collector": 3})
    publisher.close()
    (file,) = listed(tmp_path / "enricher")
    as_version_1(file)
    progress = bus.progress("enricher")
    assert progress is not None
    assert (progress.consumed, progress.counters) == ({"collector": 3}, {})
    assert bus.counted("enricher", first_offset(file)) == {**NONE, "enriched": 1}
    publisher = bus.publisher("enricher")
    publisher.commit([("enriched", b"c")], counted={"events": 1})
    assert [r.data for r in bus.subscribe(None, ["enriched", "bad"]).pull(10, 1000, 0.0)] == [b"a", b"b", b"c"]
    progress = bus.progress("enricher")
    assert progress is not None
    assert (progress.counters, progress.written["enriched"]) == ({"events": 1}, 2)


@pytest.mark.parametrize(
    ("read", "counting", "opened"),
    [(0, [], 0), (3, [], 2), (3, ["collector"], None), (0, ["collector"], None)],
    ids=["never-read", "read-before-it-was-counted", "counted", "counted-from-its-begin"],
)
def test_counting_begins_with_what_was_read_before(tmp_path: Path, read: int, counting: list[str], opened: int | None) -> None:
    bus = LogBus(tmp_path)
    bus.publisher("collector").commit([("raw", b"a"), ("bad", b"b"), ("raw", b"c"), ("raw", b"d")])
    before = bus.extents()["collector"].begun - 1
    found = openings(bus, {"collector": before + read}, counting)
    assert {log: records["raw"] for log, records in found.items()} == ({} if opened is None else {"collector": opened})


def test_a_log_made_anew_is_counted_from_its_begin(tmp_path: Path) -> None:
    bus = LogBus(tmp_path)
    bus.publisher("collector").commit([("raw", b"a")])
    assert openings(bus, {"collector": 5}, ["collector"]) == {"collector": NONE}
