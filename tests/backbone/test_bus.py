"""What every bus promises, whichever carries the records; then what only the durable log promises."""

import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from backbone.bus.log import LogBus
from backbone.bus.memory import MemoryBus
from backbone.bus.protocol import Bus, Record
from backbone.bus.segment import listed
from backbone.errors import BusCorrupt, BusFull, BusUnavailable


@pytest.fixture(params=["log", "memory"])
def bus(request: pytest.FixtureRequest, tmp_path: Path) -> Bus:
    return MemoryBus() if request.param == "memory" else LogBus(tmp_path / "bus")


def drain(subscription, streams: str = "") -> list[bytes]:
    found: list[bytes] = []
    while records := subscription.pull(100, 10_000_000, 0.05):
        found += [record.data for record in records]
    return found


def test_records_arrive_in_order_with_their_stream(bus: Bus) -> None:
    publisher = bus.publisher("enricher")
    publisher.commit([("enriched", b"1"), ("failed", b"2"), ("bad", b"3")])
    publisher.commit([("enriched", b"4")])
    records = bus.subscribe("loader", ["enriched", "failed", "bad"]).pull(10, 1000, 1)
    assert [(r.log, r.stream, r.data) for r in records] == [
        ("enricher", "enriched", b"1"),
        ("enricher", "failed", b"2"),
        ("enricher", "bad", b"3"),
        ("enricher", "enriched", b"4"),
    ]
    assert [r.offset for r in records] == sorted({r.offset for r in records})


def test_a_consumer_sees_only_the_streams_it_asked_for(bus: Bus) -> None:
    bus.publisher("collector").commit([("raw", b"a"), ("bad", b"b"), ("raw", b"c")])
    assert drain(bus.subscribe("x", ["bad"])) == [b"b"]
    assert drain(bus.subscribe("y", ["raw"])) == [b"a", b"c"]


def test_every_consumer_gets_every_record(bus: Bus) -> None:
    bus.publisher("collector").commit([("raw", b"a")])
    first, second = bus.subscribe("one", ["raw"]), bus.subscribe("two", ["raw"])
    assert drain(first) == [b"a"]
    assert drain(second) == [b"a"]


def test_a_consumer_goes_on_after_what_it_acknowledged(bus: Bus) -> None:
    publisher = bus.publisher("collector")
    publisher.commit([("raw", b"a"), ("raw", b"b")])
    subscription = bus.subscribe("enricher", ["raw"])
    (first, _) = subscription.pull(10, 1000, 1)
    subscription.ack({first.log: first.offset})
    subscription.close()
    assert drain(bus.subscribe("enricher", ["raw"])) == [b"b"]


def test_given_positions_win_over_acknowledged_ones(bus: Bus) -> None:
    bus.publisher("collector").commit([("raw", b"a"), ("raw", b"b")])
    subscription = bus.subscribe("enricher", ["raw"])
    first, second = subscription.pull(10, 1000, 1)
    subscription.ack({second.log: second.offset})
    assert drain(bus.subscribe("enricher", ["raw"], start={first.log: first.offset})) == [b"b"]


def test_input_positions_are_stored_with_the_records(bus: Bus) -> None:
    publisher = bus.publisher("enricher")
    publisher.commit([("enriched", b"x")], consumed={"collector": 7})
    publisher.commit([], consumed={"collector": 9, "replay": 2})
    publisher.close()
    assert bus.publisher("enricher").consumed() == {"collector": 9, "replay": 2}


def test_a_pull_keeps_to_its_limits_but_always_gives_one_record(bus: Bus) -> None:
    bus.publisher("collector").commit([("raw", b"x" * 50) for _ in range(5)])
    subscription = bus.subscribe("enricher", ["raw"])
    assert len(subscription.pull(2, 1000, 1)) == 2
    assert len(subscription.pull(10, 60, 1)) == 1
    assert len(subscription.pull(10, 10, 1)) == 1
    assert len(subscription.pull(10, 1000, 1)) == 1


def test_an_empty_bus_answers_after_the_timeout(bus: Bus) -> None:
    assert bus.subscribe("enricher", ["raw"]).pull(10, 1000, 0.01) == []


def test_a_waiting_consumer_gets_what_is_published_meanwhile(bus: Bus) -> None:
    publisher = bus.publisher("collector")
    subscription = bus.subscribe("enricher", ["raw"])
    timer = threading.Timer(0.05, publisher.commit, [[("raw", b"late")]])
    timer.start()
    assert [r.data for r in subscription.pull(10, 1000, 5)] == [b"late"]
    timer.join()


def test_a_producer_that_appears_later_is_found(bus: Bus) -> None:
    bus.publisher("collector").commit([("raw", b"a")])
    subscription = bus.subscribe("enricher", ["raw"])
    assert drain(subscription) == [b"a"]
    bus.publisher("replay").commit([("raw", b"b")])
    assert [r.data for r in subscription.pull(10, 1000, 2)] == [b"b"]


def test_backlog_and_totals_count_records(bus: Bus) -> None:
    publisher = bus.publisher("collector")
    publisher.commit([("raw", b"a"), ("bad", b"b"), ("raw", b"c")])
    subscription = bus.subscribe("enricher", ["raw"])
    records = subscription.pull(1, 1000, 1)
    assert bus.backlog("enricher", ["raw"]) == 2
    subscription.ack({records[0].log: records[0].offset})
    assert bus.backlog("enricher", ["raw"]) == 1
    assert bus.totals() == {"raw": 2, "enriched": 0, "failed": 0, "bad": 1, "replayed": 0}


# --- the embedded durable log ----------------------------------------------------------------------------------------


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
