"""The enricher as a service on one core: from the embedded log to the embedded log, and from Pub/Sub to Pub/Sub.

    python -m benchmarks.enricher_bus [runs [events]]

Everything is published beforehand. The emulator of Pub/Sub has the other core. Events for each second of processor time leave out
what other programs take of the core; they are what the two kinds are compared by.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag
from typing import Any

from backbone.bus.log import LogBus
from backbone.bus.protocol import Bus, Positions, Publisher, Stream
from benchmarks.collector import _median, _on_core
from benchmarks.enricher import _enricher, _records
from enricher.app import Service
from enricher.settings import EnricherSettings

KINDS = ("log", "pubsub")
SERVICE_TIME = 0.005
_PORTION = 500


class Counting:
    """A publisher that tells its service to stop once it has stored so many records, and knows how long they took since the
    first commit was through."""

    def __init__(self, publisher: Publisher, number: int, stop: Flag) -> None:
        self._publisher = publisher
        self._left = number
        self._stop = stop
        self._first: tuple[int, float, float] | None = None
        self.figures: dict[str, int] = {}

    def commit(
        self,
        records: Sequence[tuple[Stream, bytes]],
        consumed: Positions | None = None,
        counted: Mapping[str, int] | None = None,
    ) -> None:
        self._publisher.commit(records, consumed, counted)
        self._left -= len(records)
        now = self._left, time.perf_counter(), time.process_time()
        if self._first is None:
            self._first = now
        if self._left <= 0 and not self._stop.is_set():
            done, took, spent = (abs(after - before) for before, after in zip(self._first, now, strict=True))
            self.figures = {"events_per_second": round(done / took), "events_per_cpu_second": round(done / spent)}
            self._stop.set()

    def consumed(self) -> dict[str, int]:
        return self._publisher.consumed()

    def close(self) -> None:
        self._publisher.close()


def measure(runs: int = 5, events: int = 30_000) -> dict[str, Any]:
    """`{"log": {"events_per_second": […], "events_per_cpu_second": […]}, "pubsub": {…}}`, one number a run."""
    results: dict[str, Any] = {kind: {"events_per_second": [], "events_per_cpu_second": []} for kind in KINDS}
    for _ in range(runs):
        for kind in KINDS:
            with _filled(kind, events) as place:
                command = [*_on_core(0), sys.executable, "-m", "benchmarks.enricher_bus", "--serve", kind, place, str(events)]
                figures = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            for name, value in figures.items():
                results[kind][name].append(value)
    return results


@contextmanager
def _filled(kind: str, events: int) -> Iterator[str]:
    """Where a bus is that holds so many payloads."""
    if kind == "log":
        folder = tempfile.mkdtemp()
        try:
            _fill(LogBus(Path(folder)), events)
            yield folder
        finally:
            shutil.rmtree(folder)
        return
    command = [*_on_core(1), sys.executable, "-m", "backbone.bus.emulator", "0", str(SERVICE_TIME)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        endpoint = process.stdout.readline().strip().partition("=")[2]
        _fill(_pubsub(endpoint), events)
        yield endpoint
    finally:
        process.terminate()
        process.wait(10)


def _pubsub(endpoint: str) -> Bus:
    from backbone.bus.pubsub import PubSubBus
    from backbone.bus.pubsub_topics import Names

    return PubSubBus(Names("benchmark"), endpoint, create=True, deadline=30.0)


def _fill(bus: Bus, events: int) -> None:
    publisher = bus.publisher("collector")
    records = _records("POST 1", _PORTION)
    for _ in range(events // _PORTION):
        publisher.commit([("raw", record) for record in records])
    publisher.close()


def _serve(kind: str, place: str, events: int) -> None:
    stop = Flag()
    with _enricher() as (enricher, _):
        service = Service(LogBus(Path(place)) if kind == "log" else _pubsub(place), enricher, EnricherSettings(), stop)
        service._publisher = counting = Counting(service._publisher, events, stop)
        service.run()
    print(json.dumps(counting.figures))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        _serve(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        for name, figures in measure(*map(int, sys.argv[1:])).items():
            print(f"{name:8} { {key: (_median(values), values) for key, values in figures.items()} }")
