"""The lines of one file → rows. The whole file decides the columns, as one batch does.

It is read twice: first for the schemas in it, then in portions, each one transaction. A load that was broken off is begun
again: events that landed are recognised.
"""

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

from backbone.badrow import Processor, processor
from backbone.iglu.resolver import Resolver
from loader import badrows
from loader.batch import Batches, Limits
from loader.built import Built
from loader.criteria import LOAD_ALL, Choices
from loader.enriched import EnrichedEvent, Unreadable, parse
from loader.line_file import LineFile
from loader.preview import Preview
from loader.rows import Way, Ways, cast_event
from loader.settings import LoaderSettings
from loader.waiting import Parking
from loader.warehouses.protocol import Batch, Row, RowsRefused, Stored, Table, Warehouse

log = logging.getLogger("snowmelt.loader")

_CHUNK = 200
_PATIENCE = 60.0
"""Seconds that a portion of the file waits for registries behind HTTP."""


class Rules(NamedTuple):
    """Which columns there may be: as the settings say."""

    max_fields: int = 10_000
    choices: Choices = LOAD_ALL


class _Casting:
    """Rows for one table. `refusal`: why the table would not take a row, or None."""

    def __init__(self, batches: Batches, table: Table, refusal: Callable[[Row], str | None] = lambda row: None) -> None:
        self._batches = batches
        self._columns = dict(table.columns())
        self._refusal = refusal
        self._ways: Ways = {}
        self.encode = table.encode
        self.needed = Batch("")
        """Only its `changes`: what the table lacks."""

    def learn(self, events: Sequence[EnrichedEvent]) -> None:
        self._batches.extend(self._ways, events, self._columns, self.needed)

    def cast(self, event: EnrichedEvent, maker: Processor) -> tuple[Row, dict[str, Any] | None]:
        """(row, bad row). With a bad row, the row is of no use."""
        atomic = dict(event.row)  # casting makes the event's own row the whole one, and there may be two castings
        row, failures = cast_event(event, self._ways)
        event.row = atomic
        if failures:
            return row, badrows.iglu_error(maker, failures, event)
        reason = self._refusal(row)
        return row, badrows.runtime_error(maker, reason, event) if reason else None

    def lacking(self) -> list[str]:
        """Columns, and fields of columns the table has."""
        paths = [change.path for change in self.needed.changes]
        return [".".join(path) for path in paths if len(path) == 1 or path[:1] not in paths]

    def columns(self) -> set[str]:
        """Of all entities and self-describing events learnt."""
        created = {change.path[0] for change in self.needed.changes}
        return created | {way.column for way in self._ways.values() if isinstance(way, Way)}


@dataclass(slots=True)
class _Portion:
    built: Built
    told: list[bytes] = field(default_factory=list)
    """For the trace: `"row":{…}` or `"bad":{…}` of each line."""
    rows: list[int] = field(default_factory=list)
    """Which lines have a row."""

    def tell_bad(self, at: int, failed: Row) -> None:
        self.told[at] = b'"bad":' + failed["original"].encode()


class FileLoad:
    """`warehouse`: where rows land, None to land none. `preview`: what the trace shows, None for no trace; one of both is given.

    Methods raise TransientError; what landed before it stays.
    """

    def __init__(
        self, resolver: Resolver, warehouse: Warehouse | None, preview: Preview | None, load_tstamp: str, rules: Rules
    ) -> None:
        def batches(table: Table) -> Batches:
            return Batches(resolver, table, Limits(rules.max_fields, patience=_PATIENCE), rules.choices)

        self._warehouse = warehouse
        self._landing = _Casting(batches(warehouse), warehouse) if warehouse else None
        self._showing = _Casting(batches(preview), preview, preview.refusal) if preview else None
        self._castings = [casting for casting in (self._landing, self._showing) if casting]
        self._now = load_tstamp
        self._maker = processor("snowmelt-loader")
        self._shown: Row = {}
        self._lines = self._rows = 0
        self._stored = Stored(0, 0, 0, 0)
        self._new_columns: list[str] = []

    def learn(self, lines: LineFile) -> None:
        """Works out the columns."""
        for chunk in lines.portions(_CHUNK, sys.maxsize):
            self._learn([found for found in map(parse, chunk) if isinstance(found, EnrichedEvent)])
        self._new_columns = self._castings[0].lacking()
        if self._showing:
            self._shown = {**dict.fromkeys(sorted(self._showing.columns())), "load_tstamp": self._now}

    def run(self, lines: LineFile, limits: LoaderSettings, trace: BinaryIO | None) -> None:
        for taken in lines.portions(limits.batch_records, limits.batch_bytes):
            portion = _Portion(Built(Batch(self._now), [], set(), self._maker, Parking(self._now, 0)))
            for start in range(0, len(taken), _CHUNK):
                self._cast(taken[start : start + _CHUNK], portion)
            if self._warehouse is not None and self._landing is not None:
                self._land(self._warehouse, self._landing, portion)
            if trace is not None:
                numbered = enumerate(portion.told, self._lines + 1)
                trace.writelines(b'{"line":%d,%b}\n' % (number, told) for number, told in numbered)
            self._lines += len(taken)
            self._rows += len(portion.rows)

    def summary(self) -> str:
        failed = self._lines - self._rows
        if self._warehouse is None:
            told = [f"lines: {self._lines}; rows: {self._rows}, bad rows: {failed}; nothing was stored"]
            told += [f"new column: {column}" for column in self._new_columns]
        else:
            told = [f"lines: {self._lines}; {self._stored}"]
            told += [f"added column: {column}" for column in self._new_columns]
        return "\n".join(told)

    def _learn(self, events: Sequence[EnrichedEvent]) -> None:
        for casting in self._castings:
            casting.learn(events)

    def _cast(self, lines: Sequence[bytes], portion: _Portion) -> None:
        parsed = [parse(line) for line in lines]
        # Nothing new, unless the file has grown since it was learnt.
        self._learn([found for found in parsed if isinstance(found, EnrichedEvent)])
        for line, found in zip(lines, parsed, strict=True):
            portion.told.append(b"")
            if isinstance(found, Unreadable):
                portion.built.unreadable(line.decode("utf-8", "replace"), found)
                portion.tell_bad(-1, portion.built.batch.failed[-1])
            else:
                self._cast_event(found, portion)

    def _cast_event(self, event: EnrichedEvent, portion: _Portion) -> None:
        bad, batch = None, portion.built.batch
        if self._showing:
            row, bad = self._showing.cast(event, self._maker)
            portion.told[-1] = b'"row":' + self._showing.encode({**self._shown, **row})
        if self._landing and bad is None:
            row, bad = self._landing.cast(event, self._maker)
            if bad is None:
                batch.add(row, self._landing.encode)
                portion.built.lines.append(event.line)
        if bad is None:
            portion.rows.append(len(portion.told) - 1)
        else:
            portion.built.fail(event, bad)
            portion.tell_bad(-1, batch.failed[-1])

    def _land(self, warehouse: Warehouse, landing: _Casting, portion: _Portion) -> None:
        built = portion.built
        built.batch.changes, landing.needed.changes = landing.needed.changes, []
        built.batch.positions = warehouse.positions()
        try:
            stored = warehouse.store(built.batch)
        except RowsRefused as refused:
            built.refuse(refused.rows)
            for (at, _), failed in zip(refused.rows, built.batch.failed[-len(refused.rows) :], strict=True):
                portion.tell_bad(portion.rows[at], failed)
            stored = warehouse.store(built.batch)
        self._stored = Stored(*map(sum, zip(self._stored, stored, strict=True)))
        log.info("%s", stored)
