"""Which failed events a replay takes: its filters, and the rows they select, ordered so that a replay can be resumed."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from backbone.errors import ConfigurationError, Fault
from loader import replay_predicate
from loader.warehouses.ducklake_catalog import open_reader

_ROWS_AT_ONCE = 500
_COLUMNS = "failure_key, event_id, stage, kind, schema, reason, attempts, original, enriched_line"


class Failure(NamedTuple):
    """A row of `failed_events`, as far as a replay needs it."""

    key: str
    event_id: str | None
    stage: str | None
    kind: str | None
    schema: str | None
    reason: str | None
    attempts: int
    original: str | None
    enriched_line: str | None


@dataclass(frozen=True, slots=True)
class Selection:
    """All that are given must be true; none: every failed event.

    `since`: failed then or later; `until`: failed before. `schema`: URI of the schema at fault, or its beginning. `reason`: a
    kind of failure, or words of the reason. `kind`: exactly that kind. `where`: a condition in SQL. `limit`: no more than these.
    """

    since: datetime | None = None
    until: datetime | None = None
    schema: str | None = None
    reason: str | None = None
    kind: str | None = None
    app: str | None = None
    where: str | None = None
    limit: int | None = None

    def filters(self) -> dict[str, Any]:
        """Those that are given, as JSON; `from_filters` reads it back."""
        given: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if value is not None:
                given[item.name] = value.isoformat() if isinstance(value, datetime) else value
        return given


def from_filters(filters: dict[str, Any]) -> Selection:
    times: dict[str, Any] = {name: datetime.fromisoformat(filters[name]) for name in ("since", "until") if name in filters}
    return Selection(**(filters | times))


class Position(NamedTuple):
    """Where a replay stands. `after`, `taken`: the last key, and how many so far."""

    began: datetime | None = None
    """Of one that is resumed: what failed later is not its business. One that begins takes what there is when it looks."""
    after: str = ""
    taken: int = 0


class Selected:
    """The selected rows. Raises NoWarehouse, WarehouseUnavailable, and ConfigurationError for a condition that is none."""

    def __init__(self, folder: Path, selection: Selection) -> None:
        self.connection = open_reader(folder)
        self._selection = selection
        try:
            if selection.where is not None:
                replay_predicate.confine(self.connection, folder)
                replay_predicate.check(self.connection, selection.where)
        except BaseException:
            self.connection.close()
            raise

    def count(self, position: Position) -> int:
        condition, values = _condition(self._selection, position)
        row = self._run(f"SELECT count(*) FROM failed_events WHERE {condition}", values).fetchone()
        found = int(row[0]) if row else 0
        left = self._left(position)
        return found if left is None else min(found, left)

    def rows(self, position: Position) -> Iterator[Failure]:
        """As of now, ordered by key; the connection must not be used for anything else meanwhile."""
        condition, values = _condition(self._selection, position)
        left = self._left(position)
        limit = "" if left is None else f" LIMIT {left}"
        query = f"SELECT {_COLUMNS} FROM failed_events WHERE {condition} ORDER BY failure_key{limit}"
        cursor = self._run(query, values)
        while rows := self._fetched(cursor):
            for row in rows:
                yield Failure(*row)

    def positions(self) -> dict[str, int]:
        return dict(self.connection.execute("SELECT log, position FROM loader_positions").fetchall())

    def awaiting(self) -> set[str]:
        query = "SELECT failure_key FROM replayed_events JOIN failed_events USING (failure_key) WHERE sent_tstamp > load_tstamp"
        return self._noted(query)

    def sent_by(self, replay_id: str) -> set[str]:
        return self._noted("SELECT failure_key FROM replayed_events WHERE replay_id = ?", replay_id)

    def close(self) -> None:
        self.connection.close()

    def _noted(self, query: str, *values: str) -> set[str]:
        """Nothing before a loader of this version has run."""
        table = "SELECT 1 FROM duckdb_tables() WHERE database_name = 'lake' AND table_name = 'replayed_events'"
        if self.connection.execute(table).fetchone() is None:
            return set()
        return {key for (key,) in self.connection.execute(query, list(values)).fetchall()}

    def _left(self, position: Position) -> int | None:
        return left(self._selection, position)

    def _run(self, query: str, values: list[Any]) -> duckdb.DuckDBPyConnection:
        try:
            return self.connection.execute(query, values)
        except duckdb.Error as problem:
            raise self._explained(problem) from None

    def _fetched(self, cursor: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
        try:
            return cursor.fetchmany(_ROWS_AT_ONCE)
        except duckdb.Error as problem:
            raise self._explained(problem) from None

    def _explained(self, problem: duckdb.Error) -> Exception:
        """A condition that a row's data breaks, such as a cast: DuckDB would quote the data."""
        if self._selection.where is None or not isinstance(problem, duckdb.DataError | duckdb.InvalidInputException):
            return problem
        told = f"it fails on the data of a row ({type(problem).__name__}); try_cast gives null instead"
        return ConfigurationError([Fault("command line", "--where", told)])


def left(selection: Selection, position: Position) -> int | None:
    """How many may still be taken, if that is limited."""
    return None if selection.limit is None else max(0, selection.limit - position.taken)


def _condition(selection: Selection, position: Position) -> tuple[str, list[Any]]:
    """(SQL, values of its parameters)."""
    parts: list[tuple[str, list[Any]]] = [("true", [])]
    if position.began is not None:
        parts.append(("load_tstamp <= ?", [position.began]))
    if position.after:
        parts.append(("failure_key > ?", [position.after]))
    if selection.since is not None:
        parts.append(("coalesce(failed_tstamp, load_tstamp) >= ?", [selection.since]))
    if selection.until is not None:
        parts.append(("coalesce(failed_tstamp, load_tstamp) < ?", [selection.until]))
    if selection.schema is not None:
        parts.append(("starts_with(schema, ?)", [selection.schema]))
    if selection.reason is not None:
        parts.append(("(kind = ? OR contains(lower(reason), lower(?)))", [selection.reason, selection.reason]))
    if selection.kind is not None:
        parts.append(("kind = ?", [selection.kind]))
    if selection.app is not None:
        parts.append(("app_id = ?", [selection.app]))
    if selection.where is not None:
        parts.append((f"(\n{selection.where}\n)", []))
    return " AND ".join(sql for sql, _ in parts), [value for _, values in parts for value in values]
