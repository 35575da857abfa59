"""The table `failed_events`: one row a failure. A row that tells of a known failure replaces it, a landed event removes it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import duckdb

from loader.failed_events import JSON_COLUMNS, OWN_COLUMNS, is_typed, joined
from loader.ledger import Cell, Tally, failure_cell
from loader.warehouses.ducklake_ledger import cell_text
from loader.warehouses.ducklake_rows import RowReader
from loader.warehouses.ducklake_types import ATOMIC_SHAPES, identifier, type_text
from loader.warehouses.protocol import Encoded, Leaf, Row, Shape

FAILED = "failed_events"
_SHAPES: dict[str, Shape] = {
    **{name: Leaf(kind) for name, kind in OWN_COLUMNS.items()},
    **ATOMIC_SHAPES,
    **{name: Leaf("JSON") for name in JSON_COLUMNS},
}
_KEY_SHAPES = {name: _SHAPES[name] for name in ("failure_key", "event_id", "event_fingerprint")}


class _Known(NamedTuple):
    key: str
    event_id: str | None
    fingerprint: str | None
    typed: bool
    """Known from its `failed` line alone."""
    stage: str
    attempts: int
    cell: Cell

    @property
    def event(self) -> tuple[str | None, str | None]:
        return self.event_id, self.fingerprint


class FailedTable:
    """Its methods run inside the caller's transaction."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, reader: RowReader) -> None:
        self._run = connection.execute
        self._reader = reader
        columns = ", ".join(f"{identifier(name)} {type_text(shape)}" for name, shape in _SHAPES.items())
        self._run(f"CREATE TABLE IF NOT EXISTS {FAILED} ({columns})")
        found = self._run(f"SELECT count(*) FROM {FAILED}").fetchone()
        self._maybe_any = bool(found and found[0])
        self._adding = False

    def upsert(self, rows: Sequence[Row], load_tstamp: str, tally: Tally) -> int:
        """Number of failures that are new."""
        told = Counter(row["failure_key"] for row in rows if not is_typed(row))
        incoming = joined(rows)
        known = self._known(incoming) if incoming and self._maybe_any else []
        replaced: set[str] = set()
        stored = [row for row in incoming if _reconcile(row, known, replaced)]
        self._delete(replaced)
        _count(stored, told, [row for row in known if row.key in replaced], load_tstamp, tally)
        if stored:
            names, select = self._reader.select(stored, _SHAPES)
            targets = ", ".join(map(identifier, (*names, "load_tstamp")))
            now = f"TIMESTAMPTZ '{load_tstamp}+00'"
            self._run(f"INSERT INTO {FAILED} ({targets}) {select(now)}")
        self._adding = bool(stored)
        return len(stored) - len(replaced)

    def remove_landed(self, rows: Sequence[Encoded], tally: Tally) -> int:
        """Removes failures of these events: same id, and same fingerprint where both have one."""
        if not rows or not (self._maybe_any or self._adding):
            return 0
        landed = {row.event_id: row.fingerprint for row in rows}
        found = self._known([{"event_id": event_id} for event_id in landed])
        gone = {row.key for row in found if _one_event(row.fingerprint, landed[row.event_id or ""])}
        self._delete(gone)
        tally.count("recovered", [row.cell for row in found if row.key in gone])
        return len(gone)

    def remove_replayed(self, replayed: Sequence[tuple[str, int]], tally: Tally) -> None:
        """Removes failed payloads that were sent again; one whose attempts have grown since has failed again, and stays."""
        if replayed and self._maybe_any:
            known = self._known([{"failure_key": key} for key, _ in replayed])
            attempts = {row.key: row.attempts for row in known}
            gone = {key for key, count in replayed if attempts.get(key) == count}
            self._delete(gone)
            tally.count("recovered", [row.cell for row in known if row.key in gone])

    def stored(self) -> None:
        """The transaction was committed."""
        self._maybe_any = self._maybe_any or self._adding

    def _known(self, rows: Sequence[Row]) -> list[_Known]:
        """What the table has under the keys or event ids of these rows."""
        keys = [{name: row[name] for name in _KEY_SHAPES if name in row} for row in rows]
        names, select = self._reader.select(keys, _KEY_SHAPES)
        self._run(f"CREATE OR REPLACE TEMP TABLE wanted AS {select()}")
        match = " OR ".join(f"{name} IN (SELECT {name} FROM wanted)" for name in names if name != "event_fingerprint")
        columns = f"failure_key, event_id, event_fingerprint, kind IS NULL, stage, attempts, {cell_text(FAILED)}"
        query = f"SELECT {columns} FROM {FAILED} WHERE {match}"
        return [_Known._make((*row[:6], row[6:])) for row in self._run(query).fetchall()]

    def _delete(self, keys: set[str]) -> None:
        if keys:
            _, select = self._reader.select([{"failure_key": key} for key in keys], _KEY_SHAPES)
            self._run(f"CREATE OR REPLACE TEMP TABLE unwanted AS {select()}")
            self._run(f"DELETE FROM {FAILED} WHERE failure_key IN (SELECT failure_key FROM unwanted)")


def _count(stored: Sequence[Row], told: Mapping[str, int], replaced: Sequence[_Known], load_tstamp: str, tally: Tally) -> None:
    """`told`: by how many records of the batch, for each failure that is not a `failed` line."""
    for row in stored:
        cell = failure_cell(row, load_tstamp)
        if is_typed(row):
            tally.count("incomplete", [cell])
        else:
            tally.failed(cell, told[row["failure_key"]])
    tally.count("completed", [row.cell for row in replaced if row.typed])
    tally.count("replaced", [row.cell for row in replaced if not row.typed])


def _one_event(failed: str | None, landed: str | None) -> bool:
    """Whether fingerprints of events with one id allow them to be the same event."""
    return failed is None or landed is None or failed == landed


def _reconcile(row: Row, known: Sequence[_Known], replaced: set[str]) -> bool:
    """Whether the row is to be stored; notes which stored ones it replaces."""
    event = row.get("event_id"), row.get("event_fingerprint")
    twins = [other for other in known if other.event_id is not None and other.event == event]
    if is_typed(row):
        return not twins
    for other in known:
        moved_on = other in twins and row.get("event_fingerprint") is None and other.stage != row["stage"]
        if not other.typed and (other.key == row["failure_key"] or moved_on):
            row["attempts"] += other.attempts
            replaced.add(other.key)
    replaced.update(other.key for other in twins if other.typed)
    return True
