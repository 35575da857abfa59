"""Rows older than `warehouse.event_days` and `warehouse.failed_days` are deleted; their age counts from when they were loaded."""

import duckdb

from loader.settings import WarehouseSettings
from loader.warehouses.ducklake_removals import Removed, hours_of


def expire(connection: duckdb.DuckDBPyConnection, settings: WarehouseSettings) -> list[Removed]:
    """What it deleted. Inside the caller's transaction."""
    removed: list[Removed] = []
    for table, days in (("events", settings.event_days), ("failed_events", settings.failed_days)):
        if days is not None:
            condition, parameters = "load_tstamp < now() - to_seconds(?)", [days * 86_400]
            found = hours_of(connection, table, condition, parameters)
            if found:
                connection.execute(f"DELETE FROM {table} WHERE {condition}", parameters)
            removed += found
    return removed
