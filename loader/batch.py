"""Records of the bus → one batch for the warehouse: rows, failed rows, and the changes the table needs first."""

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from backbone.badrow import Processor, processor
from backbone.bus.protocol import Record
from backbone.column_names import Kind
from backbone.iglu.resolver import WATCH_SECONDS, Resolver
from backbone.selfdescribing import SchemaKey
from loader import badrows, failed_events
from loader.columns import Families, Target, Unresolved
from loader.enriched import EnrichedEvent, Unreadable, parse
from loader.evolve import family_name, follow, place
from loader.failed_columns import FailedColumns
from loader.replay import replayed
from loader.rows import Way, Ways, cast_event, way_to
from loader.settings import WarehouseSettings
from loader.warehouses.protocol import Batch, Column, Row, Warehouse

log = logging.getLogger("snowmelt.loader")

_TRUSTED = 30.0
"""Seconds in which a failure for a schema is taken at its word once it was looked at twice."""
_MOST_BLAMED = 10_000
_PORTION = 200


class Batches:
    """Makes batches. Remembers schemas and columns, nothing of the data."""

    def __init__(self, resolver: Resolver, warehouse: Warehouse, max_fields: int = WarehouseSettings().max_fields) -> None:
        """`max_fields`: how wide a table may become (`warehouse.max_fields`)."""
        self.failed_columns = FailedColumns(resolver, warehouse, max_fields)
        self._families = Families(resolver, warehouse.encoding)
        self._warehouse = warehouse
        self._maker: Processor = processor("snowmelt-loader")
        self._announced: set[str] = set()
        self._blamed: dict[str, float] = {}

    def build(self, records: Sequence[Record]) -> "Built":
        """Raises RegistryUnavailable: nothing was stored, the same records can be tried again.

        The enricher may have seen a schema's new text a moment before this process does: when events fail for a schema that
        was not blamed of late, the batch is built once more after the resolver has looked at its folders again.
        """
        built = self._build(records)
        now = time.monotonic()
        doubtful = [uri for uri in built.blamed if now - self._blamed.get(uri, -_TRUSTED) >= _TRUSTED]
        if not doubtful:
            return built
        time.sleep(1.2 * WATCH_SECONDS)
        if len(self._blamed) > _MOST_BLAMED:
            self._blamed.clear()
        self._blamed.update(dict.fromkeys(doubtful, now))
        return self._build(records)

    def _build(self, records: Sequence[Record]) -> "Built":
        """In small portions, which stay in the processor's cache from line to encoded row."""
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        built = Built(Batch(now), [], set(), self._maker)
        self._families.begin_batch()
        self.failed_columns.begin_batch()
        ways: Ways = {}
        columns = dict(self._warehouse.columns())
        previous: Record | None = None
        for start in range(0, len(records), _PORTION):
            events: list[EnrichedEvent] = []
            for record in records[start : start + _PORTION]:
                if record.stream == "enriched":
                    found = parse(record.data)
                    if isinstance(found, Unreadable):
                        built.unreadable(record.data.decode("utf-8", "replace"), found)
                    else:
                        events.append(found)
                elif record.stream == "replayed":
                    built.batch.replayed.append(replayed(record.data))
                else:
                    built.batch.failed.append(_failed(record, previous))
                previous = record
            self._extend(ways, events, columns, built.batch)
            self._add(events, ways, built)
        self.failed_columns.fill(built.batch)
        return built

    def _add(self, events: Sequence[EnrichedEvent], ways: Ways, built: "Built") -> None:
        encode = self._warehouse.encode
        for event in events:
            row, failures = cast_event(event, ways)
            if failures:
                built.blamed.update(failure["schemaKey"] for failure in failures)
                built.fail(event, badrows.iglu_error(self._maker, failures, event))
            else:
                built.batch.add(row, encode)
                built.lines.append(event.line)

    def _extend(self, ways: Ways, events: Sequence[EnrichedEvent], columns: dict[str, Column], batch: Batch) -> None:
        """Ways for schema versions not met before. All are found anew then: a later version may change an earlier one's."""
        keys: set[tuple[Kind, SchemaKey]] = set()
        for event in events:
            for entity in event.entities:
                keys.add(("entity", entity.key))
            if event.event is not None:
                keys.add(("event", event.event.key))
        if keys <= ways.keys():
            return
        ordered = sorted(keys | ways.keys())
        for kind, key in ordered:
            self._families.outcome(kind, key)
        for kind, key in ordered:
            ways[(kind, key)] = self._way(kind, key, columns, batch)

    def _way(self, kind: Kind, key: SchemaKey, columns: dict[str, Column], batch: Batch) -> Way | Unresolved | None:
        outcome = self._families.outcome(kind, key)
        if isinstance(outcome, Unresolved):
            return outcome
        if not isinstance(outcome, Target):
            return None
        placement = place(columns, outcome, family_name(key), self._warehouse.shape(outcome.field.type))
        if placement is None:
            return Unresolved(key, None)
        for change in placement.changes:
            follow(columns, change)
        batch.changes.extend(placement.changes)
        self._announce(placement.column, placement.moved or "_recovered_" in placement.column, key)
        return way_to(placement.column, outcome, kind, key)

    def _announce(self, column: str, unusual: bool, key: SchemaKey) -> None:
        if unusual and column not in self._announced:
            self._announced.add(column)
            log.warning("data of %s does not fit the column of its family and goes to column %s", key.uri, column)


class Built(NamedTuple):
    """A batch, and the lines its rows were made of (same order)."""

    batch: Batch
    lines: list[str]
    blamed: set[str]
    """Schemas that events failed for."""
    maker: Processor

    def fail(self, event: EnrichedEvent, bad: dict[str, Any]) -> None:
        self.batch.failed.append(failed_events.from_loader(bad, event.line, event, self.batch.load_tstamp))

    def unreadable(self, line: str, found: Unreadable) -> None:
        bad = badrows.parsing_error(self.maker, line, found)
        self.batch.failed.append(failed_events.from_loader(bad, line, None, self.batch.load_tstamp))

    def refuse(self, rows: Sequence[tuple[int, str]]) -> None:
        """Moves rows the warehouse refuses to the failed ones."""
        reasons = dict(rows)
        for at, reason in rows:
            event = parse(self.lines[at].encode("utf-8", "replace"))
            assert isinstance(event, EnrichedEvent)
            self.fail(event, badrows.runtime_error(self.maker, reason, event))
        self.batch.rows[:] = [row for at, row in enumerate(self.batch.rows) if at not in reasons]
        self.lines[:] = [line for at, line in enumerate(self.lines) if at not in reasons]


def _failed(record: Record, previous: Record | None) -> Row:
    if record.stream == "failed":
        row = failed_events.from_failed(record.data)
        return failed_events.from_bad(record.data) if row is None else row
    row = failed_events.from_bad(record.data)
    if row.get("kind") == "size_violation" and previous is not None and previous.stream == "failed":
        _take_identity(row, record, previous)
    return row


def _take_identity(row: Row, record: Record, previous: Record) -> None:
    """A bad row that was cut for its size follows the `failed` line of its event, and lost the id."""
    if previous.log == record.log and previous.offset + 1 == record.offset:
        half = failed_events.from_failed(previous.data)
        if half is not None:
            row.update({name: value for name, value in half.items() if name not in row or name == "failure_key"})
