"""Old snapshots, and files that only they needed, by age.

DuckLake's own `older_than` compares times as text of another form when the catalogue is SQLite, and takes everything for old
(seen with 1.5.5): a reader in the middle of a query would lose its files. So the age is worked out here.
"""

from pathlib import Path

import duckdb

from loader.warehouses.ducklake_catalog import LAKE

_SCHEDULED = f"__ducklake_metadata_{LAKE}.ducklake_files_scheduled_for_deletion"


def expire_snapshots(connection: duckdb.DuckDBPyConnection, age: str | None) -> int:
    """Number of snapshots forgotten: those older than `age` (`15 minutes`), or all (None); never the current one."""
    condition = "true" if age is None else f"snapshot_time < now() - INTERVAL '{age}'"
    newest = f"(SELECT max(snapshot_id) FROM ducklake_snapshots('{LAKE}'))"
    query = f"SELECT snapshot_id FROM ducklake_snapshots('{LAKE}') WHERE {condition} AND snapshot_id < {newest}"
    versions = [number for (number,) in connection.execute(query).fetchall()]
    if versions:
        connection.execute(f"CALL ducklake_expire_snapshots('{LAKE}', versions => {versions})").fetchall()
    return len(versions)


def delete_old_files(connection: duckdb.DuckDBPyConnection, data: Path, age: str) -> int:
    """Number of files deleted that no snapshot has needed for that long. May be run again after a kill."""
    query = (
        f"SELECT data_file_id, path FROM {_SCHEDULED}"
        f" WHERE path_is_relative AND schedule_start::TIMESTAMPTZ < now() - INTERVAL '{age}'"
    )
    due = connection.execute(query).fetchall()
    for _, path in due:
        (data / path).unlink(missing_ok=True)
    if due:
        listed = ", ".join(str(int(number)) for number, _ in due)
        connection.execute(f"DELETE FROM {_SCHEDULED} WHERE data_file_id IN ({listed})").fetchall()
    return len(due)
