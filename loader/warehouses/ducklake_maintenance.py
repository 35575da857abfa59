"""The thorough housekeeping of the embedded warehouse, and what each step of it did."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from loader.settings import WarehouseSettings
from loader.warehouses.ducklake_backup import back_up
from loader.warehouses.ducklake_catalog import apart
from loader.warehouses.ducklake_expiry import delete_old_files, expire_snapshots
from loader.warehouses.ducklake_removals import note_removed
from loader.warehouses.ducklake_retention import expire
from loader.warehouses.ducklake_upkeep import KEPT, SMALL_FILE
from loader.warehouses.maintained import Step

_FORGOTTEN = "1 hour"
"""Age at which a file that no catalogue names is what a killed transaction left behind."""


def maintain(
    connection: duckdb.DuckDBPyConnection, folder: Path, settings: WarehouseSettings, backup: Path | None
) -> Iterator[Step]:
    """For the writer, between transactions. `backup`: folder for a copy. Raises duckdb.Error and what `back_up` raises."""
    before = _size(folder)
    yield _retention(connection, settings)

    def called(statement: str) -> list[tuple[Any, ...]]:
        return apart(folder, f"CALL {statement}")

    rewritten = called("ducklake_rewrite_data_files('lake', delete_threshold => 0)")
    yield Step("rewrite", f"{_total(rewritten)} files without their deleted rows")
    # Before the flush: who began to read between a flush and a merge that follows it would see an empty table.
    merged = called(f"ducklake_merge_adjacent_files('lake', max_file_size => {SMALL_FILE})")
    yield Step("merge", f"{_total(merged)} small files to {_total(merged, 3)}")
    flushed = called("ducklake_flush_inlined_data('lake')")
    yield Step("flush", f"{_total(flushed)} rows from the catalogue to files")
    yield Step("expire", f"{expire_snapshots(connection, KEPT)} snapshots older than {KEPT}")
    deleted = delete_old_files(connection, folder / "data", KEPT)
    orphans = called(f"ducklake_delete_orphaned_files('lake', older_than => now() - INTERVAL '{_FORGOTTEN}')")
    yield Step("delete", f"{deleted + len(orphans)} files that nobody needs any more")
    yield Step("size", f"{before:,} bytes before, {_size(folder):,} after")
    if backup is not None:
        copied = back_up(connection, folder, backup, settings.backups_kept)
        dropped = f", {copied.removed} old copies removed" if copied.removed else ""
        yield Step("back-up", f"{copied.catalog}: {copied.files} new files, {copied.bytes:,} bytes{dropped}")


def _retention(connection: duckdb.DuckDBPyConnection, settings: WarehouseSettings) -> Step:
    connection.execute("BEGIN")
    try:
        removed = expire(connection, settings)
        note_removed(connection, removed, "expired")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    counts = dict.fromkeys(("events", "failed_events"), 0)
    for table, _, _, count in removed:
        counts[table] = counts.get(table, 0) + count
    return Step("retention", ", ".join(f"{count} rows of {table}" for table, count in counts.items()))


def _total(rows: list[tuple[Any, ...]], column: int = 2) -> int:
    """Of the number in that column, which follows schema and table."""
    return sum(number for row in rows if isinstance(number := row[column], int))


def _size(folder: Path) -> int:
    total = 0
    for path in [*folder.glob("catalog.sqlite*"), *(folder / "data").rglob("*")]:
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total
