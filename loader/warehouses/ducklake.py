"""The embedded warehouse. Rows, changes of the table, failed events and bus positions are stored in one transaction."""

import contextlib
import logging
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import duckdb

from backbone.bus.protocol import Stream
from backbone.schema_types import Type
from loader.casting import Encoding
from loader.instants import date_text, instant_text
from loader.ledger import Tally
from loader.warehouses.ducklake_catalog import Doubt, WarehouseUnavailable, open_again, open_writer
from loader.warehouses.ducklake_columns import alter, read_columns, shapes
from loader.warehouses.ducklake_duplicates import Duplicates
from loader.warehouses.ducklake_failed import FailedTable
from loader.warehouses.ducklake_ledger import LedgerTables
from loader.warehouses.ducklake_replays import ReplayTables
from loader.warehouses.ducklake_rows import RowReader, encode
from loader.warehouses.ducklake_types import (
    ATOMIC_SHAPES,
    TIMESTAMP,
    UNNAMED,
    identifier,
    shape_of,
    type_text,
)
from loader.warehouses.ducklake_upkeep import Upkeep
from loader.warehouses.ducklake_waiting import WaitingTable
from loader.warehouses.protocol import (
    Batch,
    BatchRefused,
    Column,
    Encoded,
    Row,
    RowsRefused,
    Shape,
    Stored,
    Waited,
    Waiting,
)

log = logging.getLogger("snowmelt.loader")

EVENTS, POSITIONS = "events", "loader_positions"
"""`events` begins with the 128 atomic columns and `load_tstamp`."""

_REQUIRED = frozenset(("collector_tstamp", "event_id", "v_collector", "v_etl", "load_tstamp"))


class _NotNarrow(Exception):
    """It may be a decimal too large for the quick way of reading them: once more, the other way."""


class DuckLake:
    def __init__(self, folder: Path, known_events: int) -> None:
        """`known_events`: how many of the latest events are remembered to recognise duplicates.

        Raises ConfigurationError if another loader writes this warehouse, WarehouseUnavailable.
        """
        self.encoding = Encoding(lambda micros: instant_text(micros - micros % 1000), date_text, str, UNNAMED)
        self._folder = folder
        self._connection, self._lock = open_writer(folder)
        self._broken = False
        self._doubt = Doubt()
        self._columns: dict[str, Column] = {}
        self._set_up()
        self._duplicates = Duplicates(known_events)
        self._duplicates.remember_stored(self._connection)

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """For `loader.maintenance`, between batches; another one when DuckDB's own errors made it useless."""
        self._mend()
        return self._connection

    def look_again(self) -> None:
        """Rows were taken away by somebody else."""
        self._waiting.look()

    def positions(self) -> dict[str, int]:
        return dict(self._connection.execute(f"SELECT log, position FROM {POSITIONS}").fetchall())

    def columns(self) -> Mapping[str, Column]:
        return self._columns

    def failed_columns(self) -> Mapping[str, Column]:
        return self._failed.columns

    def encode(self, row: Row) -> bytes:
        return encode(row)

    def shape(self, kind: Type) -> Shape:
        return shape_of(kind)

    def counted_logs(self) -> Collection[str]:
        return self._ledger.logs()

    def count_from(self, balances: Mapping[str, Mapping[Stream, int]]) -> None:
        self._ledger.count_from(balances)

    def store(self, batch: Batch) -> Stored:
        try:
            return self._store(batch)
        except _NotNarrow:
            return self._store(batch)

    def _store(self, batch: Batch) -> Stored:
        self._mend()
        columns = dict(self._columns)
        run = self._connection.execute
        try:
            tally = Tally()
            run("BEGIN")
            for change in batch.changes:
                alter(self._connection, EVENTS, change, columns)
            known = self._duplicates.using(self._connection, self._reader, columns)
            rows = known.new_events(batch, lambda change: alter(self._connection, EVENTS, change, columns))
            self._insert(rows, batch, columns)
            tally.landed([row.cell for row in batch.rows], [row.cell for row in rows])
            self._failed.evolve(batch.failed_changes)
            self._failed.remove_replayed(self._replays.store(batch.replayed), tally)
            new_failures = self._replays.counted(known.not_landed(batch.failed, batch.load_tstamp, tally))
            failed = self._failed.upsert(new_failures, batch.load_tstamp, tally)
            recovered = self._failed.remove_landed(rows, tally) + self._waiting.settle(batch, tally)
            self._ledger.write(tally, batch.read)
            self._note_positions(batch.positions)
            run("COMMIT")
        except duckdb.Error as problem:
            self._roll_back()
            if _of_data(problem) and not self._reader.narrow and self._failed.reduce_refused(batch):
                return self._store(batch)
            self._explain(problem, batch, columns)
        except Exception as problem:
            self._roll_back()
            if isinstance(problem, OSError):
                raise WarehouseUnavailable(f"rows cannot be handed over: {problem.strerror}") from problem
            raise BatchRefused(type(problem).__name__) from problem
        self._columns = columns
        self._duplicates.remember(rows, batch.load_tstamp)
        self._failed.stored()
        self._ledger.stored()
        self._upkeep.committed()
        parked, unparked = self._waiting.stored(batch)
        return Stored(len(rows), len(batch.rows) - len(rows), failed, recovered, parked, unparked)

    def waiting(self) -> Mapping[str, Waited]:
        return self._waiting.waited

    def waiting_for(self, schema: str, before: str | None, limit: int, max_bytes: int) -> list[Waiting]:
        self._mend()
        try:
            return self._waiting.take(schema, before, limit, max_bytes)
        except duckdb.Error as problem:
            raise WarehouseUnavailable(f"waiting events cannot be read: {type(problem).__name__}") from problem

    def maintain(self) -> None:
        self._upkeep.run_if_due()
        self._ledger.compact_if_due()

    def close(self) -> None:
        self._connection.close()
        os.close(self._lock)

    def _set_up(self) -> None:
        self._create_tables()
        self._reader = RowReader(self._connection, self._folder / "incoming.ndjson")
        self._failed = FailedTable(self._connection, self._reader)
        self._waiting = WaitingTable(self._connection, self._reader)
        self._replays = ReplayTables(self._connection, self._reader)
        self._ledger = LedgerTables(self._connection, self._reader)
        self._upkeep = Upkeep(self._folder)
        self._columns = read_columns(self._connection, EVENTS)

    def _mend(self) -> None:
        """Opens the warehouse anew when an error of DuckDB's own has made the connection useless."""
        if not self._broken:
            return
        with contextlib.suppress(duckdb.Error):
            self._connection.close()
        self._connection = open_again(self._folder)
        try:
            self._set_up()
        except duckdb.Error as problem:
            raise WarehouseUnavailable(f"cannot open the warehouse again: {type(problem).__name__}") from problem
        self._broken = False

    def _create_tables(self) -> None:
        every = {**ATOMIC_SHAPES, "load_tstamp": TIMESTAMP}
        columns = ", ".join(
            f"{identifier(name)} {type_text(shape)}{' NOT NULL' if name in _REQUIRED else ''}" for name, shape in every.items()
        )
        run = self._connection.execute
        run(f"CREATE TABLE IF NOT EXISTS {EVENTS} ({columns})")
        run(f"CREATE TABLE IF NOT EXISTS {POSITIONS} (log VARCHAR, position BIGINT)")
        run("CALL lake.set_option('parquet_compression', 'zstd')")  # a third of the default's size in the same time
        # Rewritten with every batch: kept in the catalog instead of a Parquet file each time.
        run(f"CALL lake.set_option('data_inlining_row_limit', 1000, table_name => '{POSITIONS}')")

    def _insert(self, rows: Sequence[Encoded], batch: Batch, columns: Mapping[str, Column]) -> None:
        if rows:
            lines = [row.data for row in rows]
            names, select = self._reader.select_encoded(lines, batch.names, shapes(columns))
            targets = ", ".join((*map(identifier, names), "load_tstamp"))
            now = f"TIMESTAMPTZ '{batch.load_tstamp}+00'"
            self._connection.execute(f"INSERT INTO {EVENTS} ({targets}) {select(now)}")

    def _note_positions(self, positions: Mapping[str, int]) -> None:
        run = self._connection.execute
        run(f"DELETE FROM {POSITIONS}")
        if positions:
            values = ", ".join("(?, ?)" for _ in positions)
            run(f"INSERT INTO {POSITIONS} VALUES {values}", [part for pair in positions.items() for part in pair])

    def _roll_back(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except duckdb.Error:
            log.debug("nothing to roll back")

    def _explain(self, problem: duckdb.Error, batch: Batch, columns: Mapping[str, Column]) -> NoReturn:
        """Raises WarehouseUnavailable, or RowsRefused if rows can be blamed, or BatchRefused."""
        of_rows = _of_data(problem)
        self._broken = not of_rows and not isinstance(problem, duckdb.OperationalError)
        if self._doubt.is_transient(problem):
            raise WarehouseUnavailable(f"the transaction failed: {type(problem).__name__}") from problem
        if of_rows:
            if self._reader.narrow:
                self._reader.narrow = False
                raise _NotNarrow
            refused = self._reader.refused([row.data for row in batch.rows], batch.names, shapes(columns))
            if refused:
                raise RowsRefused(refused) from problem
        raise BatchRefused(f"DuckDB: {type(problem).__name__}") from problem


def _of_data(problem: duckdb.Error) -> bool:
    return isinstance(problem, duckdb.DataError | duckdb.InvalidInputException | duckdb.ConstraintException)
