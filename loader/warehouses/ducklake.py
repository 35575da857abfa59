"""The embedded warehouse. Rows, changes of the table, failed events and bus positions are stored in one transaction."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import duckdb
import orjson

from backbone.schema_types import Type
from loader.casting import Encoding
from loader.deduplicate import MARK_COLUMN, MARK_FAMILY, VOLATILE, Latest, marked, same_event_sql
from loader.evolve import grown
from loader.instants import date_text, instant_text
from loader.known_events import ID_KEY_SQL, PAIR_KEY_SQL
from loader.warehouses.ducklake_catalog import WarehouseUnavailable, open_writer
from loader.warehouses.ducklake_failed import FailedTable
from loader.warehouses.ducklake_rows import RowReader, encode
from loader.warehouses.ducklake_types import (
    ATOMIC_SHAPES,
    TIMESTAMP,
    UNNAMED,
    identifier,
    path_text,
    shape_in_table,
    shape_of,
    type_text,
)
from loader.warehouses.ducklake_upkeep import Upkeep
from loader.warehouses.protocol import Batch, Change, Column, Encoded, Leaf, ListOf, Record, Row, RowsRefused, Shape, Stored

log = logging.getLogger("snowmelt.loader")

EVENTS, POSITIONS = "events", "loader_positions"
"""`events` begins with the 128 atomic columns and `load_tstamp`."""

_MARK = Change(
    (MARK_COLUMN,), ListOf(Record({"_schema_version": Leaf("VARCHAR"), "original_event_id": Leaf("VARCHAR")})), MARK_FAMILY
)
_REQUIRED = frozenset(("collector_tstamp", "event_id", "v_collector", "v_etl", "load_tstamp"))


class _NotNarrow(Exception):
    """It may be a decimal too large for the quick way of reading them: once more, the other way."""


class DuckLake:
    def __init__(self, folder: Path, known_events: int) -> None:
        """`known_events`: how many of the latest events are remembered to recognise duplicates.

        Raises ConfigurationError if another loader writes this warehouse, WarehouseUnavailable.
        """
        self.encoding = Encoding(lambda micros: instant_text(micros - micros % 1000), date_text, str, UNNAMED)
        self._connection, self._lock = open_writer(folder)
        self._create_tables()
        self._reader = RowReader(self._connection, folder / "incoming.ndjson")
        self._failed = FailedTable(self._connection, self._reader)
        self._upkeep = Upkeep(self._connection)
        self._columns = table_columns(self._connection)
        self._latest = Latest(known_events)
        self._horizon: str | None = None
        self._remember_latest(known_events)

    def positions(self) -> dict[str, int]:
        return dict(self._connection.execute(f"SELECT log, position FROM {POSITIONS}").fetchall())

    def columns(self) -> Mapping[str, Column]:
        return self._columns

    def encode(self, row: Row) -> bytes:
        return encode(row)

    def shape(self, kind: Type) -> Shape:
        return shape_of(kind)

    def store(self, batch: Batch) -> Stored:
        try:
            return self._store(batch)
        except _NotNarrow:
            return self._store(batch)

    def _store(self, batch: Batch) -> Stored:
        columns = dict(self._columns)
        run = self._connection.execute
        try:
            run("BEGIN")
            for change in batch.changes:
                self._apply(change, columns)
            rows = self._new_events(batch, columns)
            self._insert(rows, batch, columns)
            self._failed.remove_replayed(batch.replayed)
            failed = self._failed.upsert(self._not_landed(batch.failed), batch.load_tstamp)
            recovered = self._failed.remove_landed(rows)
            self._note_positions(batch.positions)
            run("COMMIT")
        except duckdb.Error as problem:
            self._roll_back()
            self._explain(problem, batch, columns)
        self._columns = columns
        self._latest.remember_rows(rows)
        if self._horizon and batch.load_tstamp < self._horizon:  # a clock set back, or a back-fill that names its own time
            self._horizon = f"{batch.load_tstamp}+00"
        self._failed.stored()
        self._upkeep.committed()
        return Stored(len(rows), len(batch.rows) - len(rows), failed, recovered)

    def maintain(self) -> None:
        self._upkeep.run_if_due()

    def close(self) -> None:
        self._connection.close()
        os.close(self._lock)

    def _create_tables(self) -> None:
        shapes = {**ATOMIC_SHAPES, "load_tstamp": TIMESTAMP}
        columns = ", ".join(
            f"{identifier(name)} {type_text(shape)}{' NOT NULL' if name in _REQUIRED else ''}" for name, shape in shapes.items()
        )
        run = self._connection.execute
        run(f"CREATE TABLE IF NOT EXISTS {EVENTS} ({columns})")
        run(f"CREATE TABLE IF NOT EXISTS {POSITIONS} (log VARCHAR, position BIGINT)")
        run("CALL lake.set_option('parquet_compression', 'zstd')")  # a third of the default's size in the same time
        # Rewritten with every batch: kept in the catalog instead of a Parquet file each time.
        run(f"CALL lake.set_option('data_inlining_row_limit', 1000, table_name => '{POSITIONS}')")

    def _remember_latest(self, count: int) -> None:
        run = self._connection.execute
        (stored,) = run(f"SELECT count(*) FROM {EVENTS}").fetchone() or (0,)
        latest = EVENTS if stored <= count else f"(SELECT load_tstamp FROM {EVENTS} ORDER BY load_tstamp DESC LIMIT {count})"
        (self._horizon,) = run(f"SELECT min(load_tstamp)::VARCHAR FROM {latest}").fetchone() or (None,)
        if self._horizon is None:
            return
        since = f"load_tstamp >= TIMESTAMPTZ '{self._horizon}'"
        ids = f"SELECT {ID_KEY_SQL.format(id='event_id')} AS key FROM {EVENTS} WHERE {since}"
        key = PAIR_KEY_SQL.format(id="event_id", fingerprint="event_fingerprint")
        pairs = f"SELECT {key} AS key FROM {EVENTS} WHERE {since} AND event_fingerprint IS NOT NULL"
        self._latest.remember(run(ids).fetchnumpy()["key"], run(pairs).fetchnumpy()["key"])

    def _apply(self, change: Change, columns: dict[str, Column]) -> None:
        """Adds a column or a field of one; `columns` follows."""
        run = self._connection.execute
        run(f"ALTER TABLE {EVENTS} ADD COLUMN {path_text(change.path)} {type_text(change.shape)}")
        name, *rest = change.path
        if rest:
            old = columns[name]
            columns[name] = Column(grown(old.shape, tuple(rest), change.shape), old.family)
        else:
            columns[name] = Column(change.shape, change.family)
            run(f"COMMENT ON COLUMN {EVENTS}.{identifier(name)} IS '{(change.family or '').replace(chr(39), chr(39) * 2)}'")

    def _insert(self, rows: Sequence[Encoded], batch: Batch, columns: Mapping[str, Column]) -> None:
        if rows:
            lines = [row.data for row in rows]
            names, select = self._reader.select_encoded(lines, batch.names, _shapes(columns))
            targets = ", ".join((*map(identifier, names), "load_tstamp"))
            now = f"TIMESTAMPTZ '{batch.load_tstamp}+00'"
            self._connection.execute(f"INSERT INTO {EVENTS} ({targets}) {select(now)}")

    def _new_events(self, batch: Batch, columns: dict[str, Column]) -> list[Encoded]:
        """Without those the table has already; those that share an id with other content are marked."""
        told = self._latest.told_apart(batch.rows, lambda bare: self._stored_already(bare, columns))
        if told.sharing and self._can_mark(columns):
            batch.names.add(MARK_COLUMN)
            for at in told.sharing:
                told.rows[at] = marked(told.rows[at])
        return told.rows

    def _can_mark(self, columns: dict[str, Column]) -> bool:
        if MARK_COLUMN not in columns:
            self._apply(_MARK, columns)
        return columns[MARK_COLUMN].family == MARK_FAMILY

    def _stored_already(self, suspects: list[Encoded], columns: Mapping[str, Column]) -> set[int]:
        """`id()` of the rows that are in the table, compared by DuckDB after casting."""
        run = self._connection.execute
        run(f"CREATE OR REPLACE TEMP TABLE suspects AS SELECT *, 0 AS suspect FROM {EVENTS} LIMIT 0")
        numbered = [{**orjson.loads(row.data), "suspect": number} for number, row in enumerate(suspects)]
        names, select = self._reader.select(numbered, {**_shapes(columns), "suspect": ATOMIC_SHAPES["txn_id"]})
        run(f"INSERT INTO suspects ({', '.join(map(identifier, names))}) {select()}")
        condition = same_event_sql("s", "e", [identifier(name) for name in columns if name not in VOLATILE])
        since = f"AND e.load_tstamp >= TIMESTAMPTZ '{self._horizon}'" if self._horizon else ""
        found = run(f"SELECT DISTINCT s.suspect FROM suspects s JOIN {EVENTS} e ON {condition} {since}").fetchall()
        return {id(suspects[number]) for (number,) in found}

    def _not_landed(self, failed: Sequence[Row]) -> list[Row]:
        """Failures without those of events that have landed before (same id and fingerprint)."""
        complete = [row for row in failed if row.get("event_fingerprint") and row.get("event_id")]
        if not complete:
            return list(failed)
        landed = self._latest.landed([(row["event_id"], row["event_fingerprint"]) for row in complete])
        gone = {id(row) for row, known in zip(complete, landed, strict=True) if known}
        return [row for row in failed if id(row) not in gone]

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
        """Finds the rows to blame, if it is rows: raises RowsRefused, else WarehouseUnavailable."""
        if isinstance(problem, duckdb.InternalError | duckdb.FatalException):
            raise problem
        refused = []
        if isinstance(problem, duckdb.DataError | duckdb.InvalidInputException | duckdb.ConstraintException):
            if self._reader.narrow:
                self._reader.narrow = False
                raise _NotNarrow
            refused = self._reader.refused([row.data for row in batch.rows], batch.names, _shapes(columns))
        if refused:
            raise RowsRefused(refused) from problem
        raise WarehouseUnavailable(f"the transaction failed: {type(problem).__name__}") from problem


def table_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, Column]:
    """Of `events`."""
    table = connection.table(EVENTS)
    query = "SELECT column_name, comment FROM duckdb_columns() WHERE database_name = 'lake' AND table_name = ?"
    families = dict(connection.execute(query, [EVENTS]).fetchall())
    return {name: Column(shape_in_table(kind), families.get(name)) for name, kind in zip(table.columns, table.types, strict=True)}


def _shapes(columns: Mapping[str, Column]) -> dict[str, Shape]:
    return {name: column.shape for name, column in columns.items()}
