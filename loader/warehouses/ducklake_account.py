"""The books of the embedded warehouse as one snapshot: the ledger, what the tables hold, where reading the bus stands."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from loader.account import TABLES, Account, Entry, Reading
from loader.ledger import COUNTERS
from loader.warehouses.ducklake_catalog import open_reader
from loader.warehouses.ducklake_ledger import LEDGER, READ, REMOVALS, UNLOGGED, cell_columns, has_table


class Books:
    """As `loader.account.Books`, of a data folder."""

    def __init__(self, folder: Path) -> None:
        """Raises NoWarehouse, WarehouseUnavailable."""
        self._connection = open_reader(folder)

    def account(self, since: datetime | None) -> Account | None:
        return read_account(self._connection, since) if has_ledger(self._connection) else None

    def reading(self) -> Reading:
        with _snapshot(self._connection):
            return _reading(self._connection)

    def close(self) -> None:
        self._connection.close()


def has_ledger(connection: duckdb.DuckDBPyConnection) -> bool:
    """False for a warehouse that an older version made and this one has not loaded into."""
    return has_table(connection, LEDGER)


def read_account(connection: duckdb.DuckDBPyConnection, since: datetime | None) -> Account:
    """`since`: cells of that hour and later."""
    with _snapshot(connection):
        cells: dict[tuple[str, str], Entry] = {}
        for hour, app_id, *numbers in _grouped(connection, LEDGER, "hour, app_id", _sums(), since):
            entry = cells.setdefault((hour, app_id), Entry())
            entry.counts.update(zip(COUNTERS, numbers, strict=True))
        for table in TABLES:
            if has_table(connection, table):
                for hour, app_id, number in _grouped(connection, table, cell_columns(table), "count(*)", since):
                    cells.setdefault((hour, app_id), Entry()).rows[table] = number
        for hour, app_id, table, number in _removals(connection, since):
            cells.setdefault((hour, app_id), Entry()).removed[table] = number
        counted = _number(connection, f"SELECT coalesce(sum(received + twins), 0)::BIGINT FROM {LEDGER}")
        incomplete = _number(connection, "SELECT count(*) FROM failed_events WHERE kind IS NULL")
        return Account(dict(sorted(cells.items())), counted, incomplete, _reading(connection))


@contextmanager
def _snapshot(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def _reading(connection: duckdb.DuckDBPyConnection) -> Reading:
    positions = dict(connection.execute("SELECT log, position FROM loader_positions").fetchall())
    rows = connection.execute(f"SELECT log, stream, earlier, records FROM {READ}").fetchall()
    read = {(log, stream): (earlier, number) for log, stream, earlier, number in rows if log != UNLOGGED}
    return Reading(positions, read, sum(number for log, _, _, number in rows if log == UNLOGGED))


def _number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    found = connection.execute(query).fetchone()
    return int(found[0]) if found else 0


def _sums() -> str:
    return ", ".join(f"sum({name})::BIGINT" for name in COUNTERS)


def _grouped(
    connection: duckdb.DuckDBPyConnection, table: str, cell: str, numbers: str, since: datetime | None
) -> list[tuple[Any, ...]]:
    """Rows (hour as text, app id, numbers…)."""
    where = "" if since is None else "WHERE hour >= date_trunc('hour', ?::TIMESTAMPTZ)"
    cells = f"SELECT * EXCLUDE (hour, app_id), {cell} FROM {table}" if table == LEDGER else f"SELECT {cell} FROM {table}"
    query = f"SELECT hour::VARCHAR, app_id, {numbers} FROM ({cells}) {where} GROUP BY hour, app_id"
    return connection.execute(query, None if since is None else [since]).fetchall()


def _removals(connection: duckdb.DuckDBPyConnection, since: datetime | None) -> list[tuple[str, str, str, int]]:
    if not has_table(connection, REMOVALS):
        return []
    where = "" if since is None else "WHERE hour >= date_trunc('hour', ?::TIMESTAMPTZ)"
    cell = "hour::VARCHAR, coalesce(app_id, '') AS app_id"
    query = f"SELECT {cell}, table_name, sum(rows)::BIGINT FROM {REMOVALS} {where} GROUP BY ALL"
    return connection.execute(query, None if since is None else [since]).fetchall()
