"""What the enricher counts is what is there: payloads read, events found, one record on `enriched` or `bad` for each of these."""

import threading
from pathlib import Path
from typing import Any

import pytest

from backbone.bus.log import LogBus
from backbone.bus.protocol import Progress
from enricher.account import counted
from enricher.app import Service
from enricher.settings import EnricherSettings

QUICK = EnricherSettings(poll_seconds=0.0, batch_records=2)


class Works:
    def __init__(self, folder: Path, enricher: Any) -> None:
        self.bus = LogBus(folder)
        self.enricher = enricher

    def send(self, *records: bytes) -> None:
        publisher = self.bus.publisher("collector")
        publisher.commit([("raw", record) for record in records])
        publisher.close()

    def enrich(self) -> Progress:
        stop = threading.Event()
        service = Service(self.bus, self.enricher, QUICK, stop)
        service._subscription.pull = self._until_empty(service._subscription.pull, stop)  # type: ignore[method-assign]
        service.run()
        found = self.bus.progress("enricher")
        assert found is not None
        return found

    def _until_empty(self, pull: Any, stop: threading.Event) -> Any:
        def pulling(*limits: Any) -> Any:
            records = pull(*limits)
            if not records:
                stop.set()
            return records

        return pulling


@pytest.fixture
def works(tmp_path: Path, enricher: Any) -> Works:
    return Works(tmp_path, enricher)


def agree(found: Progress, payloads: int, events: int) -> None:
    assert found.counters == {"payloads collector": payloads, "events": events}
    assert found.written["enriched"] + found.written["bad"] == events


def test_every_event_and_every_payload_without_one_is_counted(works: Works, rig: Any) -> None:
    several = rig.packed(rig.record(), rig.record("e=foo"))
    works.send(rig.record(), rig.record("e=foo"), b"nonsense", several, several[:30])
    agree(works.enrich(), 5, 6)


def test_a_payload_that_the_program_fails_on_is_one_event(works: Works, rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(works.enricher, "_event", broken)
    works.send(rig.record())
    agree(works.enrich(), 1, 1)


def test_counting_goes_on_after_a_restart(works: Works, rig: Any) -> None:
    works.send(rig.record())
    agree(works.enrich(), 1, 1)
    works.send(rig.record(), rig.record())
    agree(works.enrich(), 3, 3)


def test_what_an_older_version_read_and_wrote_is_the_balance_to_begin_with(works: Works, rig: Any) -> None:
    works.send(rig.record(), rig.record())
    publisher = works.bus.publisher("enricher")
    first = works.bus.extents()["collector"].begun
    publisher.commit([("enriched", b"a"), ("bad", b"b"), ("failed", b"c")], consumed={"collector": first})
    publisher.close()
    agree(works.enrich(), 2, 3)


def test_a_batch_is_counted_by_log(works: Works, rig: Any) -> None:
    works.send(b"a", b"b")
    batch = works.bus.subscribe(None, ["raw"]).pull(10, 1000, 0.0)
    assert counted(batch, 7) == {"events": 7, "payloads collector": 2}
