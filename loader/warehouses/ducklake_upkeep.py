"""Housekeeping between batches: many small commits leave many small files, which are merged and then removed.

A merged file stays for as long as a reader may still be looking at an older snapshot.
"""

import logging
import time
from pathlib import Path

import duckdb

from loader.warehouses.ducklake_catalog import WarehouseUnavailable, apart, attached
from loader.warehouses.ducklake_expiry import delete_old_files, expire_snapshots

log = logging.getLogger("snowmelt.loader")

_COMMITS = 60
_SECONDS = 60.0
SMALL_FILE = 32 * 1024 * 1024
KEPT = "15 minutes"


class Upkeep:
    def __init__(self, folder: Path) -> None:
        """`folder`: the warehouse's, whose lock the caller holds."""
        self._folder = folder
        self._commits = 0
        self._last = time.monotonic()

    def committed(self) -> None:
        self._commits += 1

    def run_if_due(self) -> None:
        """Merges after 60 commits, at most once a minute. A failure is logged and left to the next time."""
        if self._commits >= _COMMITS and time.monotonic() - self._last >= _SECONDS:
            self.run()

    def run(self) -> None:
        self._commits, self._last = 0, time.monotonic()
        try:
            # In this order: who began to read between a flush and a merge that follows it would see an empty table.
            apart(self._folder, f"CALL ducklake_merge_adjacent_files('lake', max_file_size => {SMALL_FILE})")
            apart(self._folder, "CALL ducklake_flush_inlined_data('lake')")
            with attached(self._folder, read_only=False) as connection:
                expire_snapshots(connection, KEPT)
                delete_old_files(connection, self._folder / "data", KEPT)
        except (duckdb.Error, OSError, WarehouseUnavailable) as problem:
            log.warning("housekeeping of the warehouse failed, it will be tried again: %s", type(problem).__name__)
