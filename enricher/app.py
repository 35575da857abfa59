"""The enricher as a service: receive → enrich → publish → acknowledge, a batch at a time.

What comes of a batch is committed together with the positions it was read up to, so a batch is done entirely or not at all,
whenever the process dies. While a schema registry or the bus does not answer, the batch waits.
"""

import logging
import time
from collections.abc import Sequence
from threading import Event as Flag

from backbone.bus.protocol import Bus, Publisher, Record, Stream, Subscription
from backbone.errors import BusFull, BusUnavailable, TransientError
from enricher import account
from enricher.enrich import Enricher, Output
from enricher.settings import EnricherSettings

_log = logging.getLogger("snowmelt.enricher")

NAME = "enricher"
"""Its name on the bus, as producer and as consumer."""

_INPUT: tuple[Stream, ...] = ("raw",)


class Service:
    """Runs until `stop` is set; then finishes the batch in hand."""

    def __init__(self, bus: Bus, enricher: Enricher, settings: EnricherSettings, stop: Flag) -> None:
        self._enricher = enricher
        self._settings = settings
        self._stop = stop
        self._publisher: Publisher = bus.publisher(NAME)
        account.open_account(bus, self._publisher, NAME)
        self._subscription: Subscription = bus.subscribe(NAME, _INPUT, self._publisher.consumed() or None)

    def run(self) -> None:
        settings = self._settings
        try:
            while not self._stop.is_set():
                batch = self._subscription.pull(settings.batch_records, settings.batch_bytes, settings.poll_seconds)
                if batch:
                    self._handle(batch)
        finally:
            self._subscription.close()
            self._publisher.close()

    def _handle(self, batch: Sequence[Record]) -> None:
        """Leaves the batch unacknowledged if told to stop before it could be stored."""
        consumed = positions(batch)
        outputs: list[Output] | None = None
        events = 0
        pause = self._settings.retry_seconds
        while not self._stop.is_set():
            try:
                if outputs is None:
                    before = self._enricher.found
                    outputs = self._enrich(batch)
                    events = self._enricher.found - before
                self._publisher.commit(outputs, consumed, account.counted(batch, events))
                self._subscription.ack(consumed)
                return
            except TransientError as problem:
                if isinstance(problem, BusUnavailable) and self._was_stored(consumed):
                    self._subscription.ack(consumed)
                    return
                if isinstance(problem, BusFull) and len(batch) > 1:
                    # There may be room for less.
                    self._handle(batch[: len(batch) // 2])
                    self._handle(batch[len(batch) // 2 :])
                    return
                _log.warning("waiting %.1f s, nothing is lost: %s", pause, problem)
                self._stop.wait(pause)
                pause = min(pause * 2, self._settings.retry_max_seconds)

    def _enrich(self, batch: Sequence[Record]) -> list[Output]:
        clock = time.time_ns() // 1_000_000
        outputs: list[Output] = []
        for record in batch:
            outputs += self._enricher.process(record.data, clock, record.identity)
        return outputs

    def _was_stored(self, consumed: dict[str, int]) -> bool:
        """A commit that did not answer may have been made all the same: its positions tell."""
        try:
            stored = self._publisher.consumed()
        except TransientError:
            return False
        return all(stored.get(log, -1) >= offset for log, offset in consumed.items())


def positions(batch: Sequence[Record]) -> dict[str, int]:
    """The last offset of each log in the batch."""
    return {record.log: record.offset for record in batch}
