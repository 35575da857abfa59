"""`waiting_events` in BigQuery: events whose schema is missing, each with its line, kept as a log of changes."""

from collections.abc import Collection
from typing import NamedTuple

from loader.ledger import Cell, Tally, event_cell
from loader.warehouses.bigquery_atomic import ATOMIC_SHAPES
from loader.warehouses.bigquery_client import BigQueryUnavailable, Session
from loader.warehouses.bigquery_log import Log
from loader.warehouses.bigquery_proto import moment_text
from loader.warehouses.protocol import WAITING_COLUMNS, Batch, Leaf, Row, Shape, Waited, Waiting

WAITING = "waiting_events"
_SHAPES: dict[str, Shape] = {
    "schema": Leaf("STRING"),
    "why": Leaf("STRING"),
    "first_waited": Leaf("TIMESTAMP"),
    **{name: ATOMIC_SHAPES[name] for name in WAITING_COLUMNS},
    "bytes": Leaf("INT64"),
    "line": Leaf("STRING"),
    "number": Leaf("INT64"),
}


class _About(NamedTuple):
    schema: str
    size: int
    since: str
    cell: Cell


class WaitingLog:
    """Of every waiting event all but its line is in memory."""

    def __init__(self, session: Session) -> None:
        self.log = Log(session, WAITING, "number", _SHAPES)
        self._session = session
        self._about: dict[int, _About] = {}
        self._new: dict[int, _About] = {}
        self.waited: dict[str, Waited] = {}

    def read(self) -> None:
        """After `undo`: what the table holds."""
        columns = "number, schema, bytes, UNIX_MICROS(first_waited), UNIX_MICROS(collector_tstamp), app_id"
        found = self._session.query(f"SELECT {columns} FROM {self.log.view}")
        self._about = {
            number: _About(schema, size, moment_text(since), (moment_text(collected)[:13], app_id or ""))
            for number, schema, size, since, collected, app_id in found
        }
        self._sum()

    def settle(self, batch: Batch, change: int, tally: Tally) -> None:
        """Removes what the batch was made of, adds what is to wait; `change`: numbers are given from here on."""
        tally.unparked([self._about[number].cell for number in batch.taken if number in self._about])
        self.log.remove(set(batch.taken))
        tally.parked([event_cell(waiting.columns) for waiting in batch.waiting])
        rows = [_row(waiting, number) for number, waiting in enumerate(batch.waiting, change)]
        self._new = {
            row["number"]: _About(row["schema"], row["bytes"], row["first_waited"], event_cell(waiting.columns))
            for row, waiting in zip(rows, batch.waiting, strict=True)
        }
        self.log.put(rows)

    def check(self, batch: Batch) -> None:
        """Raises BigQueryUnavailable when events that it is made of were taken away meanwhile: it is made anew, without them."""
        if any(number not in self._about for number in batch.taken):
            raise BigQueryUnavailable("events that waited were erased meanwhile")

    def stored(self, batch: Batch) -> tuple[int, int]:
        """The batch is noted as stored: (events that wait since then, events that wait no longer)."""
        for number in batch.taken:
            self._about.pop(number, None)
        self._about.update(self._new)
        self._new = {}
        if batch.waiting or batch.taken:
            self._sum()
        new = sum(waiting.number is None for waiting in batch.waiting)
        return new, len(batch.taken) - (len(batch.waiting) - new)

    def forget(self) -> None:
        self._new = {}
        self.log.forget()

    def take(self, schema: str, before: str | None, limit: int, max_bytes: int) -> list[Waiting]:
        """The oldest that wait for the schema, without removing them; at least one if there is any."""
        while numbers := self._oldest(schema, before, limit, max_bytes):
            query = (
                f"SELECT number, why, line FROM {self.log.view} WHERE number >= @first AND number <= @last AND schema = @schema"
            )
            found = self._session.query(query, first=numbers[0], last=numbers[-1], schema=schema)
            lines = {number: (why, line) for number, why, line in found}
            self._forget_erased(numbers, lines.keys())
            there = [number for number in numbers if number in lines]
            if there:
                return [
                    Waiting(schema, lines[number][0], self._about[number].since, lines[number][1], {}, None, number)
                    for number in there
                ]
        return []

    def _oldest(self, schema: str, before: str | None, limit: int, max_bytes: int) -> list[int]:
        numbers: list[int] = []
        for number in sorted(self._about):
            about = self._about[number]
            if about.schema != schema or (before is not None and about.since >= before):
                continue
            max_bytes -= about.size
            if numbers and (max_bytes < 0 or len(numbers) >= limit):
                break
            numbers.append(number)
        return numbers

    def _forget_erased(self, numbers: Collection[int], there: Collection[int]) -> None:
        """Somebody else has taken rows away."""
        gone = [number for number in numbers if number not in there]
        for number in gone:
            del self._about[number]
        if gone:
            self._sum()

    def _sum(self) -> None:
        self.waited = {}
        for about in self._about.values():
            before = self.waited.get(about.schema, Waited(0, 0, about.since))
            self.waited[about.schema] = Waited(before.events + 1, before.bytes + about.size, min(before.since, about.since))


def _row(waiting: Waiting, number: int) -> Row:
    return {
        **waiting.columns,
        "schema": waiting.schema,
        "why": waiting.why,
        "first_waited": waiting.first_waited,
        "bytes": len(waiting.line.encode()),
        "line": waiting.line,
        "number": number,
    }
