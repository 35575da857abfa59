"""The table `waiting_events`: events whose schema is missing, each with its line, in the order in which they came."""

from collections.abc import Sequence
from datetime import UTC, datetime

import duckdb

from loader.ledger import Tally, event_cell
from loader.warehouses.ducklake_failed import FAILED
from loader.warehouses.ducklake_ledger import cells_of
from loader.warehouses.ducklake_rows import RowReader
from loader.warehouses.ducklake_types import ATOMIC_SHAPES, TIMESTAMP, identifier, type_text
from loader.warehouses.protocol import WAITING_COLUMNS, Batch, Leaf, Row, Shape, Waited, Waiting

WAITING = "waiting_events"
_SHAPES: dict[str, Shape] = {
    "schema": Leaf("VARCHAR"),
    "why": Leaf("VARCHAR"),
    "first_waited": TIMESTAMP,
    **{name: ATOMIC_SHAPES[name] for name in WAITING_COLUMNS},
    "bytes": Leaf("BIGINT"),
    "line": Leaf("VARCHAR"),
    "number": Leaf("BIGINT"),
}


class WaitingTable:
    """`waited`: what is in the table, by schema. `settle` runs inside the caller's transaction."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, reader: RowReader) -> None:
        self._connection = connection
        self._run = connection.execute
        self._reader = reader
        columns = ", ".join(f"{identifier(name)} {type_text(shape)}" for name, shape in _SHAPES.items())
        self._run(f"CREATE TABLE IF NOT EXISTS {WAITING} ({columns})")
        found = self._run(f"SELECT max(number) FROM {WAITING}").fetchone()
        self._last = (found[0] or 0) if found else 0
        self.waited = self._ask()

    def settle(self, batch: Batch, tally: Tally) -> int:
        """Removes what the batch was made of, adds what is to wait; returns how many rows of `failed_events` went for it."""
        if batch.taken:
            taken = cells_of(self._connection, WAITING, "number IN (SELECT unnest(?::BIGINT[]))", [batch.taken])
            tally.unparked(list(taken.elements()))
            self._run(f"DELETE FROM {WAITING} WHERE number IN (SELECT unnest(?::BIGINT[]))", [batch.taken])
        if not batch.waiting:
            return 0
        tally.parked([event_cell(waiting.columns) for waiting in batch.waiting])
        rows = [self._row(waiting, number) for number, waiting in enumerate(batch.waiting, self._last + 1)]
        names, select = self._reader.select(rows, _SHAPES)
        self._run(f"INSERT INTO {WAITING} ({', '.join(map(identifier, names))}) {select()}")
        keys = [waiting.failure_key for waiting in batch.waiting if waiting.failure_key is not None]
        if not keys:
            return 0
        gone = cells_of(self._connection, FAILED, "failure_key IN (SELECT unnest(?::VARCHAR[]))", [keys])
        if gone:
            self._run(f"DELETE FROM {FAILED} WHERE failure_key IN (SELECT unnest(?::VARCHAR[]))", [keys])
            tally.count("recovered", gone.elements())
        return gone.total()

    def stored(self, batch: Batch) -> tuple[int, int]:
        """The transaction was committed: (events that wait since then, events that wait no longer)."""
        if not batch.waiting and not batch.taken:
            return 0, 0
        self._last += len(batch.waiting)
        self.waited = self._ask()
        new = sum(waiting.number is None for waiting in batch.waiting)
        return new, len(batch.taken) - (len(batch.waiting) - new)

    def take(self, schema: str, before: str | None, limit: int, max_bytes: int) -> list[Waiting]:
        """The oldest that wait for the schema, without removing them; at least one if there is any."""
        since = "" if before is None else f" AND first_waited < TIMESTAMPTZ '{before}+00'"
        condition = f"schema = ?{since}"
        sizes = self._run(f"SELECT number, bytes FROM {WAITING} WHERE {condition} ORDER BY number LIMIT {limit}", [schema])
        last = _last_within(sizes.fetchall(), max_bytes)
        if last is None:
            self.look()
            return []
        query = (
            f"SELECT why, epoch_ms(first_waited), line, number FROM {WAITING} WHERE {condition} AND number <= ? ORDER BY number"
        )
        found = self._run(query, [schema, last]).fetchall()
        return [Waiting(schema, why, _moment(since), line, {}, None, number) for why, since, line, number in found]

    def look(self) -> None:
        """Somebody else has changed the table."""
        self.waited = self._ask()

    def _ask(self) -> dict[str, Waited]:
        query = f"SELECT schema, count(*), sum(bytes)::BIGINT, epoch_ms(min(first_waited)) FROM {WAITING} GROUP BY schema"
        return {schema: Waited(count, size, _moment(since)) for schema, count, size, since in self._run(query).fetchall()}

    def _row(self, waiting: Waiting, number: int) -> Row:
        return {
            **waiting.columns,
            "schema": waiting.schema,
            "why": waiting.why,
            "first_waited": waiting.first_waited,
            "bytes": len(waiting.line.encode()),
            "line": waiting.line,
            "number": number,
        }


def _last_within(sizes: Sequence[tuple[int, int]], max_bytes: int) -> int | None:
    """The number of the last row that still fits; the first one fits always."""
    last = None
    for number, size in sizes:
        max_bytes -= size
        if last is not None and max_bytes < 0:
            break
        last = number
    return last


def _moment(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{rest:03}"
