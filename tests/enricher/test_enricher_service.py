"""The service: batches from the bus, results and positions in one commit, patience with what does not answer."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from backbone.bus.log import LogBus
from backbone.bus.memory import MemoryBus
from backbone.bus.protocol import Bus
from backbone.errors import BusFull, BusUnavailable, RegistryUnavailable
from enricher.app import Service, positions
from enricher.settings import EnricherSettings

QUICK = EnricherSettings(poll_seconds=0.02, retry_seconds=0.01, retry_max_seconds=0.02, batch_records=2)


@pytest.fixture(params=["memory", "log"])
def bus(request: pytest.FixtureRequest, tmp_path: Path) -> Bus:
    return MemoryBus() if request.param == "memory" else LogBus(tmp_path / "bus")


def fill(bus: Bus, records: Sequence[bytes]) -> None:
    publisher = bus.publisher("collector")
    publisher.commit([("raw", record) for record in records])
    publisher.close()


def stored(bus: Bus, stream: Any) -> list[bytes]:
    subscription = bus.subscribe(None, (stream,))
    found = [record.data for record in subscription.pull(1000, 10_000_000, 0.05)]
    subscription.close()
    return found


class Running:
    """A service in a thread, stopped at the end."""

    def __init__(self, bus: Bus, enricher: Any, settings: EnricherSettings = QUICK) -> None:
        self.stop = threading.Event()
        self.service = Service(bus, enricher, settings, self.stop)
        self.thread = threading.Thread(target=self.service.run)

    def __enter__(self) -> "Running":
        self.thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self.stop.set()
        self.thread.join(10)
        assert not self.thread.is_alive()


def eventually(question: Any) -> None:
    deadline = time.monotonic() + 10
    while not question():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.01)


def test_every_payload_becomes_what_it_becomes(bus: Bus, enricher: Any, rig: Any) -> None:
    fill(bus, [rig.record(), rig.record("e=foo"), b"nonsense"])
    with Running(bus, enricher):
        eventually(lambda: len(stored(bus, "bad")) == 2)
    assert len(stored(bus, "enriched")) == 1
    assert len(stored(bus, "failed")) == 1


def test_a_second_start_goes_on_where_the_first_stopped(bus: Bus, enricher: Any, rig: Any) -> None:
    fill(bus, [rig.record()] * 3)
    with Running(bus, enricher):
        eventually(lambda: len(stored(bus, "enriched")) == 3)
    fill(bus, [rig.record()] * 2)
    with Running(bus, enricher):
        eventually(lambda: len(stored(bus, "enriched")) >= 5)
    assert len(stored(bus, "enriched")) == 5


class Flaky:
    """An enricher whose registry does not answer the first times."""

    def __init__(self, enricher: Any, times: int) -> None:
        self.enricher, self.left, self.asked = enricher, times, 0

    @property
    def found(self) -> int:
        return int(self.enricher.found)

    def process(self, message: bytes, clock: int, identity: str = "") -> Any:
        self.asked += 1
        if self.left:
            self.left -= 1
            raise RegistryUnavailable("no answer")
        return self.enricher.process(message, clock, identity)


def test_while_a_registry_is_silent_nothing_is_acknowledged_and_nothing_lost(bus: Bus, enricher: Any, rig: Any) -> None:
    fill(bus, [rig.record()] * 3)
    with Running(bus, silent := Flaky(enricher, 10**9)):
        eventually(lambda: silent.asked > 2)
        assert stored(bus, "enriched") == []
    with Running(bus, Flaky(enricher, 3)):
        eventually(lambda: len(stored(bus, "enriched")) == 3)


def test_a_full_bus_is_tried_again_without_enriching_twice(enricher: Any, rig: Any) -> None:
    bus = MemoryBus()
    fill(bus, [rig.record()])
    counted = Flaky(enricher, 0)
    running = Running(bus, counted)
    commit, refusals = running.service._publisher.commit, [BusFull("full"), BusUnavailable("gone")]

    def refusing(*given: Any) -> None:
        if refusals:
            raise refusals.pop()
        commit(*given)

    running.service._publisher.commit = refusing  # type: ignore[method-assign]
    with running:
        eventually(lambda: len(stored(bus, "enriched")) == 1)
    assert counted.asked == 1


def test_a_batch_too_large_for_a_full_bus_goes_in_parts(enricher: Any, rig: Any) -> None:
    bus = MemoryBus()
    fill(bus, [rig.record()] * 5)
    running = Running(bus, enricher, QUICK.model_copy(update={"batch_records": 5}))
    commit = running.service._publisher.commit

    def room_for_one(records: Any, *more: Any) -> None:
        if len(records) > 1:
            raise BusFull("full")
        commit(records, *more)

    running.service._publisher.commit = room_for_one  # type: ignore[method-assign]
    with running:
        eventually(lambda: len(stored(bus, "enriched")) == 5)
    assert bus.backlog("enricher", ["raw"]) == 0


def test_a_commit_that_was_made_but_did_not_answer_is_not_made_twice(enricher: Any, rig: Any) -> None:
    bus = MemoryBus()
    fill(bus, [rig.record()])
    running = Running(bus, enricher)
    commit, lost = running.service._publisher.commit, [True]

    def losing_the_answer(*given: Any) -> None:
        commit(*given)
        if lost:
            lost.clear()
            raise BusUnavailable("no answer")

    running.service._publisher.commit = losing_the_answer  # type: ignore[method-assign]
    with running:
        eventually(lambda: bus.backlog("enricher", ("raw",)) == 0)
    assert len(stored(bus, "enriched")) == 1


def test_positions_are_the_last_of_each_log(rig: Any) -> None:
    bus = MemoryBus()
    fill(bus, [b"a", b"b"])
    other = bus.publisher("replay")
    other.commit([("raw", b"c")])
    batch = bus.subscribe(None, ("raw",)).pull(10, 1000, 0.05)
    assert set(positions(batch)) == {"collector", "replay"}
    assert positions(batch)["collector"] == max(record.offset for record in batch if record.log == "collector")
