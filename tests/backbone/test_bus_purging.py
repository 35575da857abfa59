"""What everybody has read leaves the log at once: nothing of it stays in any byte, and all else is as it was."""

import sqlite3
import threading
from pathlib import Path

import pytest

from backbone.bus.log import LogBus
from backbone.bus.log_folder import LogFolder
from backbone.bus.purging import ends, purge, read_through, stored
from backbone.bus.segment import listed

READS = {"enricher": ("raw",), "loader": ("enriched", "failed", "bad")}


@pytest.fixture
def folder(tmp_path: Path) -> LogFolder:
    return root(tmp_path / "bus")


def root(path: Path) -> LogFolder:
    return LogFolder(path, 10_000_000_000, 64_000_000, tuple(READS))


def bytes_in(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file())


def secrets(count: int, size: int = 300) -> list[tuple[str, bytes]]:
    return [("raw", f"secret-{number:06d}-".encode() * (size // 14)) for number in range(count)]


def read(bus: LogBus, consumer: str, streams, acknowledge: int | None = None) -> list[bytes]:
    """Everything; up to `acknowledge` records of it are acknowledged (all when None)."""
    subscription = bus.subscribe(consumer, streams)
    found = []
    while records := subscription.pull(1000, 50_000_000, 0.02):
        found += records
    last = found[:acknowledge]
    subscription.ack({record.log: record.offset for record in last})
    subscription.close()
    return [record.data for record in found]


def test_what_everybody_has_read_leaves_no_byte(folder: LogFolder) -> None:
    bus = LogBus(folder.path)
    publisher = bus.publisher("collector")
    for size in (20, 300, 5_000, 100_000):
        publisher.commit(secrets(60, size))
    assert b"secret-" in bytes_in(folder.path)
    through = ends(folder)
    purged = purge(folder, through)
    assert purged.records == {"raw": 240}
    assert purged.uncleaned == ()
    assert b"secret-" not in bytes_in(folder.path)
    assert list(stored(folder, through)) == []
    publisher.close()


def test_the_rest_keeps_its_offsets_and_its_order(folder: LogFolder) -> None:
    bus = LogBus(folder.path)
    publisher = bus.publisher("collector")
    publisher.commit(secrets(50))
    done = ends(folder)
    publisher.commit([("raw", b"kept-1"), ("bad", b"kept-2")])
    before = list(stored(folder, ends(folder)))[-2:]
    purge(folder, done)
    assert list(stored(folder, ends(folder))) == before
    publisher.commit([("raw", b"kept-3")])
    assert read(bus, "enricher", ["raw"]) == [b"kept-1", b"kept-3"]
    publisher.close()


def test_offsets_are_not_used_again_when_the_producer_restarts_after_all_was_removed(folder: LogFolder) -> None:
    bus = LogBus(folder.path)
    publisher = bus.publisher("collector")
    publisher.commit(secrets(10), consumed={"replay": 4})
    publisher.close()
    last = ends(folder)["collector"]
    assert len(read(bus, "enricher", ["raw"])) == 10
    purge(folder, ends(folder))
    assert ends(folder)["collector"] == last
    again = bus.publisher("collector")
    assert again.consumed() == {"replay": 4}
    again.commit([("raw", b"new")])
    assert read(bus, "enricher", ["raw"]) == [b"new"]
    again.close()


def test_totals_and_backlog_count_as_if_nothing_had_been_removed(folder: LogFolder) -> None:
    bus = LogBus(folder.path, segment_bytes=20_000)
    small = LogFolder(folder.path, 10_000_000_000, 20_000, tuple(READS))
    publisher = bus.publisher("enricher")
    for _ in range(12):
        publisher.commit([("enriched", b"x" * 900)] * 5 + [("failed", b"y" * 90), ("bad", b"z" * 90)])
    before = bus.totals()
    assert before["enriched"] == 60
    middle = list(stored(small, ends(small)))[40].offset
    left = sum(record.offset > middle for record in stored(small, ends(small)))
    purge(small, {"enricher": middle})
    assert bus.totals() == before
    assert bus.backlog("loader", ["enriched", "failed", "bad"]) == left
    publisher.commit([("bad", b"more")])
    purge(small, ends(small))
    assert bus.totals() == {**before, "bad": before["bad"] + 1}
    for _ in range(10):
        publisher.commit([("enriched", b"x" * 3000)])
    assert bus.totals()["enriched"] == 70
    assert len(listed(folder.path / "enricher")) > 1
    publisher.close()


def test_running_it_again_changes_nothing(folder: LogFolder) -> None:
    bus = LogBus(folder.path)
    publisher = bus.publisher("collector")
    publisher.commit(secrets(20))
    purge(folder, ends(folder))
    assert purge(folder, ends(folder)).records == {}
    assert bus.totals()["raw"] == 20
    publisher.close()


def test_a_consumer_is_done_with_streams_it_does_not_read(folder: LogFolder) -> None:
    bus = LogBus(folder.path)
    publisher = bus.publisher("enricher")
    publisher.commit([("enriched", b"a"), ("bad", b"b")])
    publisher.close()
    other = bus.publisher("collector")
    other.commit([("raw", b"r"), ("raw", b"s")])
    other.close()
    end = ends(folder)
    assert read_through(folder, READS)["enricher"] == {"enricher": end["enricher"], "collector": end["collector"] - 2}
    assert read_through(folder, READS)["loader"] == {"enricher": end["enricher"] - 2, "collector": end["collector"]}
    read(bus, "loader", READS["loader"], acknowledge=1)
    read(bus, "enricher", ["raw"], acknowledge=1)
    assert read_through(folder, READS)["loader"]["enricher"] == end["enricher"] - 1
    assert read_through(folder, READS)["enricher"]["collector"] == end["collector"] - 1


def test_a_consumer_nobody_knows_the_streams_of_holds_back_what_it_has_not_acknowledged(folder: LogFolder) -> None:
    bus = LogBus(folder.path)
    publisher = bus.publisher("collector")
    publisher.commit([("raw", b"r"), ("raw", b"s")])
    read(bus, "audit", ["raw"], acknowledge=1)
    assert read_through(folder, READS)["audit"]["collector"] == ends(folder)["collector"] - 1
    publisher.close()


def test_whole_files_go_and_the_file_before_an_unfinished_one_stays(folder: LogFolder) -> None:
    bus = LogBus(folder.path, segment_bytes=20_000)
    publisher = bus.publisher("collector")
    for _ in range(8):
        publisher.commit(secrets(10, 1000))
    publisher.commit(secrets(1))
    publisher.close()
    log = folder.path / "collector"
    files = listed(log)
    assert len(files) > 3
    end = ends(folder)["collector"]
    unfinished = log / f"{end + 1:020d}.sqlite"
    sqlite3.connect(unfinished).close()
    purge(folder, {"collector": end})
    assert listed(log) == [files[-1], unfinished]
    assert b"secret-" not in bytes_in(folder.path)
    again = bus.publisher("collector")
    assert bus.totals()["raw"] == 81
    again.commit([("raw", b"new")])
    assert read(bus, "enricher", ["raw"])[-1] == b"new"
    again.close()


def test_a_producer_writes_and_a_consumer_reads_while_it_works(folder: LogFolder) -> None:
    bus = LogBus(folder.path)
    publisher = bus.publisher("collector")
    publisher.commit(secrets(12_000, 200))
    through = ends(folder)
    written: list[bytes] = []
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            written.append(b"new-%d" % len(written))
            publisher.commit([("raw", written[-1])])

    writer = threading.Thread(target=write)
    writer.start()
    purge(folder, through)
    stop.set()
    writer.join()
    assert b"secret-" not in bytes_in(folder.path)
    assert read(bus, "enricher", ["raw"]) == written
    assert written
    publisher.close()
