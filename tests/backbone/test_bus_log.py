"""What only the durable log promises."""

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from backbone.bus.log import LogBus
from backbone.bus.protocol import Record
from backbone.bus.segment import listed
from backbone.errors import BusCorrupt, BusFull, BusUnavailable


def drain(subscription) -> list[bytes]:
    found: list[bytes] = []
    while records := subscription.pull(100, 10_000_000, 0.05):
        found += [record.data for record in records]
    return found


def small(tmp_path: Path, max_bytes: int = 10_000_000, segment_bytes: int = 100_000) -> LogBus:
    return LogBus(tmp_path / "bus", max_bytes, segment_bytes)


def test_the_log_continues_over_many_files(tmp_path: Path) -> None:
    bus = small(tmp_path)
    publisher = bus.publisher("collector")
    expected = [b"%d" % n + b"x" * 5000 for n in range(200)]
    for data in expected:
        publisher.commit([("raw", data)], consumed={"somewhere": 1})
    assert len(listed(tmp_path / "bus" / "collector")) > 5
    assert drain(bus.subscribe("enricher", ["raw"])) == expected
    publisher.close()
    reopened = bus.publisher("collector")
    assert reopened.consumed() == {"somewhere": 1}
    reopened.commit([("raw", b"after")])
    assert drain(bus.subscribe("enricher", ["raw"]))[-1] == b"after"
    assert bus.totals()["raw"] == 201


def test_files_are_deleted_only_after_every_consumer_passed_them(tmp_path: Path) -> None:
    bus = small(tmp_path)
    publisher = bus.publisher("collector")
    slow, fast = bus.subscribe("slow", ["raw"]), bus.subscribe("fast", ["raw"])

    def publish() -> None:
        for _ in range(100):
            publisher.commit([("raw", b"x" * 5000)])

    def consume(subscription) -> int:
        count = 0
        while records := subscription.pull(50, 10_000_000, 0.05):
            subscription.ack({records[-1].log: records[-1].offset})
            count += len(records)
        return count

    publish()
    assert consume(fast) == 100
    before = len(listed(tmp_path / "bus" / "collector"))
    publish()
    assert len(listed(tmp_path / "bus" / "collector")) > before
    assert consume(slow) == 200
    assert consume(fast) == 100
    publish()
    assert len(listed(tmp_path / "bus" / "collector")) < before + 1


def test_records_of_other_streams_do_not_keep_files_alive(tmp_path: Path) -> None:
    bus = small(tmp_path)
    publisher = bus.publisher("collector")
    bad_only = bus.subscribe("loader", ["bad"])
    for _ in range(200):
        publisher.commit([("raw", b"x" * 5000)])
    assert bad_only.pull(10, 1000, 1.3) == []
    before = len(listed(tmp_path / "bus" / "collector"))
    for _ in range(40):
        publisher.commit([("raw", b"x" * 5000)])
    assert len(listed(tmp_path / "bus" / "collector")) < before


def test_a_full_log_refuses_and_recovers_when_read(tmp_path: Path) -> None:
    bus = small(tmp_path, max_bytes=4_000_000)
    publisher = bus.publisher("collector")
    subscription = bus.subscribe("enricher", ["raw"])
    accepted = 0
    refusal = None
    while refusal is None and accepted < 1000:
        try:
            publisher.commit([("raw", b"x" * 10_000)])
            accepted += 1
        except BusFull as problem:
            refusal = str(problem)
    assert refusal is not None
    assert "consumers must catch up" in refusal
    assert accepted > 50
    # Those that drain the log may still write: otherwise nobody could make room.
    bus.publisher("enricher").commit([("enriched", b"y" * 10_000)], consumed={"collector": 1})
    count = 0
    while records := subscription.pull(50, 10_000_000, 0.05):
        subscription.ack({records[-1].log: records[-1].offset})
        count += len(records)
    assert count == accepted
    publisher.commit([("raw", b"again")])


def test_one_process_at_a_time_writes_a_log(tmp_path: Path) -> None:
    bus = small(tmp_path)
    first = bus.publisher("collector")
    with pytest.raises(BusUnavailable, match="another process"):
        bus.publisher("collector")
    first.close()
    bus.publisher("collector").close()


def test_a_log_made_anew_is_read_from_its_start_by_those_who_knew_the_old_one(tmp_path: Path) -> None:
    import shutil

    bus = small(tmp_path)
    old = bus.publisher("collector")
    old.commit([("raw", b"%d" % n) for n in range(1000)])
    record = bus.subscribe(None, ["raw"]).pull(1000, 10_000_000, 1)[-1]
    old.close()
    shutil.rmtree(tmp_path / "bus" / "collector")
    bus.publisher("collector").commit([("raw", b"new")])
    assert drain(bus.subscribe("loader", ["raw"], start={record.log: record.offset})) == [b"new"]


def test_a_file_cut_off_while_it_was_made_is_made_again(tmp_path: Path) -> None:
    bus = small(tmp_path)
    publisher = bus.publisher("enricher")
    publisher.commit([("enriched", b"a")], consumed={"collector": 5})
    publisher.close()
    last = int(listed(tmp_path / "bus" / "enricher")[-1].stem)
    (tmp_path / "bus" / "enricher" / f"{last + 1:020d}.sqlite").touch()
    reopened = bus.publisher("enricher")
    assert reopened.consumed() == {"collector": 5}
    reopened.commit([("enriched", b"b")])
    assert drain(bus.subscribe("loader", ["enriched"])) == [b"a", b"b"]


def test_a_foreign_file_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "bus" / "collector"
    folder.mkdir(parents=True)
    (folder / f"{1:020d}.sqlite").write_bytes(b"this is no database at all, but long enough to look like one" * 20)
    with pytest.raises((BusCorrupt, sqlite3.DatabaseError), match=r"sqlite|not a database"):
        small(tmp_path).publisher("collector")


KILLED_WRITER = """
import sys
from pathlib import Path
from backbone.bus.log import LogBus
publisher = LogBus(Path(sys.argv[1]), 100_000_000, 50_000).publisher("collector")
n = int(sys.argv[2])
while True:
    publisher.commit([("raw", b"%d" % (n + i) + b"-" * 700) for i in range(7)], consumed={"source": n})
    n += 7
    print(n, flush=True)
"""


def test_what_was_committed_survives_sigkill(tmp_path: Path) -> None:
    folder = tmp_path / "bus"
    confirmed = 0
    for number in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED_WRITER, str(folder), str(confirmed)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(30 + 17 * number):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        printed = process.stdout.read().split()
        process.wait()
        bus = LogBus(folder, 100_000_000, 50_000)
        records: list[Record] = []
        subscription = bus.subscribe(None, ["raw"])
        while pulled := subscription.pull(1000, 10_000_000, 0.05):
            records += pulled
        numbers = [int(record.data.split(b"-")[0]) for record in records]
        assert numbers == list(range(len(numbers))), "no gap, no double"
        assert len(numbers) % 7 == 0, "whole commits only"
        assert len(numbers) >= (int(printed[-1]) if printed else 0)
        publisher = bus.publisher("collector")
        assert publisher.consumed()["source"] == len(numbers) - 7
        publisher.close()
        confirmed = len(numbers)
