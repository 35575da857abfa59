"""Housekeeping between batches: many small commits leave many small files, which are merged and then removed.

A merged file stays for as long as a reader may still be looking at an older snapshot.

DuckLake (of DuckDB 1.5.5) remembers the catalog by schema version, and flushing inlined rows makes it remember one that is too
old: files merged after that in the same instance lose the columns it does not have, values included. So each of the two has an
instance of its own, which is thrown away, and the loader's never does either.
"""

import logging
import time
from pathlib import Path

import duckdb

from loader.warehouses.ducklake_catalog import WarehouseUnavailable, attached

log = logging.getLogger("snowmelt.loader")

_COMMITS = 60
_SECONDS = 60.0
_SMALL_FILE = 32 * 1024 * 1024
_KEPT = "15 minutes"


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
        merge = f"CALL ducklake_merge_adjacent_files('lake', max_file_size => {_SMALL_FILE})"
        expire = f"CALL ducklake_expire_snapshots('lake', older_than => now() - INTERVAL '{_KEPT}')"
        clean_up = f"CALL ducklake_cleanup_old_files('lake', older_than => now() - INTERVAL '{_KEPT}')"
        try:
            self._alone("CALL ducklake_flush_inlined_data('lake')")
            self._alone(merge, expire, clean_up)
        except (duckdb.Error, WarehouseUnavailable) as problem:
            log.warning("housekeeping of the warehouse failed, it will be tried again: %s", type(problem).__name__)

    def _alone(self, *statements: str) -> None:
        with attached(self._folder, read_only=False) as connection:
            for statement in statements:
                connection.execute(statement).fetchall()
