"""The ledger's tables, written in the transaction that stores what they count.

`loader_ledger` gets a row for each cell of a batch; now and then the rows of a cell are made one. `loader_read` says how many
records of each stream were read from each log of the bus, and how many (`earlier`) the log held before they were counted.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

import duckdb

from backbone.bus.protocol import Stream
from loader.ledger import COUNTERS, Cell, Tally
from loader.warehouses.ducklake_rows import RowReader
from loader.warehouses.protocol import Leaf

log = logging.getLogger("snowmelt.loader")

LEDGER, READ, REMOVALS = "loader_ledger", "loader_read", "loader_removals"
UNLOGGED = ""
"""Stands in `loader_read` for what was read from no log that is still there."""
OPENING, LOADED_DIRECTLY, LOG_IS_GONE = "opening balance", "loaded directly", "log is gone"

_CELL = {
    "events": "collector_tstamp",
    "failed_events": "coalesce(collector_tstamp, failed_tstamp, load_tstamp)",
    "waiting_events": "collector_tstamp",
}
_COMPACT_EVERY = 200
_INLINED_ROWS = 1000
_SHAPES = {"hour": Leaf("TIMESTAMP WITH TIME ZONE"), "app_id": Leaf("VARCHAR"), **dict.fromkeys(COUNTERS, Leaf("BIGINT"))}


def cell_columns(table: str) -> str:
    """SELECT list `hour, app_id`: the cell of a row of one of the counted tables."""
    return f"date_trunc('hour', {_CELL[table]}) AS hour, coalesce(app_id, '') AS app_id"


def cell_text(table: str) -> str:
    """The same as two texts, in the form of `loader.ledger.Cell`."""
    return f"date_trunc('hour', {_CELL[table]})::VARCHAR, coalesce(app_id, '')"


def cells_of(
    connection: duckdb.DuckDBPyConnection, table: str, condition: str = "true", parameters: Sequence[object] = ()
) -> "Counter[Cell]":
    """Rows of a counted table by cell."""
    query = f"SELECT {cell_text(table)}, count(*) FROM {table} WHERE {condition} GROUP BY ALL"
    return Counter({(hour, app): number for hour, app, number in connection.execute(query, list(parameters)).fetchall()})


def has_table(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    query = "SELECT 1 FROM duckdb_tables() WHERE database_name = 'lake' AND table_name = ?"
    return connection.execute(query, [table]).fetchone() is not None


class LedgerTables:
    """`write` runs inside the caller's transaction, the rest outside of any."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, reader: RowReader) -> None:
        """After the counted tables were made: what they hold before anything was counted is the opening balance."""
        self._connection = connection
        self._reader = reader
        self._written = _COMPACT_EVERY // 2
        if not has_table(connection, LEDGER):
            self._open()
        for table in (LEDGER, READ):  # written with every batch: kept in the catalog instead of a Parquet file each time
            connection.execute(f"CALL lake.set_option('data_inlining_row_limit', {_INLINED_ROWS}, table_name => '{table}')")
        self._read = {(log, stream): (before, number) for log, stream, before, number in self._rows()}
        self._stored = dict(self._read)

    def logs(self) -> set[str]:
        """Whose records are counted."""
        return {log for log, _ in self._read} - {UNLOGGED}

    def count_from(self, balances: Mapping[str, Mapping[Stream, int]]) -> None:
        """These logs are counted from now on, each having held so many records of each stream before."""
        if not balances:
            return
        read = {key: value for key, value in self._read.items() if key[0] not in balances}
        gone = sum(number for (log, stream), (_, number) in self._read.items() if log in balances and stream != "replayed")
        if gone:
            read[UNLOGGED, LOG_IS_GONE] = (0, read.get((UNLOGGED, LOG_IS_GONE), (0, 0))[1] + gone)
        read |= {(log, stream): (number, 0) for log, streams in balances.items() for stream, number in streams.items()}
        self._connection.execute("BEGIN")
        self._write_read(read)
        self._connection.execute("COMMIT")
        self._read = self._stored = read

    def write(self, tally: Tally, read: Mapping[tuple[str, str], int]) -> None:
        """`read`: records by log and stream; nothing for a batch that did not come from the bus."""
        self._insert(tally)
        self._stored = dict(self._read)
        for key, number in (read or {(UNLOGGED, LOADED_DIRECTLY): tally.received}).items():
            if number:
                before, until_now = self._read.get(key, (0, 0))
                self._stored[key] = (before, until_now + number)
        if self._stored != self._read:
            self._write_read(self._stored)

    def stored(self) -> None:
        """The transaction was committed."""
        self._read = self._stored
        self._written += 1

    def compact_if_due(self) -> None:
        if self._written >= _COMPACT_EVERY:
            self.compact()

    def compact(self) -> None:
        """Rows of one cell become one, in the hours that have several of a cell. A failure is left to the next time."""
        self._written = 0
        sums = ", ".join(f"sum({name})::BIGINT" for name in COUNTERS)
        several = f"SELECT hour FROM {LEDGER} GROUP BY hour, app_id HAVING count(*) > 1"
        run = self._connection.execute
        run("BEGIN")
        try:
            run(f"CREATE OR REPLACE TEMP TABLE crowded AS SELECT DISTINCT hour FROM ({several})")
            within = "WHERE hour IN (SELECT hour FROM crowded)"
            summed = f"SELECT hour, app_id, {sums} FROM {LEDGER} {within} GROUP BY hour, app_id"
            run(f"CREATE OR REPLACE TEMP TABLE compacted AS {summed}")
            run(f"DELETE FROM {LEDGER} {within}")
            run(f"INSERT INTO {LEDGER} SELECT * FROM compacted")
            run("COMMIT")
        except duckdb.Error as problem:
            run("ROLLBACK")
            log.warning("the ledger could not be compacted, it will be tried again: %s", type(problem).__name__)

    def _open(self) -> None:
        run = self._connection.execute
        columns = ", ".join(f"{name} BIGINT NOT NULL" for name in COUNTERS)
        run("BEGIN")
        run(f"CREATE TABLE {LEDGER} (hour TIMESTAMP WITH TIME ZONE NOT NULL, app_id VARCHAR NOT NULL, {columns})")
        run(f"CREATE TABLE {READ} (log VARCHAR, stream VARCHAR, earlier BIGINT, records BIGINT)")
        found = self._found()
        self._insert(found)
        if found.received:
            self._write_read({(UNLOGGED, OPENING): (0, found.received)})
        run("COMMIT")

    def _found(self) -> Tally:
        """Rows that are there already, as if they had just been read."""
        tally = Tally()
        events = cells_of(self._connection, "events")
        tally.landed(events, events)
        tally.count("incomplete", cells_of(self._connection, "failed_events", "kind IS NULL"))
        failures = cells_of(self._connection, "failed_events", "kind IS NOT NULL")
        tally.count("received", failures)
        tally.count("failed", failures)
        if has_table(self._connection, "waiting_events"):
            tally.parked(cells_of(self._connection, "waiting_events"))
        return tally

    def _insert(self, tally: Tally) -> None:
        if rows := list(tally.rows()):
            names, select = self._reader.select(rows, _SHAPES)
            self._connection.execute(f"INSERT INTO {LEDGER} ({', '.join(names)}) {select()}")

    def _rows(self) -> list[tuple[str, str, int, int]]:
        return self._connection.execute(f"SELECT log, stream, earlier, records FROM {READ}").fetchall()

    def _write_read(self, read: Mapping[tuple[str, str], tuple[int, int]]) -> None:
        run = self._connection.execute
        run(f"DELETE FROM {READ}")
        if read:
            values = ", ".join("(?, ?, ?, ?)" for _ in read)
            run(f"INSERT INTO {READ} VALUES {values}", [part for key, numbers in read.items() for part in (*key, *numbers)])
