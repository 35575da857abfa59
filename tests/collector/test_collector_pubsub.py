"""The collector on Pub/Sub: what is too large for it never reaches it, several commits are under way together."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

pytest.importorskip("google.pubsub_v1", reason="the libraries of Google Cloud are not installed")

import grpc

from backbone.bus.emulator import Emulator
from backbone.bus.protocol import Stream
from backbone.bus.pubsub import PubSubBus
from backbone.bus.pubsub_topics import Names
from collector.memory import Memory
from collector.publish import GroupCommit
from collector.settings import CollectorSettings

TP2 = "/com.snowplowanalytics.snowplow/tp2"
JSON = ("Content-Type", "application/json")


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    running = Emulator().start()
    yield running
    running.stop()


def test_a_request_too_large_for_pubsub_is_a_size_violation(emulator: Emulator, inside: Callable[..., Any]) -> None:
    bus = PubSubBus(Names("test"), emulator.endpoint, True)
    limits = CollectorSettings().fitting(bus.largest_record).limits
    collector = inside(bus, limits=limits.model_dump())
    assert collector.ask("POST", TP2, [JSON], b"x" * 9_500_000).status == 200
    (bad,) = take(collector, "bad")
    assert b"size_violation" in bad
    assert len(bad) < 2_000_000
    assert collector.ask("POST", TP2, [JSON], b"x" * 8_900_000).status == 200
    (raw,) = take(collector, "raw")
    assert len(raw) > 8_900_000


def take(collector: Any, stream: str) -> list[bytes]:
    for _ in range(50):
        if found := collector._all(stream):
            return list(found)
        threading.Event().wait(0.1)
    return []


def test_own_limits_below_those_of_the_bus_stay() -> None:
    assert CollectorSettings().fitting(None).limits.record_bytes == 10_000_000
    assert CollectorSettings().fitting(9_000_000).limits.record_bytes == 9_000_000
    own = CollectorSettings.model_validate({"limits": {"record_bytes": 1_000}})
    assert own.fitting(9_000_000).limits.record_bytes == 1_000


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_outage_is_503_and_health_tells_it(emulator: Emulator, inside: Callable[..., Any], method: str) -> None:
    collector = inside(PubSubBus(Names("test"), emulator.endpoint, True, deadline=0.2))
    body = b"{}" if method == "POST" else b""
    with emulator.faults.during(grpc.StatusCode.UNAVAILABLE, "Publish"):
        answer = collector.ask(method, TP2, [JSON], body)
        assert answer.status == 503
        assert answer.one("retry-after")
        assert collector.ask("GET", "/sink-health").status == 503
    assert collector.ask(method, TP2, [JSON], body).status == 200
    assert collector.ask("GET", "/sink-health").status == 200


class Slow:
    """A publisher that knows how many commits were under way together."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.under_way = self.most = 0
        self._lock = threading.Lock()

    def commit(self, records: Sequence[tuple[Stream, bytes]], *_: Any) -> None:
        with self._lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        assert self.go.wait(10)
        with self._lock:
            self.under_way -= 1

    def consumed(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        assert self.under_way == 0


def test_several_commits_are_under_way_together_but_no_more_than_allowed() -> None:
    slow = Slow()

    async def scenario() -> list[bool]:
        commits = GroupCommit(slow, Memory(10**9), 20, at_once=3)
        commits.start()
        waiting = []
        for number in range(20):
            waiting.append(asyncio.ensure_future(commits.store([("raw", b"%d" % number)])))
            await asyncio.sleep(0.01)
        slow.go.set()
        stored = await asyncio.gather(*waiting)
        await commits.close()
        return stored

    assert asyncio.run(scenario()) == [True] * 20
    assert slow.most == 3
