"""What every bus promises, whichever carries the records; then what only those with an order and a memory of their own promise.

A consumer's records are waited for: Pub/Sub gives them in no order, and none before its subscription was made.
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from buses import KINDS, opened

from backbone.bus.protocol import Bus, Record, Subscription

ORDERED = ("log", "memory")


@pytest.fixture(params=KINDS)
def bus(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bus]:
    with opened(request.param, tmp_path) as made:
        yield made


@pytest.fixture(params=ORDERED)
def ordered(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bus]:
    with opened(request.param, tmp_path) as made:
        yield made


def take(subscription: Subscription, number: int, patience: float = 20) -> list[Record]:
    """So many records, one at least being waited for each time."""
    records: list[Record] = []
    deadline = time.monotonic() + patience
    while len(records) < number and time.monotonic() < deadline:
        records += subscription.pull(number - len(records), 10_000_000, 1)
    assert len(records) == number
    return records


def drain(subscription: Subscription) -> list[bytes]:
    found: list[bytes] = []
    while records := subscription.pull(100, 10_000_000, 0.05):
        found += [record.data for record in records]
    return found


def texts(records: list[Record]) -> list[bytes]:
    return sorted(record.data for record in records)


def positions(records: list[Record]) -> dict[str, int]:
    return {record.log: record.offset for record in records}


def test_records_arrive_once_with_their_stream(bus: Bus) -> None:
    publisher = bus.publisher("enricher")
    subscription = bus.subscribe("loader", ["enriched", "failed", "bad", "replayed"])
    publisher.commit([("enriched", b"1"), ("failed", b"2"), ("bad", b"3")])
    publisher.commit([("enriched", b"4"), ("replayed", b"5")])
    records = take(subscription, 5)
    assert sorted((r.data, r.stream) for r in records) == [
        (b"1", "enriched"),
        (b"2", "failed"),
        (b"3", "bad"),
        (b"4", "enriched"),
        (b"5", "replayed"),
    ]
    assert subscription.pull(10, 1000, 0.2) == []
    for log in {record.log for record in records}:
        offsets = [record.offset for record in records if record.log == log]
        assert offsets == sorted(set(offsets)), "they grow, so that a position tells what is done with"
    subscription.close()


def test_a_consumer_sees_only_the_streams_it_asked_for(bus: Bus) -> None:
    bad, raw = bus.subscribe("x", ["bad"]), bus.subscribe("y", ["raw"])
    bus.publisher("collector").commit([("raw", b"a"), ("bad", b"b"), ("replayed", b"r"), ("raw", b"c")])
    assert texts(take(raw, 2)) == [b"a", b"c"]
    assert texts(take(bad, 1)) == [b"b"]
    assert bad.pull(10, 1000, 0.3) == []
    for subscription in (bad, raw):
        subscription.close()


def test_every_consumer_gets_every_record(bus: Bus) -> None:
    first, second = bus.subscribe("one", ["raw"]), bus.subscribe("two", ["raw"])
    bus.publisher("collector").commit([("raw", b"a")])
    assert texts(take(first, 1)) == [b"a"]
    assert texts(take(second, 1)) == [b"a"]
    for subscription in (first, second):
        subscription.close()


def test_what_was_published_before_a_service_first_ran_waits_for_it(bus: Bus) -> None:
    bus.publisher("collector").commit([("raw", b"a"), ("raw", b"b")])
    subscription = bus.subscribe("enricher", ["raw"])
    assert texts(take(subscription, 2)) == [b"a", b"b"]
    subscription.close()


def test_a_consumer_goes_on_after_what_it_acknowledged(bus: Bus) -> None:
    bus.publisher("collector").commit([("raw", b"a"), ("raw", b"b"), ("raw", b"c")])
    subscription = bus.subscribe("enricher", ["raw"])
    done = take(subscription, 2)
    subscription.ack(positions(done))
    subscription.close()
    again = bus.subscribe("enricher", ["raw"])
    assert texts(done + take(again, 1)) == [b"a", b"b", b"c"]
    assert again.pull(10, 1000, 0.3) == []
    again.close()


def test_what_was_not_acknowledged_comes_again(bus: Bus) -> None:
    bus.publisher("collector").commit([("raw", b"a"), ("raw", b"b")])
    subscription = bus.subscribe("enricher", ["raw"])
    take(subscription, 2)
    subscription.close()
    again = bus.subscribe("enricher", ["raw"])
    assert texts(take(again, 2)) == [b"a", b"b"]
    again.close()


def test_a_pull_keeps_to_its_limits_but_always_gives_one_record(bus: Bus) -> None:
    subscription = bus.subscribe("enricher", ["raw"])
    bus.publisher("collector").commit([("raw", b"x" * 50) for _ in range(5)])
    take(subscription, 1)
    time.sleep(0.3)
    assert len(subscription.pull(2, 1000, 1)) == 2
    assert len(subscription.pull(10, 60, 1)) == 1
    assert len(subscription.pull(10, 10, 1)) == 1
    subscription.close()


def test_an_empty_bus_answers_after_the_timeout(bus: Bus) -> None:
    subscription = bus.subscribe("enricher", ["raw"])
    assert subscription.pull(10, 1000, 0.01) == []
    subscription.close()


def test_a_waiting_consumer_gets_what_is_published_meanwhile(bus: Bus) -> None:
    publisher = bus.publisher("collector")
    subscription = bus.subscribe("enricher", ["raw"])
    timer = threading.Timer(0.05, publisher.commit, [[("raw", b"late")]])
    timer.start()
    assert [r.data for r in subscription.pull(10, 1000, 5)] == [b"late"]
    timer.join()
    subscription.close()


def test_a_producer_that_appears_later_is_found(bus: Bus) -> None:
    subscription = bus.subscribe("enricher", ["raw"])
    bus.publisher("collector").commit([("raw", b"a")])
    assert texts(take(subscription, 1)) == [b"a"]
    bus.publisher("replay").commit([("raw", b"b")])
    assert texts(take(subscription, 1)) == [b"b"]
    subscription.close()


def test_large_and_many_records_arrive_whole(bus: Bus, request: pytest.FixtureRequest) -> None:
    if "pstest" in request.node.name:
        pytest.skip("pstest takes requests up to 4 MB only")
    largest = bus.largest_record or 10_000_000
    subscription = bus.subscribe("enricher", ["raw"])
    records = [b"%d " % n + b"x" * size for n, size in enumerate([largest - 10, 5_000_000, 5_000_000, *[20] * 2_500])]
    bus.publisher("collector").commit([("raw", data) for data in records])
    taken = take(subscription, len(records))
    subscription.ack(positions(taken))
    assert texts(taken) == sorted(records)
    subscription.close()


def test_an_empty_commit_is_none(bus: Bus) -> None:
    subscription = bus.subscribe("enricher", ["raw"])
    bus.publisher("collector").commit([], consumed={"elsewhere": 1}, counted={"events": 1})
    assert subscription.pull(10, 1000, 0.1) == []
    subscription.close()


# --- the log, and its likeness in memory: an order, positions, numbers -----------------------------------------------


def test_records_of_a_producer_arrive_in_order(ordered: Bus) -> None:
    publisher = ordered.publisher("enricher")
    publisher.commit([("enriched", b"1"), ("failed", b"2"), ("bad", b"3")])
    publisher.commit([("enriched", b"4")])
    records = ordered.subscribe("loader", ["enriched", "failed", "bad"]).pull(10, 1000, 1)
    assert [(r.log, r.data) for r in records] == [("enricher", data) for data in (b"1", b"2", b"3", b"4")]


def test_whoever_comes_late_gets_everything(ordered: Bus) -> None:
    ordered.publisher("collector").commit([("raw", b"a"), ("bad", b"b"), ("raw", b"c")])
    assert drain(ordered.subscribe("never seen before", ["raw"])) == [b"a", b"c"]
    assert drain(ordered.subscribe(None, ["raw"])) == [b"a", b"c"]


def test_given_positions_win_over_acknowledged_ones(ordered: Bus) -> None:
    ordered.publisher("collector").commit([("raw", b"a"), ("raw", b"b")])
    subscription = ordered.subscribe("enricher", ["raw"])
    first, second = subscription.pull(10, 1000, 1)
    subscription.ack({second.log: second.offset})
    assert drain(ordered.subscribe("enricher", ["raw"], start={first.log: first.offset})) == [b"b"]


def test_input_positions_are_stored_with_the_records(ordered: Bus) -> None:
    publisher = ordered.publisher("enricher")
    publisher.commit([("enriched", b"x")], consumed={"collector": 7})
    publisher.commit([], consumed={"collector": 9, "replay": 2})
    publisher.close()
    assert ordered.publisher("enricher").consumed() == {"collector": 9, "replay": 2}


def test_backlog_and_totals_count_records(ordered: Bus) -> None:
    publisher = ordered.publisher("collector")
    publisher.commit([("raw", b"a"), ("bad", b"b"), ("raw", b"c")])
    subscription = ordered.subscribe("enricher", ["raw"])
    records = subscription.pull(1, 1000, 1)
    assert ordered.backlog("enricher", ["raw"]) == 2
    subscription.ack({records[0].log: records[0].offset})
    assert ordered.backlog("enricher", ["raw"]) == 1
    assert ordered.totals() == {"raw": 2, "enriched": 0, "failed": 0, "bad": 1, "replayed": 0}
