"""`failed_events` in BigQuery: one row a failure, as in the embedded warehouse, kept as a log of changes.

What is there already is known without asking: keys of the latest failures are in memory, read once at the start.
"""

import logging
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from backbone import jsontext
from backbone.event import JSON_COLUMNS
from loader.failed_events import OWN_COLUMNS, is_typed, joined
from loader.known_failures import Known, one_event, reconcile
from loader.ledger import Tally, failure_cell
from loader.replay_messages import Mark
from loader.warehouses.bigquery_atomic import ATOMIC_SHAPES
from loader.warehouses.bigquery_client import Session
from loader.warehouses.bigquery_log import Log
from loader.warehouses.bigquery_proto import micros_of, moment_text
from loader.warehouses.protocol import Batch, Change, Encoded, Leaf, ListOf, Record, Row, Shape

log = logging.getLogger("snowmelt.loader")

FAILED = "failed_events"
_TYPES = {"VARCHAR": "STRING", "BIGINT": "INT64", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP"}
_SHAPES: dict[str, Shape] = {
    **{name: Leaf(_TYPES[kind]) for name, kind in OWN_COLUMNS.items()},
    **ATOMIC_SHAPES,
    **{name: Leaf("JSON") for name in JSON_COLUMNS},
}
_MOST_KNOWN = 300_000
"""Failures whose keys are in memory. Older ones stay as they are: their event may land, but their row does not go."""
_PATIENCE = 1.0
"""Seconds a batch waits for new columns of failed events."""
_RECENT = 1_000
"""Rows kept whole, to be joined with their other half without asking."""


class FailedLog:
    def __init__(self, session: Session) -> None:
        self.log = Log(session, FAILED, "failure_key", _SHAPES, "load_tstamp")
        self._session = session
        self._known: dict[str, Known] = {}
        self._by_event: dict[str, set[str]] = {}
        self._recent: OrderedDict[str, Row] = OrderedDict()
        self._gone: set[str] = set()
        self._added: list[Known] = []
        self._rows_added: list[Row] = []
        table = self.log.table
        table.evolve([Change((name,), shape) for name, shape in _SHAPES.items() if name not in table.columns])

    def read(self) -> None:
        """After `undo`: what the table holds."""
        self._known, self._by_event = {}, {}
        self._recent.clear()
        columns = (
            "failure_key, event_id, event_fingerprint, kind IS NULL, stage, attempts, app_id, "
            "UNIX_MICROS(COALESCE(collector_tstamp, failed_tstamp, load_tstamp))"
        )
        query = f"SELECT {columns} FROM {self.log.view} ORDER BY load_tstamp DESC LIMIT {_MOST_KNOWN}"
        for key, event_id, fingerprint, typed, stage, attempts, app_id, collected in reversed(self._session.query(query)):
            cell = moment_text(collected)[:13], app_id or ""
            self._learn(Known(key, event_id, fingerprint, typed, stage, attempts, cell))
        self._begin()

    def evolve(self, changes: Sequence[Change]) -> None:
        self.log.table.evolve(changes)

    def upsert(self, rows: Sequence[Row], load_tstamp: str, tally: Tally) -> int:
        """Number of failures that are new."""
        told = Counter(row["failure_key"] for row in rows if not is_typed(row))
        incoming = joined(rows)
        known = self._known_for(incoming)
        replaced: set[str] = set()
        reconciled = [stored for row in incoming if (stored := reconcile(row, known, replaced)) is not None]
        partners = self._rows([row["partner"] for row in reconciled if "partner" in row])
        completing = {row["partner"] for row in reconciled if "partner" in row and is_typed(row)}
        whole_rows: list[Row] = []
        for row in reconciled:
            whole = _merged(row, partners.get(row.get("partner", ""), {}))
            cell = failure_cell(whole, load_tstamp)
            if is_typed(row):
                tally.count("incomplete", [cell])
            else:
                tally.failed(cell, told[row["failure_key"]])
            whole_rows.append(whole)
            self._added.append(_known(whole, load_tstamp))
        gone = [row for row in known if row.key in replaced]
        tally.count("completed", [row.cell for row in gone if row.typed or row.key in completing])
        tally.count("replaced", [row.cell for row in gone if not row.typed and row.key not in completing])
        self._remove(replaced, load_tstamp)
        self._rows_added = [{**row, "load_tstamp": load_tstamp} for row in whole_rows]
        self.log.put(self._written(self._rows_added))
        return len(reconciled) - len(replaced)

    def remove_landed(self, rows: Sequence[Encoded], load_tstamp: str, tally: Tally) -> int:
        """Removes failures of these events: same id, and same fingerprint where both have one."""
        gone = []
        for row in rows:
            for other in self._of_event(row.event_id):
                if one_event(other.fingerprint, row.fingerprint):
                    gone.append(other)
        return self._recovered(gone, load_tstamp, tally)

    def remove_parked(self, keys: Iterable[str], load_tstamp: str, tally: Tally) -> int:
        """Their events wait now."""
        return self._recovered([self._known[key] for key in keys if key in self._known], load_tstamp, tally)

    def remove_replayed(self, replayed: Sequence[tuple[str, int]], load_tstamp: str, tally: Tally) -> None:
        """Removes failed payloads that were sent again; one whose attempts have grown since has failed again, and stays."""
        gone = [known for key, count in replayed if (known := self._known.get(key)) is not None and known.attempts == count]
        self._recovered(gone, load_tstamp, tally)

    def knows(self, batch: Batch) -> bool:
        """Whether storing the batch may change failures that are there."""
        if not self._known:
            return False
        told = [row["failure_key"] for row in batch.failed] + [
            message.failure_key for message in batch.replayed if isinstance(message, Mark)
        ]
        parked = [waiting.failure_key for waiting in batch.waiting]
        events = {row.event_id for row in batch.rows} | {row.get("event_id") for row in batch.failed}
        return not self._known.keys().isdisjoint((*told, *parked)) or not self._by_event.keys().isdisjoint(events)

    def is_known(self, key: str) -> bool:
        """With its reason."""
        known = self._known.get(key)
        return known is not None and not known.typed and key not in self._gone

    def stored(self) -> None:
        """The batch is noted as stored."""
        for key in self._gone:
            known = self._known.pop(key, None)
            self._recent.pop(key, None)
            if known is not None and known.event_id is not None:
                self._by_event.get(known.event_id, set()).discard(key)
        for known in self._added:
            self._learn(known)
        for row in self._rows_added:
            self._recent[row["failure_key"]] = row
        while len(self._recent) > _RECENT:
            self._recent.popitem(last=False)
        self._begin()

    def forget(self) -> None:
        self.log.forget()
        self._begin()

    def _begin(self) -> None:
        """Of a batch."""
        self._gone = set()
        self._added = []
        self._rows_added = []

    def _learn(self, known: Known) -> None:
        if len(self._known) >= _MOST_KNOWN and known.key not in self._known:
            oldest = next(iter(self._known))
            forgotten = self._known.pop(oldest)
            if forgotten.event_id is not None:
                self._by_event.get(forgotten.event_id, set()).discard(oldest)
        self._known[known.key] = known
        if known.event_id is not None:
            self._by_event.setdefault(known.event_id, set()).add(known.key)

    def _of_event(self, event_id: str) -> list[Known]:
        """As it will be after this batch, so far."""
        stored = [self._known[key] for key in self._by_event.get(event_id, ()) if key not in self._gone]
        return stored + [known for known in self._added if known.event_id == event_id]

    def _known_for(self, rows: Sequence[Row]) -> list[Known]:
        keys = {row["failure_key"] for row in rows}
        for row in rows:
            keys |= self._by_event.get(row.get("event_id") or "", set())
        return [self._known[key] for key in sorted(keys) if key in self._known and key not in self._gone]

    def _recovered(self, gone: Sequence[Known], load_tstamp: str, tally: Tally) -> int:
        keys = {known.key for known in gone}
        tally.count("recovered", [known.cell for known in {known.key: known for known in gone}.values()])
        self._remove(keys, load_tstamp)
        self._added = [known for known in self._added if known.key not in keys]
        return len(keys)

    def _remove(self, keys: set[str], load_tstamp: str) -> None:
        self._gone |= keys
        self.log.remove(keys, load_tstamp=load_tstamp)

    def _written(self, rows: Sequence[Row]) -> list[Row]:
        """Without what cannot be written yet; the JSON columns have it in any case."""
        names = frozenset().union(*rows) - _SHAPES.keys()
        pending = names & {path[0] for path in self.log.table.pending(0.0)}
        if pending:
            pending = names & {path[0] for path in self.log.table.pending(_PATIENCE)}
        return [{name: value for name, value in row.items() if name not in pending} for row in rows] if pending else list(rows)

    def _rows(self, keys: Sequence[str]) -> dict[str, Row]:
        """Whole, as they are stored."""
        found = {key: self._recent[key] for key in keys if key in self._recent}
        absent = [key for key in keys if key not in found]
        if absent:
            shapes = self.log.table.shapes()
            for row in self._session.query(f"SELECT * FROM {self.log.view} WHERE failure_key IN UNNEST(@keys)", keys=absent):
                values = {name.lower(): value for name, value in row.items()}
                found[values["failure_key"]] = {
                    name: _stored(value, shapes[name]) for name, value in values.items() if value is not None and value != []
                }
        return found

    def reduce(self, batch: Batch) -> bool:
        """Takes from rows what BigQuery may refuse: typed columns, then all but text. False if there was nothing to take."""
        text = {name for name, shape in _SHAPES.items() if shape == Leaf("STRING")} | {*JSON_COLUMNS, "attempts"}
        for names in (_SHAPES.keys(), text):
            if any(row.keys() - names for row in batch.failed):
                batch.failed[:] = [{name: value for name, value in row.items() if name in names} for row in batch.failed]
                return True
        return False


def _merged(row: Row, partner: Mapping[str, Any]) -> Row:
    """`yields`: what the table has counts first."""
    arriving = {name: value for name, value in row.items() if name not in ("partner", "yields")}
    return {**arriving, **partner} if row.get("yields") else {**partner, **arriving}


def _known(row: Row, load_tstamp: str) -> Known:
    cell = failure_cell(row, load_tstamp)
    return Known(
        row["failure_key"], row.get("event_id"), row.get("event_fingerprint"), is_typed(row), row["stage"], row["attempts"], cell
    )


def _stored(value: Any, shape: Shape) -> Any:
    """A column's value as rows that arrive have it: times as text. Inside records they are numbers, as they are written."""
    return value.isoformat(sep=" ") if isinstance(value, datetime) else _written(value, shape)


def _written(value: Any, shape: Shape) -> Any:
    """A value as the client gives it, in the form in which rows are written."""
    if isinstance(shape, ListOf):
        return [_written(item, shape.element) for item in value]
    if isinstance(shape, Record):
        return {name: _written(value[name], inner) for name, inner in shape.fields.items() if value.get(name) is not None}
    if isinstance(value, datetime):
        return micros_of(value.isoformat())
    if isinstance(value, date):
        return (value - date(1970, 1, 1)).days
    if isinstance(value, Decimal):
        return format(value, "f")
    return value if shape.type != "JSON" or type(value) is str else jsontext.dumps(value, exact=False)
