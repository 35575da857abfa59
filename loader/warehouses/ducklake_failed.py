"""The table `failed_events`: one row a failure. A row that tells of a known failure replaces it, a landed event removes it."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import duckdb

from backbone.event import JSON_COLUMNS
from loader.evolve import follow
from loader.failed_events import OWN_COLUMNS, is_typed, joined
from loader.known_failures import Known, one_event, reconcile
from loader.ledger import Cell, Tally, failure_cell
from loader.warehouses.ducklake_columns import alter, read_columns, shapes
from loader.warehouses.ducklake_ledger import cell_text
from loader.warehouses.ducklake_rows import RowReader, encode
from loader.warehouses.ducklake_types import ATOMIC_SHAPES, identifier, type_text
from loader.warehouses.protocol import Batch, Change, Encoded, Leaf, Row, Shape

FAILED = "failed_events"
_SHAPES: dict[str, Shape] = {
    **{name: Leaf(kind) for name, kind in OWN_COLUMNS.items()},
    **ATOMIC_SHAPES,
    **{name: Leaf("JSON") for name in JSON_COLUMNS},
}
_KEY_SHAPES = {name: _SHAPES[name] for name in ("failure_key", "event_id", "event_fingerprint")}
_TEXT = {name for name, shape in _SHAPES.items() if shape == Leaf("VARCHAR")}
_MERGE: dict[str, Shape] = {"partner": Leaf("VARCHAR"), "yields": Leaf("BOOLEAN")}


class FailedTable:
    """Its methods run inside the caller's transaction."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, reader: RowReader) -> None:
        self._connection = connection
        self._run = connection.execute
        self._reader = reader
        columns = ", ".join(f"{identifier(name)} {type_text(shape)}" for name, shape in _SHAPES.items())
        self._run(f"CREATE TABLE IF NOT EXISTS {FAILED} ({columns})")
        self.columns = read_columns(connection, FAILED)
        """Those that are committed."""
        for name in _SHAPES.keys() - self.columns.keys():
            alter(connection, FAILED, Change((name,), _SHAPES[name]), self.columns)
        self._altered = self.columns
        found = self._run(f"SELECT count(*) FROM {FAILED}").fetchone()
        self._maybe_any = bool(found and found[0])
        self._adding = False

    def evolve(self, changes: Sequence[Change]) -> None:
        """To be called first in every transaction."""
        self._altered = dict(self.columns)
        for change in changes:
            alter(self._connection, FAILED, change, self._altered)

    def upsert(self, rows: Sequence[Row], load_tstamp: str, tally: Tally) -> int:
        """Number of failures that are new."""
        told = Counter(row["failure_key"] for row in rows if not is_typed(row))
        incoming = joined(rows)
        known = self._known(incoming) if incoming and self._maybe_any else []
        replaced: set[str] = set()
        reconciled = [stored for row in incoming if (stored := reconcile(row, known, replaced)) is not None]
        now = f"TIMESTAMPTZ '{load_tstamp}+00'"
        merging = [row for row in reconciled if "partner" in row]
        if merging:
            self._merge(merging, now)
        self._count(reconciled, told, [row for row in known if row.key in replaced], load_tstamp, tally)
        self._delete(replaced)
        if merging:
            self._run(f"INSERT INTO {FAILED} BY NAME SELECT * EXCLUDE (partner) FROM merged")
        new = [row for row in reconciled if "partner" not in row]
        if new:
            names, select = self._reader.select(new, shapes(self._altered))
            targets = ", ".join(map(identifier, (*names, "load_tstamp")))
            self._run(f"INSERT INTO {FAILED} ({targets}) {select(now)}")
        self._adding = bool(reconciled)
        return len(reconciled) - len(replaced)

    def remove_landed(self, rows: Sequence[Encoded], tally: Tally) -> int:
        """Removes failures of these events: same id, and same fingerprint where both have one."""
        if not rows or not (self._maybe_any or self._adding):
            return 0
        landed = {row.event_id: row.fingerprint for row in rows}
        found = self._known([{"event_id": event_id} for event_id in landed])
        gone = {row.key for row in found if one_event(row.fingerprint, landed[row.event_id or ""])}
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
        self.columns = self._altered
        self._maybe_any = self._maybe_any or self._adding

    def reduce_refused(self, batch: Batch) -> bool:
        """Takes from rows that DuckDB refuses what it may refuse: typed columns, then all but text. False if there are none."""
        columns = dict(self.columns)
        for change in batch.failed_changes:
            follow(columns, change)
        kept: Sequence[Collection[str]] = (_SHAPES.keys(), _TEXT | set(JSON_COLUMNS) | {"attempts"})
        reduced = False
        for names in kept:
            refused = self._reader.refused(list(map(encode, batch.failed)), set().union(*batch.failed), shapes(columns))
            for at, _ in refused:
                batch.failed[at] = {name: value for name, value in batch.failed[at].items() if name in names}
            reduced = reduced or bool(refused)
        return reduced

    def _merge(self, rows: Sequence[Row], now: str) -> None:
        """Into the temporary table `merged`: each row and its partner in the table, each completed by the other."""
        names, select = self._reader.select(rows, {**shapes(self._altered), **_MERGE})
        names = [*names, "load_tstamp"]
        merged = ", ".join(_merged(name, name in names) for name in self._altered)
        join = f"({select(now)}) AS a({', '.join(map(identifier, names))}) JOIN {FAILED} t ON t.failure_key = a.partner"
        self._run(f"CREATE OR REPLACE TEMP TABLE merged AS SELECT {merged}, a.partner FROM {join}")

    def _count(
        self, stored: Sequence[Row], told: Mapping[str, int], replaced: Sequence[Known], load_tstamp: str, tally: Tally
    ) -> None:
        """`told`: by how many records of the batch, for each failure that is not a `failed` line."""
        merged = self._merged_cells() if any("partner" in row for row in stored) else {}
        completing = {row["partner"] for row in stored if "partner" in row and is_typed(row)}
        for row in stored:
            cell = merged.get(row.get("partner", "")) or failure_cell(row, load_tstamp)
            if is_typed(row):
                tally.count("incomplete", [cell])
            else:
                tally.failed(cell, told[row["failure_key"]])
        tally.count("completed", [row.cell for row in replaced if row.typed or row.key in completing])
        tally.count("replaced", [row.cell for row in replaced if not row.typed and row.key not in completing])

    def _merged_cells(self) -> dict[str, Cell]:
        """By the key of the row in the table."""
        query = f"SELECT partner, {cell_text(FAILED)} FROM merged"
        return {partner: (hour, app) for partner, hour, app in self._run(query).fetchall()}

    def _known(self, rows: Sequence[Row]) -> list[Known]:
        """What the table has under the keys or event ids of these rows."""
        keys = [{name: row[name] for name in _KEY_SHAPES if name in row} for row in rows]
        names, select = self._reader.select(keys, _KEY_SHAPES)
        self._run(f"CREATE OR REPLACE TEMP TABLE wanted AS {select()}")
        match = " OR ".join(f"{name} IN (SELECT {name} FROM wanted)" for name in names if name != "event_fingerprint")
        columns = f"failure_key, event_id, event_fingerprint, kind IS NULL, stage, attempts, {cell_text(FAILED)}"
        query = f"SELECT {columns} FROM {FAILED} WHERE {match}"
        return [Known._make((*row[:6], row[6:])) for row in self._run(query).fetchall()]

    def _delete(self, keys: set[str]) -> None:
        if keys:
            _, select = self._reader.select([{"failure_key": key} for key in keys], _KEY_SHAPES)
            self._run(f"CREATE OR REPLACE TEMP TABLE unwanted AS {select()}")
            self._run(f"DELETE FROM {FAILED} WHERE failure_key IN (SELECT failure_key FROM unwanted)")


def _merged(name: str, arrives: bool) -> str:
    """`a.yields`: what the table has counts first."""
    column = identifier(name)
    if not arrives:
        return f"t.{column}"
    return f"CASE WHEN a.yields THEN coalesce(t.{column}, a.{column}) ELSE coalesce(a.{column}, t.{column}) END AS {column}"
