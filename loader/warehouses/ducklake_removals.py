"""The table `loader_removals`: how many rows were deleted on purpose, so that an account of all events still adds up.

It holds numbers, hours and app ids; nothing that tells who an event belonged to.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

import duckdb

REMOVALS = "loader_removals"
Removed: TypeAlias = tuple[str, datetime | None, str | None, int]
"""(table, hour in which the collector got the events or else in which they failed or were loaded, app id, rows)."""


def note_removed(connection: duckdb.DuckDBPyConnection, rows: Sequence[Removed], why: str) -> None:
    """Inside the caller's transaction, with the deletion itself. `why`: `erased` or `expired`."""
    run = connection.execute
    run(
        f"CREATE TABLE IF NOT EXISTS {REMOVALS} (tstamp TIMESTAMP WITH TIME ZONE, why VARCHAR, table_name VARCHAR,"
        ' hour TIMESTAMP WITH TIME ZONE, app_id VARCHAR, "rows" BIGINT)'
    )
    for table, hour, app_id, count in rows:
        if count:
            run(f"INSERT INTO {REMOVALS} VALUES (now(), ?, ?, ?, ?, ?)", [why, table, hour, app_id, count])


def hours_of(connection: duckdb.DuckDBPyConnection, table: str, condition: str, parameters: Sequence[object]) -> list[Removed]:
    """What a deletion from `events` or `failed_events` with this condition is going to remove."""
    moment = "collector_tstamp" if table == "events" else "coalesce(collector_tstamp, failed_tstamp, load_tstamp)"
    query = f"SELECT date_trunc('hour', {moment}), app_id, count(*) FROM {table} WHERE {condition} GROUP BY ALL ORDER BY ALL"
    return [(table, hour, app, count) for hour, app, count in connection.execute(query, list(parameters)).fetchall()]
