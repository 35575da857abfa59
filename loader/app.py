"""Pull → batch → evolve → cast → append → ack. One thread; a batch is stored completely before the next one is begun.

Rows, failed rows, changes of the table and the positions on the bus are one transaction of the warehouse. Reading starts where
the warehouse says, so after a crash at any moment every record is stored exactly once.
"""

import gc
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backbone.bus.balance import openings
from backbone.bus.protocol import Bus, Record, Stream, Subscription
from backbone.errors import TransientError
from backbone.iglu.resolver import Resolver
from loader.batch import Batches, Limits
from loader.built import Built
from loader.failed_columns import FailedColumns
from loader.lots import Lot, Records, Returning
from loader.metrics import LoaderMetrics
from loader.settings import LoaderSettings
from loader.waiting import PORTION_BYTES, PORTION_EVENTS, Watch
from loader.warehouses.protocol import BatchRefused, NotYetWritable, RowsRefused, Stored, Warehouse

log = logging.getLogger("snowmelt.loader")

CONSUMER = "loader"
STREAMS: tuple[Stream, ...] = ("enriched", "failed", "bad", "replayed")
_LONGEST_PAUSE = 10.0


@dataclass(slots=True)
class Totals:
    """Since this process started."""

    loaded: int = 0
    duplicates: int = 0
    failed: int = 0
    recovered: int = 0
    parked: int = 0
    unparked: int = 0

    def add(self, stored: Stored) -> None:
        self.loaded += stored.loaded
        self.duplicates += stored.duplicates
        self.failed += stored.failed
        self.recovered += stored.recovered
        self.parked += stored.parked
        self.unparked += stored.unparked


class NothingStored(TransientError):
    """The warehouse refuses even a row of plain letters: the reason is not in the data."""


class Loader:
    """`stopping` is asked between steps; once true, what is on the bus is stored for `drain_seconds` more."""

    def __init__(
        self,
        bus: Bus,
        warehouse: Warehouse,
        resolver: Resolver,
        settings: LoaderSettings,
        max_fields: int = 10_000,
        between_batches: Callable[[], None] = lambda: None,
    ) -> None:
        """`max_fields`: most fields of `events`."""
        self._between_batches = between_batches
        self._warehouse = warehouse
        self._settings = settings
        self._batches = Batches(resolver, warehouse, Limits(max_fields, self._room), settings.choices)
        self._failed_columns = FailedColumns(resolver, warehouse, max_fields)
        self._watch = Watch(self._batches.lookups, settings.waiting_days)
        self._positions = warehouse.positions()
        warehouse.count_from(openings(bus, self._positions, warehouse.counted_logs()))
        self._subscription: Subscription = bus.subscribe(CONSUMER, STREAMS, self._positions)
        self.totals = Totals()
        self.metrics = LoaderMetrics()

    def run(self, stopping: Callable[[], bool]) -> None:
        while not stopping():
            records = self._gather(stopping)
            if records:
                self._process(records, stopping)
            self._try_waiting()
            self._warehouse.maintain()
            self._between_batches()
        self._drain()

    def _room(self) -> int:
        return self._settings.waiting_bytes - sum(waited.bytes for waited in self._warehouse.waiting().values())

    def close(self) -> None:
        self._subscription.close()
        self._warehouse.close()

    def _drain(self) -> None:
        deadline = time.monotonic() + self._settings.drain_seconds
        while time.monotonic() < deadline and (records := self._pull(0.0, 0)):
            if not self._process(records, lambda: time.monotonic() >= deadline):
                return

    def _pull(self, timeout: float, have: int, have_bytes: int = 0) -> list[Record]:
        settings = self._settings
        return self._subscription.pull(settings.batch_records - have, max(1, settings.batch_bytes - have_bytes), timeout)

    def _gather(self, stopping: Callable[[], bool]) -> list[Record]:
        """Records until the batch is full or the first of them has waited `batch_seconds`."""
        records = self._pull(0.0 if self._watch.busy else 0.25, 0)
        if not records:
            return records
        deadline = time.monotonic() + self._settings.batch_seconds
        size = sum(len(record.data) for record in records)
        while len(records) < self._settings.batch_records and size < self._settings.batch_bytes and not stopping():
            left = deadline - time.monotonic()
            if left <= 0:
                break
            more = self._pull(min(left, 0.25), len(records), size)
            size += sum(len(record.data) for record in more)
            records += more
        return records

    def _process(self, records: Sequence[Record], stopping: Callable[[], bool]) -> bool:
        """Stores the records, however often that must be tried; False when told to stop before it worked."""
        pause = 0.1
        lot = Records(self._batches, records)
        while True:
            # A batch is a million live objects without cycles: the collector would walk them again and again.
            gc.disable()
            try:
                self._store(lot)
                return True
            except TransientError as problem:
                self.metrics.retried()
                log.warning("loading waits %.1f s: %s", pause, problem)
            finally:
                gc.enable()
            if not _sleep(pause, stopping):
                return False
            pause = min(_LONGEST_PAUSE, pause * 2)
            lot = lot.after(self._positions)

    def _try_waiting(self) -> None:
        """Stores a portion of the events whose schema has come, or that have waited long enough."""
        due = self._watch.due(self._warehouse.waiting())
        if due is None:
            return
        try:
            waiting = self._warehouse.waiting_for(due.schema, due.before, PORTION_EVENTS, PORTION_BYTES)
            lot = Returning(self._batches, waiting, due)
            if waiting:
                self._store(lot)
            if not waiting or lot.stuck:
                self._watch.done(due)
        except TransientError as problem:
            log.warning("events that waited go on waiting: %s", problem)
            self._watch.done(due)

    def _store(self, lot: Lot) -> None:
        """What the warehouse refuses as a whole is stored in parts, down to the record that is at fault."""
        try:
            self._commit(lot.build(), lot)
        except BatchRefused as refused:
            parts = lot.halves()
            if not parts:
                self._convict(lot, str(refused))
                return
            log.info("the warehouse refuses a batch, which is stored in halves: %s", refused)
            for part in parts:
                self._store(part)

    def _convict(self, lot: Lot, reason: str) -> None:
        try:
            self._commit(lot.convicted(reason), lot)
        except BatchRefused:
            log.warning("the warehouse refuses a failed event too, of which only the beginning is kept: %s", reason)
            try:
                self._commit(lot.shortened(), lot)
            except BatchRefused as refused:
                raise NothingStored(f"the warehouse stores nothing: {refused}") from refused

    def _commit(self, built: Built, lot: Lot) -> None:
        positions = {**self._positions, **lot.consumed()}
        built.batch.positions = positions
        built.batch.read = lot.read()
        self._failed_columns.begin_batch()
        self._failed_columns.fill(built.batch)
        started = time.monotonic()
        stored = self._stored(built)
        self._positions = positions
        self._subscription.ack(positions)
        self.totals.add(stored)
        took = time.monotonic() - started
        self.metrics.stored(built.batch, stored, took)
        self.metrics.table(self._warehouse)
        log.info("%s in %.2f s", stored, took)

    def _stored(self, built: Built) -> Stored:
        """What the warehouse does not take as rows it takes as failures, or as events that wait; each at most once."""
        for _ in range(2):
            try:
                return self._warehouse.store(built.batch)
            except RowsRefused as refused:
                log.warning("the warehouse refuses %d rows; they become failed events", len(refused.rows))
                built.refuse(refused.rows)
                self._failed_columns.fill(built.batch)
            except NotYetWritable as late:
                log.info("%s; they wait", late)
                built.defer(late.rows)
        return self._warehouse.store(built.batch)


def _sleep(seconds: float, stopping: Callable[[], bool]) -> bool:
    """False when told to stop meanwhile."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if stopping():
            return False
        time.sleep(min(left, 0.1))
    return True
