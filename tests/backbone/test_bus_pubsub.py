"""What only Pub/Sub does: outages, answers that get lost, redelivery, leases, dead letters, names and what is missing."""

import logging
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("google.pubsub_v1", reason="the libraries of Google Cloud are not installed")

import grpc
from buses import CONSUMERS

from backbone.bus.emulator import Emulator
from backbone.bus.protocol import Record, Subscription
from backbone.bus.pubsub import PubSubBus
from backbone.bus.pubsub_subscription import USUAL_LEASE, Lease
from backbone.bus.pubsub_topics import Names
from backbone.errors import BusUnavailable

NAMES = Names("test", "p-", {"bad": "enriched-bad"}, {"raw-enricher": "ours"})
RAW = "projects/test/subscriptions/ours"
SHORT = Lease(first=0.6, extended=10, margin=0.5, look_every=0.1)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    running = Emulator().start()
    yield running
    running.stop()


def bus_on(emulator: Emulator, lease: Lease = USUAL_LEASE, held_bytes: int = 100_000_000, deadline: float = 2.0) -> PubSubBus:
    bus = PubSubBus(NAMES, emulator.endpoint, True, deadline, held_bytes, CONSUMERS, lease)
    bus.publisher("whoever")  # creates what is missing
    return bus


def take(subscription: Subscription, number: int) -> list[Record]:
    records: list[Record] = []
    deadline = time.monotonic() + 15
    while len(records) < number and time.monotonic() < deadline:
        records += subscription.pull(number - len(records), 100_000_000, 0.5)
    assert len(records) == number
    return records


def emptied(emulator: Emulator, name: str = RAW) -> bool:
    deadline = time.monotonic() + 10
    while emulator.topics.unfinished(name) and time.monotonic() < deadline:
        time.sleep(0.02)
    return emulator.topics.unfinished(name) == 0


def test_a_commit_is_one_publish_of_each_topic(emulator: Emulator) -> None:
    publisher = bus_on(emulator).publisher("enricher")
    publisher.commit([(stream, b"%d" % n) for n in range(300) for stream in ("enriched", "failed", "bad")])  # type: ignore[misc]
    assert emulator.faults.calls["Publish"] == 3
    publisher.commit([("raw", b"%d" % n) for n in range(2_500)])
    assert emulator.faults.calls["Publish"] == 6, "no more than a thousand messages in each"


def test_a_short_failure_is_bridged(emulator: Emulator) -> None:
    publisher = bus_on(emulator).publisher("collector")
    for code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL):
        emulator.faults.order(code, "Publish", times=2)
        publisher.commit([("raw", b"a")])
    assert emulator.topics.unfinished(RAW) == 3


def test_an_outage_is_told_within_the_deadline_and_over_when_it_is_over(emulator: Emulator) -> None:
    publisher = bus_on(emulator, deadline=0.4).publisher("collector")
    with emulator.faults.during(grpc.StatusCode.UNAVAILABLE, "Publish"):
        began = time.monotonic()
        with pytest.raises(BusUnavailable, match="UNAVAILABLE"):
            publisher.commit([("raw", b"a")])
        assert time.monotonic() - began < 2
    publisher.commit([("raw", b"b")])
    assert emulator.topics.unfinished(RAW) == 1


def test_an_answer_that_never_comes_is_no_success(emulator: Emulator) -> None:
    publisher = bus_on(emulator, deadline=0.4).publisher("collector")
    emulator.faults.order(grpc.StatusCode.DEADLINE_EXCEEDED, "Publish", times=1, lost=True)
    with pytest.raises(BusUnavailable, match="DEADLINE_EXCEEDED"):
        publisher.commit([("raw", b"a")])
    assert emulator.topics.unfinished(RAW) == 1, "stored all the same: its tracker sends it again"


def test_a_server_that_is_gone_and_comes_back(emulator: Emulator) -> None:
    bus = bus_on(emulator, deadline=0.5)
    publisher, subscription = bus.publisher("collector"), bus.subscribe("enricher", ["raw"])
    publisher.commit([("raw", b"a")])
    take(subscription, 1)
    emulator.stop()
    with pytest.raises(BusUnavailable):
        publisher.commit([("raw", b"b")])
    again = Emulator(emulator.port).start()
    try:
        bus_on(again)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                publisher.commit([("raw", b"c")])
                break
            except BusUnavailable:
                continue
        assert take(subscription, 1)[0].data == b"c"
        subscription.close()
    finally:
        again.stop()


def test_lost_permission_is_no_end(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    bus = bus_on(emulator)
    publisher = bus.publisher("collector")
    fault = emulator.faults.order(grpc.StatusCode.PERMISSION_DENIED)
    subscription = bus.subscribe("enricher", ["raw"])
    with pytest.raises(BusUnavailable, match="PERMISSION_DENIED"):
        publisher.commit([("raw", b"a")])
    assert subscription.pull(10, 1_000, 0.3) == []
    emulator.faults.take_back(fault)
    publisher.commit([("raw", b"a")])
    (record,) = take(subscription, 1)
    assert "PERMISSION_DENIED" in caplog.text
    fault = emulator.faults.order(grpc.StatusCode.PERMISSION_DENIED, "Acknowledge")
    subscription.ack({record.log: record.offset})
    time.sleep(0.2)
    emulator.faults.take_back(fault)
    assert emptied(emulator)
    subscription.close()


def test_what_is_worked_on_for_long_does_not_come_again(emulator: Emulator) -> None:
    bus = bus_on(emulator, SHORT)
    emulator.topics.subscriptions[RAW].ack_deadline = 0.6
    subscription = bus.subscribe("enricher", ["raw"])
    bus.publisher("collector").commit([("raw", b"%d" % n) for n in range(50)])
    records = take(subscription, 50)
    assert subscription.pull(10, 1_000, 2.0) == []
    assert emulator.topics.subscriptions[RAW].redelivered == 0
    subscription.ack({records[-1].log: records[-1].offset})
    assert emptied(emulator)
    subscription.close()


def test_what_comes_again_while_it_is_worked_on_is_given_once(emulator: Emulator) -> None:
    """Leases that could not be extended: Pub/Sub gives the messages anew, their reader has them already."""
    bus = bus_on(emulator, SHORT)
    emulator.topics.subscriptions[RAW].ack_deadline = 0.2
    subscription = bus.subscribe("enricher", ["raw"])
    with emulator.faults.during(grpc.StatusCode.UNAVAILABLE, "ModifyAckDeadline"):
        bus.publisher("collector").commit([("raw", b"%d" % n) for n in range(50)])
        records = take(subscription, 50)
        assert subscription.pull(10, 1_000, 1.0) == []
        assert emulator.topics.subscriptions[RAW].redelivered >= 50
    subscription.ack({records[-1].log: records[-1].offset})
    assert emptied(emulator), "the latest ack ids count"
    subscription.close()


def test_a_storm_of_redelivery_gives_nothing_twice(emulator: Emulator) -> None:
    bus = bus_on(emulator)
    emulator.topics.subscriptions[RAW].storm = 5_000
    subscription = bus.subscribe("enricher", ["raw"])
    bus.publisher("collector").commit([("raw", b"%d" % n) for n in range(1_000)])
    records = take(subscription, 1_000)
    subscription.ack({records[-1].log: records[-1].offset})
    assert emptied(emulator)
    assert emulator.topics.subscriptions[RAW].redelivered >= 5_000
    assert subscription.pull(10, 1_000, 0.1) == []
    subscription.close()


def test_a_reader_that_stops_hands_back_at_once(emulator: Emulator) -> None:
    bus = bus_on(emulator)
    bus.publisher("collector").commit([("raw", b"%d" % n) for n in range(100)])
    first = bus.subscribe("enricher", ["raw"])
    done = take(first, 30)
    first.ack({done[-1].log: done[-1].offset})
    first.close()
    second = bus.subscribe("enricher", ["raw"])
    assert len({record.data for record in done + take(second, 70)}) == 100
    second.close()


def test_a_message_keeps_its_identity_whoever_gets_it(emulator: Emulator) -> None:
    bus = bus_on(emulator)
    bus.publisher("collector").commit([("raw", b"same")] * 20)
    seen = []
    for _ in range(2):
        subscription = bus.subscribe("enricher", ["raw"])
        seen.append({record.identity for record in take(subscription, 20)})
        subscription.close()
    assert seen[0] == seen[1]
    assert len(seen[0]) == 20, "content is no part of it"
    assert "" not in seen[0]


def test_what_is_held_is_bounded(emulator: Emulator) -> None:
    bus = bus_on(emulator, held_bytes=1_000_000)
    publisher = bus.publisher("collector")
    for _ in range(20):
        publisher.commit([("raw", b"x" * 10_000) for _ in range(100)])
    subscription = bus.subscribe("enricher", ["raw"])
    time.sleep(1)
    held = sum(message.size for message, _ in emulator.topics.subscriptions[RAW].given.values())
    assert 100_000 < held <= 1_000_000
    taken = 0
    while taken < 2_000:
        records = take(subscription, 20)
        subscription.ack({records[-1].log: records[-1].offset})
        taken += len(records)
    assert emptied(emulator)
    subscription.close()


def test_what_no_reader_survives_is_put_aside(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    bus = bus_on(emulator)
    emulator.topics.subscriptions[RAW].most_attempts = 20
    bus.publisher("collector").commit([("raw", b"poison")])
    for _ in range(20):
        subscription = bus.subscribe("enricher", ["raw"])
        take(subscription, 1)
        subscription.close()
    assert emptied(emulator)
    assert emulator.topics.unfinished(NAMES.dead_letters_keeper()) == 1
    assert "time: their reader fails" in caplog.text


def test_offsets_go_on_behind_those_of_earlier_processes(emulator: Emulator) -> None:
    bus = bus_on(emulator)
    publisher = bus.publisher("collector")
    last: dict[str, int] = {}
    for start in ({}, {"pubsub raw": 2**60}):
        subscription = bus.subscribe("enricher", ["raw"], start)
        publisher.commit([("raw", b"a")])
        (record,) = take(subscription, 1)
        assert record.offset > max(last.get(record.log, 0), start.get(record.log, 0))
        last = {record.log: record.offset}
        subscription.ack(last)
        subscription.close()


def test_messages_are_those_of_snowplow(emulator: Emulator) -> None:
    bus_on(emulator).publisher("collector").commit([("raw", b"a"), ("bad", b"b"), ("replayed", b"c")])
    (raw,) = emulator.topics.subscriptions[RAW].waiting
    assert (raw.sent.data, dict(raw.sent.attributes)) == (b"a", {})
    bad, replayed = emulator.topics.subscriptions["projects/test/subscriptions/p-enriched-bad-loader"].waiting
    assert (bad.sent.data, dict(bad.sent.attributes)) == (b"b", {})
    assert (replayed.sent.data, dict(replayed.sent.attributes)) == (b"c", {"stream": "replayed"})


def test_looking_on_takes_nothing_away(emulator: Emulator) -> None:
    bus = bus_on(emulator)
    looking = bus.subscribe(None, ["raw"])
    bus.publisher("collector").commit([("raw", b"a")])
    assert take(looking, 1)[0].data == b"a"
    looking.close()
    assert emulator.topics.unfinished(RAW) == 1
    assert not [name for name in emulator.topics.subscriptions if "look" in name]
