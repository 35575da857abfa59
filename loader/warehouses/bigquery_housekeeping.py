"""Maintenance of BigQuery when it is due, by the loader: aside, so that no event waits for it."""

import logging
import threading
import time
from contextlib import closing

from backbone.errors import SnowmeltError
from loader.settings import WarehouseSettings
from loader.warehouses.bigquery_access import open_access
from loader.warehouses.bigquery_client import BigQueryRefused
from loader.warehouses.bigquery_maintenance import last_maintained, maintain

log = logging.getLogger("snowmelt.loader")

_AGAIN = 600.0
"""Seconds until maintenance that failed is tried again."""


class Housekeeping:
    """`between_batches` is called often and mostly does nothing. When it was done last is noted in the dataset."""

    def __init__(self, settings: WarehouseSettings) -> None:
        self._settings = settings
        self._due = 0.0
        self._thread: threading.Thread | None = None

    def between_batches(self) -> None:
        if time.time() < self._due or (self._thread is not None and self._thread.is_alive()):
            return
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._due = time.time() + _AGAIN
        try:
            self._due = self._done_if_due()
        except (SnowmeltError, BigQueryRefused) as problem:
            log.warning("maintenance failed, it will be tried again: %s", problem)
        except Exception as fault:  # the loader does not end for it; what the text quotes is not known
            log.warning("maintenance failed, it will be tried again: unexpected %s", type(fault).__name__)

    def _done_if_due(self) -> float:
        """When it is due next: seconds since 1970."""
        every = self._settings.maintenance_hours * 3600
        with closing(open_access(self._settings)) as access:
            last = last_maintained(access)
            if last is None or last.timestamp() + every <= time.time():
                log.info("maintenance: %s", "; ".join(f"{name}: {did}" for name, did in maintain(access, self._settings)))
                return time.time() + every
        return last.timestamp() + every
