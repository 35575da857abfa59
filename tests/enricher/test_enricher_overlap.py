"""Where the bus takes commits beside other work: a batch is stored while the next one is enriched, and none before its turn."""

import threading
import time
from typing import Any

import pytest

from backbone.bus.memory import MemoryBus
from backbone.bus.protocol import Bus
from backbone.errors import BusUnavailable
from enricher.app import Service
from enricher.settings import EnricherSettings

QUICK = EnricherSettings(poll_seconds=0.02, retry_seconds=0.01, retry_max_seconds=0.02, batch_records=2)


class Several(MemoryBus):
    commits_at_once = 4


class Slow:
    """Takes a commit when it is told to; until then each try fails, or waits (`patient`)."""

    def __init__(self, service: Service, patient: bool) -> None:
        self.commit, service._publisher.commit = service._publisher.commit, self.next  # type: ignore[method-assign]
        self.go, self.tried, self.patient = threading.Event(), threading.Event(), patient

    def next(self, *given: Any) -> None:
        self.tried.set()
        if self.patient:
            assert self.go.wait(10)
        elif not self.go.is_set():
            raise BusUnavailable("gone")
        self.commit(*given)


class Watched:
    """How many records an enricher was asked for."""

    def __init__(self, enricher: Any) -> None:
        self.enricher, self.asked = enricher, 0

    @property
    def found(self) -> int:
        return int(self.enricher.found)

    def process(self, *given: Any) -> Any:
        self.asked += 1
        return self.enricher.process(*given)


def filled(rig: Any, number: int) -> Bus:
    bus = Several()
    bus.publisher("collector").commit([("raw", rig.record())] * number)
    return bus


def stored(bus: Bus) -> int:
    return len(bus.subscribe(None, ["enriched"]).pull(1_000, 10_000_000, 0.05))


def eventually(question: Any) -> None:
    deadline = time.monotonic() + 10
    while not question():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.01)


def test_the_next_batch_is_enriched_meanwhile_but_not_more(enricher: Any, rig: Any) -> None:
    bus, stop = filled(rig, 10), threading.Event()
    service = Service(bus, watched := Watched(enricher), QUICK, stop)  # type: ignore[arg-type]
    slow = Slow(service, patient=True)
    thread = threading.Thread(target=service.run)
    thread.start()
    eventually(lambda: watched.asked == 4)
    time.sleep(0.1)
    assert (watched.asked, stored(bus)) == (4, 0)
    slow.go.set()
    eventually(lambda: bus.backlog("enricher", ["raw"]) == 0)
    stop.set()
    thread.join(10)
    assert stored(bus) == 10


def test_what_could_not_be_stored_before_the_end_is_left_and_so_is_all_after_it(enricher: Any, rig: Any) -> None:
    bus, stop = filled(rig, 6), threading.Event()
    service = Service(bus, watched := Watched(enricher), QUICK, stop)  # type: ignore[arg-type]
    slow = Slow(service, patient=False)
    thread = threading.Thread(target=service.run)
    thread.start()
    eventually(lambda: watched.asked == 4 and slow.tried.is_set())
    stop.set()
    eventually(lambda: service._abandoned)
    slow.go.set()
    thread.join(10)
    assert not thread.is_alive()
    assert bus.backlog("enricher", ["raw"]) == 6
    assert stored(bus) == 0


def test_a_surprise_while_storing_ends_the_service(enricher: Any, rig: Any) -> None:
    bus = filled(rig, 6)
    service = Service(bus, enricher, QUICK, threading.Event())

    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    service._publisher.commit = broken  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        service.run()
    assert bus.backlog("enricher", ["raw"]) == 6


def test_a_batch_that_unfolds_to_more_than_a_commit_takes_goes_in_parts(
    enricher: Any, rig: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("enricher.app._LARGEST_COMMIT", 1_000)
    bus, stop = Several(), threading.Event()
    bus.publisher("collector").commit([("raw", rig.packed(*[rig.record()] * 20))] * 2)
    service = Service(bus, enricher, QUICK, stop)
    commit, sizes = service._publisher.commit, []

    def counting(records: Any, *more: Any) -> None:
        sizes.append(len(records))
        commit(records, *more)

    service._publisher.commit = counting  # type: ignore[method-assign]
    thread = threading.Thread(target=service.run)
    thread.start()
    eventually(lambda: bus.backlog("enricher", ["raw"]) == 0)
    stop.set()
    thread.join(10)
    assert sizes == [20, 20]
