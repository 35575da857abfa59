"""Pull → batch → evolve → cast → append → ack. One thread; a batch is stored completely before the next one is begun.

Rows, failed rows, changes of the table and the positions on the bus are one transaction of the warehouse. Reading starts where
the warehouse says, so after a crash at any moment every record is stored exactly once.
"""

import gc
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backbone.bus.protocol import Bus, Record, Stream, Subscription
from backbone.errors import TransientError
from backbone.iglu.resolver import Resolver
from loader.batch import Batches, Built
from loader.settings import LoaderSettings, WarehouseSettings
from loader.warehouses.protocol import RowsRefused, Stored, Warehouse

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

    def add(self, stored: Stored) -> None:
        self.loaded += stored.loaded
        self.duplicates += stored.duplicates
        self.failed += stored.failed
        self.recovered += stored.recovered


class Loader:
    """`stopping` is asked between steps; once true, what is on the bus is stored for `drain_seconds` more."""

    def __init__(
        self,
        bus: Bus,
        warehouse: Warehouse,
        resolver: Resolver,
        settings: LoaderSettings,
        max_fields: int = WarehouseSettings().max_fields,
    ) -> None:
        self._warehouse = warehouse
        self._settings = settings
        self._batches = Batches(resolver, warehouse, max_fields)
        self._positions = warehouse.positions()
        self._subscription: Subscription = bus.subscribe(CONSUMER, STREAMS, self._positions)
        self.totals = Totals()

    def run(self, stopping: Callable[[], bool]) -> None:
        while not stopping():
            records = self._gather(stopping)
            if records:
                self._process(records, stopping)
            self._warehouse.maintain()
        self._drain()

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
        records = self._pull(0.25, 0)
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
        while True:
            # A batch is a million live objects without cycles: the collector would walk them again and again.
            gc.disable()
            try:
                self._store(self._batches.build(records), records)
                return True
            except TransientError as problem:
                log.warning("loading waits %.1f s: %s", pause, problem)
            finally:
                gc.enable()
            if not _sleep(pause, stopping):
                return False
            pause = min(_LONGEST_PAUSE, pause * 2)

    def _store(self, built: Built, records: Sequence[Record]) -> None:
        positions = {**self._positions, **{record.log: record.offset for record in records}}
        built.batch.positions = positions
        started = time.monotonic()
        try:
            stored = self._warehouse.store(built.batch)
        except RowsRefused as refused:
            log.warning("the warehouse refuses %d rows; they become failed events", len(refused.rows))
            built.refuse(refused.rows)
            self._batches.failed_columns.fill(built.batch)
            stored = self._warehouse.store(built.batch)
        self._positions = positions
        self._subscription.ack(positions)
        self.totals.add(stored)
        log.info("%s in %.2f s", stored, time.monotonic() - started)


def _sleep(seconds: float, stopping: Callable[[], bool]) -> bool:
    """False when told to stop meanwhile."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if stopping():
            return False
        time.sleep(min(left, 0.1))
    return True
