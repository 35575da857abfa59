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
from loader.deduplicate import VOLATILE, Known, distinct, same_event_sql
from loader.instants import date_text, instant_text
from loader.warehouses.ducklake_catalog import WarehouseUnavailable, open_writer
from loader.warehouses.ducklake_columns import alter, read_columns, shapes
from loader.warehouses.ducklake_failed import FailedTable
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
from loader.warehouses.protocol import Batch, Column, Encoded, Row, RowsRefused, Shape, Stored

log = logging.getLogger("snowmelt.loader")

EVENTS, POSITIONS = "events", "loader_positions"
"""`events` begins with the 128 atomic columns and `load_tstamp`."""

_REQUIRED = frozenset(("collector_tstamp", "event_id", "v_collector", "v_etl", "load_tstamp"))


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
        self._upkeep = Upkeep(folder)
        self._columns = read_columns(self._connection, EVENTS)
        self._known = Known(known_events)
        self._horizon: str | None = None
        self._remember_latest(known_events)

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

    def store(self, batch: Batch) -> Stored:
        columns = dict(self._columns)
        run = self._connection.execute
        try:
            run("BEGIN")
            for change in batch.changes:
                alter(self._connection, EVENTS, change, columns)
            rows = self._new_events(distinct(batch.rows), columns)
            self._insert(rows, batch, columns)
            self._failed.evolve(batch.failed_changes)
            self._failed.remove_replayed(batch.replayed)
            failed = self._failed.upsert(self._not_landed(batch.failed), batch.load_tstamp)
            recovered = self._failed.remove_landed(rows)
            self._note_positions(batch.positions)
            run("COMMIT")
        except duckdb.Error as problem:
            self._roll_back()
            if _of_data(problem) and self._failed.reduce_refused(batch):
                return self.store(batch)
            self._explain(problem, batch, columns)
        self._columns = columns
        self._known.add(row.event_id for row in rows)
        self._failed.stored()
        self._upkeep.committed()
        return Stored(len(rows), len(batch.rows) - len(rows), failed, recovered)

    def maintain(self) -> None:
        self._upkeep.run_if_due()

    def close(self) -> None:
        self._connection.close()
        os.close(self._lock)

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

    def _remember_latest(self, count: int) -> None:
        query = f"SELECT event_id, load_tstamp::VARCHAR FROM {EVENTS} ORDER BY load_tstamp DESC LIMIT {count}"
        cursor = self._connection.execute(query)
        while rows := cursor.fetchmany(50_000):
            self._known.add(row[0] for row in rows)
            self._horizon = rows[-1][1]

    def _insert(self, rows: Sequence[Encoded], batch: Batch, columns: Mapping[str, Column]) -> None:
        if rows:
            lines = [row.data for row in rows]
            names, select = self._reader.select_encoded(lines, batch.names, shapes(columns))
            targets = ", ".join((*map(identifier, names), "load_tstamp"))
            now = f"TIMESTAMPTZ '{batch.load_tstamp}+00'"
            self._connection.execute(f"INSERT INTO {EVENTS} ({targets}) {select(now)}")

    def _new_events(self, rows: list[Encoded], columns: Mapping[str, Column]) -> list[Encoded]:
        """Without those the table has already."""
        suspects = [row for row in rows if row.event_id in self._known]
        if not suspects:
            return rows
        found = self._stored_already(suspects, columns)
        return [row for row in rows if id(row) not in found]

    def _stored_already(self, suspects: list[Encoded], columns: Mapping[str, Column]) -> set[int]:
        """`id()` of the rows that are in the table, compared by DuckDB after casting."""
        run = self._connection.execute
        run(f"CREATE OR REPLACE TEMP TABLE suspects AS SELECT *, 0 AS suspect FROM {EVENTS} LIMIT 0")
        numbered = [{**orjson.loads(row.data), "suspect": number} for number, row in enumerate(suspects)]
        names, select = self._reader.select(numbered, {**shapes(columns), "suspect": ATOMIC_SHAPES["txn_id"]})
        run(f"INSERT INTO suspects ({', '.join(map(identifier, names))}) {select()}")
        condition = same_event_sql("s", "e", [identifier(name) for name in columns if name not in VOLATILE])
        since = f"AND e.load_tstamp >= TIMESTAMPTZ '{self._horizon}'" if self._horizon else ""
        found = run(f"SELECT DISTINCT s.suspect FROM suspects s JOIN {EVENTS} e ON {condition} {since}").fetchall()
        return {id(suspects[number]) for (number,) in found}

    def _not_landed(self, failed: Sequence[Row]) -> list[Row]:
        """Failures without those of events that have landed before (same id and fingerprint)."""
        suspects = [row for row in failed if row.get("event_fingerprint") and row.get("event_id", "") in self._known]
        if not suspects:
            return list(failed)
        marks = ", ".join("?" for _ in suspects)
        query = f"SELECT event_id, event_fingerprint FROM {EVENTS} WHERE event_id IN ({marks})"
        landed = set(self._connection.execute(query, [row["event_id"] for row in suspects]).fetchall())
        return [row for row in failed if (row.get("event_id"), row.get("event_fingerprint")) not in landed]

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
        if _of_data(problem):
            refused = self._reader.refused([row.data for row in batch.rows], batch.names, shapes(columns))
        if refused:
            raise RowsRefused(refused) from problem
        raise WarehouseUnavailable(f"the transaction failed: {type(problem).__name__}") from problem


def _of_data(problem: duckdb.Error) -> bool:
    return isinstance(problem, duckdb.DataError | duckdb.InvalidInputException | duckdb.ConstraintException)
