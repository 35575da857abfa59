"""Duplicates among the rows of a batch and those of the table: see `loader.deduplicate` for what counts as one."""

from collections.abc import Callable, Mapping, Sequence

import duckdb
import orjson

from loader.deduplicate import MARK_COLUMN, MARK_FAMILY, VOLATILE, Latest, marked, same_event_sql
from loader.failed_events import is_typed
from loader.known_events import ID_KEY_SQL, PAIR_KEY_SQL
from loader.ledger import Tally, failure_cell
from loader.warehouses.ducklake_rows import RowReader
from loader.warehouses.ducklake_types import ATOMIC_SHAPES, identifier
from loader.warehouses.protocol import Batch, Change, Column, Encoded, Leaf, ListOf, Record, Row

_EVENTS = "events"
_MARK = Change(
    (MARK_COLUMN,), ListOf(Record({"_schema_version": Leaf("VARCHAR"), "original_event_id": Leaf("VARCHAR")})), MARK_FAMILY
)


class Duplicates:
    """What is known of the latest `count` events, over the whole life of the loader."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._horizon: str | None = None
        self.latest = Latest(count)

    def remember_stored(self, connection: duckdb.DuckDBPyConnection) -> None:
        """The latest events of the table."""
        run = connection.execute
        (stored,) = run(f"SELECT count(*) FROM {_EVENTS}").fetchone() or (0,)
        latest = f"(SELECT load_tstamp FROM {_EVENTS} ORDER BY load_tstamp DESC LIMIT {self._count})"
        table = _EVENTS if stored <= self._count else latest
        (self._horizon,) = run(f"SELECT min(load_tstamp)::VARCHAR FROM {table}").fetchone() or (None,)
        if self._horizon is None:
            return
        since = f"load_tstamp >= TIMESTAMPTZ '{self._horizon}'"
        ids = f"SELECT {ID_KEY_SQL.format(id='event_id')} AS key FROM {_EVENTS} WHERE {since}"
        key = PAIR_KEY_SQL.format(id="event_id", fingerprint="event_fingerprint")
        pairs = f"SELECT {key} AS key FROM {_EVENTS} WHERE {since} AND event_fingerprint IS NOT NULL"
        self.latest.remember(run(ids).fetchnumpy()["key"], run(pairs).fetchnumpy()["key"])

    def remember(self, rows: Sequence[Encoded], load_tstamp: str) -> None:
        """These were committed."""
        self.latest.remember_rows(rows)
        if self._horizon and load_tstamp < self._horizon:  # a clock set back, or a back-fill that names its own time
            self._horizon = f"{load_tstamp}+00"

    def using(self, connection: duckdb.DuckDBPyConnection, reader: RowReader, columns: dict[str, Column]) -> "Comparison":
        return Comparison(self.latest, self._horizon, connection, reader, columns)


class Comparison:
    """One batch against the table, inside the caller's transaction. `columns`: the table's, after the batch's changes."""

    def __init__(
        self,
        latest: Latest,
        horizon: str | None,
        connection: duckdb.DuckDBPyConnection,
        reader: RowReader,
        columns: Mapping[str, Column],
    ) -> None:
        self._latest = latest
        self._horizon = horizon
        self._run = connection.execute
        self._reader = reader
        self._columns = columns

    def new_events(self, batch: Batch, apply: Callable[[Change], None]) -> list[Encoded]:
        """Without those the table has already; those that share an id with other content are marked."""
        told = self._latest.told_apart(batch.rows, self._stored_already)
        if told.sharing and self._can_mark(apply):
            batch.names.add(MARK_COLUMN)
            for at in told.sharing:
                told.rows[at] = marked(told.rows[at])
        return told.rows

    def not_landed(self, failed: Sequence[Row], load_tstamp: str, tally: Tally) -> list[Row]:
        """Failures without those of events that have landed before (same id and fingerprint)."""
        tally.count("twins", [failure_cell(row, load_tstamp) for row in failed if is_typed(row)])
        complete = [row for row in failed if row.get("event_fingerprint") and row.get("event_id")]
        if not complete:
            return list(failed)
        landed = self._latest.landed([(row["event_id"], row["event_fingerprint"]) for row in complete])
        gone = {id(row) for row, known in zip(complete, landed, strict=True) if known}
        tally.dropped([failure_cell(row, load_tstamp) for row in failed if id(row) in gone and not is_typed(row)])
        return [row for row in failed if id(row) not in gone]

    def _can_mark(self, apply: Callable[[Change], None]) -> bool:
        if MARK_COLUMN not in self._columns:
            apply(_MARK)
        return self._columns[MARK_COLUMN].family == MARK_FAMILY

    def _stored_already(self, suspects: list[Encoded]) -> set[int]:
        """`id()` of the rows that are in the table, compared by DuckDB after casting."""
        self._run(f"CREATE OR REPLACE TEMP TABLE suspects AS SELECT *, 0 AS suspect FROM {_EVENTS} LIMIT 0")
        numbered = [{**orjson.loads(row.data), "suspect": number} for number, row in enumerate(suspects)]
        shapes = {name: column.shape for name, column in self._columns.items()}
        names, select = self._reader.select(numbered, {**shapes, "suspect": ATOMIC_SHAPES["txn_id"]})
        self._run(f"INSERT INTO suspects ({', '.join(map(identifier, names))}) {select()}")
        condition = same_event_sql("s", "e", [identifier(name) for name in self._columns if name not in VOLATILE])
        since = f"AND e.load_tstamp >= TIMESTAMPTZ '{self._horizon}'" if self._horizon else ""
        found = self._run(f"SELECT DISTINCT s.suspect FROM suspects s JOIN {_EVENTS} e ON {condition} {since}").fetchall()
        return {id(suspects[number]) for (number,) in found}
