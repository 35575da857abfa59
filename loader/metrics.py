"""What the loader counts about itself: after every transaction, from what was stored."""

import time

from backbone.metrics import LOADER, Metrics
from loader.instants import instant_micros
from loader.overflow import field_count
from loader.warehouses.protocol import Batch, Stored, Warehouse

_PREFIX = "snowmelt_loader_"


class LoaderMetrics(Metrics):
    def __init__(self) -> None:
        super().__init__(LOADER)

    def stored(self, batch: Batch, stored: Stored, seconds: float) -> None:
        """One transaction was committed."""
        self.add(f"{_PREFIX}events_good_total", stored.loaded)
        self.add(f"{_PREFIX}events_bad_total", stored.failed)
        self.add(f"{_PREFIX}duplicates_total", stored.duplicates)
        self.add(f"{_PREFIX}recovered_total", stored.recovered)
        self.add(f"{_PREFIX}columns_added_total", len(batch.changes))
        created = [change.path[0] for change in batch.changes if len(change.path) == 1]
        self.add(f"{_PREFIX}recovery_columns_total", sum("_recovered_" in column for column in created))
        self.add(f"{_PREFIX}overflow_rows_total", batch.overflowing)
        self.observe(f"{_PREFIX}batch_rows", len(batch.rows) + len(batch.failed))
        self.observe(f"{_PREFIX}store_seconds", seconds)
        if batch.oldest is not None:
            self.observe(f"{_PREFIX}e2e_latency_seconds", _age(batch.oldest))

    def table(self, warehouse: Warehouse) -> None:
        """How the warehouse stands now."""
        self.set(f"{_PREFIX}waiting_events", sum(waited.events for waited in warehouse.waiting().values()))
        self.set(f"{_PREFIX}fields", field_count(column.shape for column in warehouse.columns().values()))

    def retried(self) -> None:
        self.add(f"{_PREFIX}retries_total")


def _age(tstamp: str) -> float:
    """Seconds since `yyyy-MM-dd HH:mm:ss[.SSS]`, UTC; none for a time to come, or one that is no time."""
    micros = instant_micros(f"{tstamp.replace(' ', 'T')}Z")
    return 0.0 if micros is None else max(0.0, time.time() - micros / 1e6)
