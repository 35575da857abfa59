"""The enricher as a service: receive → enrich → publish → acknowledge, a batch at a time.

What comes of a batch is committed together with the positions it was read up to, so a batch is done entirely or not at all,
whenever the process dies. While a schema registry or the bus does not answer, the batch waits.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from functools import partial
from threading import Event as Flag
from typing import NamedTuple

from backbone.bus.protocol import Bus, Publisher, Record, Stream, Subscription
from backbone.errors import BusFull, BusUnavailable, TransientError
from enricher import account
from enricher.aside import Aside
from enricher.enrich import Enricher, Output
from enricher.settings import EnricherSettings

_log = logging.getLogger("snowmelt.enricher")

NAME = "enricher"
"""Its name on the bus, as producer and as consumer."""

_INPUT: tuple[Stream, ...] = ("raw",)
_LARGEST_COMMIT = 32_000_000
"""Bytes after which no more is added to a commit."""


class Made(NamedTuple):
    """What came of one record; `events` as `Enricher.found` counts them."""

    record: Record
    outputs: list[Output]
    events: int


class Service:
    """Runs until `stop` is set; then finishes the batch in hand.

    Where the bus takes commits beside other work, a batch is stored while the next one is enriched.
    """

    def __init__(self, bus: Bus, enricher: Enricher, settings: EnricherSettings, stop: Flag) -> None:
        self._enricher = enricher
        self._settings = settings
        self._stop = stop
        self._publisher: Publisher = bus.publisher(NAME)
        account.open_account(bus, self._publisher, NAME)
        self._subscription: Subscription = bus.subscribe(NAME, _INPUT, self._publisher.consumed() or None)
        self._storing = Aside(at_once=bus.commits_at_once == 1)
        self._abandoned = False

    def run(self) -> None:
        settings = self._settings
        try:
            while not self._stop.is_set():
                batch = self._subscription.pull(settings.batch_records, settings.batch_bytes, settings.poll_seconds)
                for made in self._portions(batch):
                    self._storing.do(partial(self._store, made))
            self._storing.finish()
        finally:
            self._storing.close()
            self._subscription.close()
            self._publisher.close()

    def _portions(self, batch: Sequence[Record]) -> Iterator[list[Made]]:
        """What comes of a batch, as much at a time as fits a commit: compressed records may hold thousands of events each.

        Ends early if told to stop after one of them, or while a registry does not answer.
        """
        clock = time.time_ns() // 1_000_000
        made: list[Made] = []
        size = 0
        for record in batch:
            one = self._made(record, clock)
            if one is None:
                return
            made.append(one)
            size += sum([len(data) for _, data in one.outputs])
            if size > _LARGEST_COMMIT:
                yield made
                if self._stop.is_set():
                    return
                made, size = [], 0
        if made:
            yield made

    def _made(self, record: Record, clock: int) -> Made | None:
        pause = self._settings.retry_seconds
        while True:
            before = self._enricher.found
            try:
                outputs = self._enricher.process(record.data, clock, record.identity)
                return Made(record, outputs, self._enricher.found - before)
            except TransientError as problem:
                if self._told_to_stop(problem, pause):
                    return None
                pause = min(pause * 2, self._settings.retry_max_seconds)

    def _store(self, made: Sequence[Made]) -> None:
        """Leaves it unacknowledged, and all that follows, if told to stop while the bus did not take it."""
        batch = [one.record for one in made]
        outputs = [output for one in made for output in one.outputs]
        consumed = positions(batch)
        pause = self._settings.retry_seconds
        while not self._abandoned:
            try:
                self._publisher.commit(outputs, consumed, account.counted(batch, sum(one.events for one in made)))
                self._subscription.ack(consumed)
                return
            except TransientError as problem:
                if isinstance(problem, BusUnavailable) and self._was_stored(consumed):
                    self._subscription.ack(consumed)
                    return
                if isinstance(problem, BusFull) and len(made) > 1:
                    # There may be room for less.
                    self._store(made[: len(made) // 2])
                    self._store(made[len(made) // 2 :])
                    return
                self._abandoned = self._told_to_stop(problem, pause)
                pause = min(pause * 2, self._settings.retry_max_seconds)

    def _told_to_stop(self, problem: TransientError, pause: float) -> bool:
        """Within so many seconds, after which to try again."""
        _log.warning("waiting %.1f s, nothing is lost: %s", pause, problem)
        return self._stop.wait(pause)

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
