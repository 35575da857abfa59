"""Rows loaded too long ago (`warehouse.event_days`, `warehouse.failed_days`) are deleted, and counted for the account."""

from datetime import datetime, timedelta
from typing import NamedTuple

import duckdb

from loader.settings import WarehouseSettings


class Expired(NamedTuple):
    """How many rows of one hour (of `collector_tstamp`, UTC) and one app were deleted; payloads without events have neither."""

    table: str
    hour: datetime | None
    app_id: str | None
    rows: int


def delete_expired(connection: duckdb.DuckDBPyConnection, settings: WarehouseSettings, now: datetime) -> list[Expired]:
    """Part of the caller's transaction: nobody may count the rows and find them gone. `now` with its zone."""
    found: list[Expired] = []
    for table, days in (("events", settings.event_days), ("failed_events", settings.failed_days)):
        if days is not None:
            found += _delete(connection, table, now - timedelta(days=days))
    return found


def _delete(connection: duckdb.DuckDBPyConnection, table: str, before: datetime) -> list[Expired]:
    old = f"FROM {table} WHERE load_tstamp < ?"
    counts = f"SELECT date_trunc('hour', collector_tstamp), app_id, count(*) {old} GROUP BY ALL ORDER BY ALL"
    found = [Expired(table, *row) for row in connection.execute(counts, [before]).fetchall()]
    if found:
        connection.execute(f"DELETE {old}", [before])
    return found
