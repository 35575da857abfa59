"""Records of the bus → one batch for the warehouse: rows, failed rows, and the changes the table needs first."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from backbone.badrow import Processor, processor
from backbone.bus.protocol import Record
from backbone.column_names import Kind
from backbone.iglu.resolver import WATCH_SECONDS, Resolver
from backbone.schema_types import JSON
from backbone.selfdescribing import SchemaKey
from loader import badrows, replay_messages, surprises
from loader.built import Built, failed_row
from loader.columns import Families, LeftOut, Outcome, Target
from loader.criteria import LOAD_ALL, Choices
from loader.enriched import EnrichedEvent, Unreadable, parse, parse_leniently
from loader.evolve import Placement, family_name, follow, place
from loader.histories import Unresolved
from loader.lookups import PATIENCE, Lookups
from loader.overflow import OVERFLOW, Overflow, field_count
from loader.rows import Way, Ways, cast_event, way_to
from loader.waiting import Parking, missing
from loader.warehouses.protocol import Batch, Change, Column, Table, Waiting

log = logging.getLogger("snowmelt.loader")

_TRUSTED = 30.0
"""Seconds in which a failure for a schema is taken at its word once it was looked at twice."""
_MOST_BLAMED = 10_000
_PORTION = 200


class Limits(NamedTuple):
    """`room`: bytes of events that may begin to wait. Without any, an event whose schema is missing fails."""

    max_fields: int = 10_000
    room: Callable[[], int] = lambda: 0
    patience: float = PATIENCE
    """Seconds that a batch waits for registries."""


class Batches:
    """Makes batches. Remembers schemas and columns, nothing of the data."""

    def __init__(self, resolver: Resolver, warehouse: Table, limits: Limits | None = None, choices: Choices = LOAD_ALL) -> None:
        self._limits = limits or Limits()
        self.lookups = Lookups(resolver, self._limits.patience)
        self._families = Families(self.lookups, warehouse.encoding, choices)
        self._warehouse = warehouse
        self._maker: Processor = processor("snowmelt-loader")
        self._announced: set[str] = set()
        self._blamed: dict[str, float] = {}

    def build(self, records: Sequence[Record], previous: Record | None = None) -> Built:
        """`previous`: the record before the first one, if it is known.

        The enricher may have seen a schema's new text a moment before this process does: when events fail for a schema that
        was not blamed of late, the batch is built once more after the resolver has looked at its folders again. (Events whose
        schema is missing do not fail: they wait.)
        """
        return self._trusted(lambda: self._build(records, previous))

    def rebuild(self, waiting: Sequence[Waiting], expired: bool) -> Built:
        """A batch of events that waited; those whose schema is still missing wait on or, `expired`, fail."""
        return self._trusted(lambda: self._rebuild(waiting, expired))

    def convicted(self, record: Record, reason: str) -> Built:
        """The record as nothing but a failed event."""
        built = self._begin(0)
        event = parse_leniently(record.data) if record.stream == "enriched" else None
        if event is not None and "event_id" in event.row:
            built.batch.failed.append(surprises.of_event(self._maker, reason, event, built.batch.load_tstamp))
        else:
            built.batch.failed.extend(surprises.of_record(self._maker, reason, record, built.batch.load_tstamp))
        return built

    def shortened(self, record: Record) -> Built:
        """As little of the record as any warehouse takes."""
        built = self._begin(0)
        text = record.data.decode("utf-8", "replace")
        built.batch.failed.append(surprises.shortened(self._maker, text, built.batch.load_tstamp))
        return built

    def _trusted(self, build: Callable[[], Built]) -> Built:
        self.lookups.begin_batch()
        built = build()
        now = time.monotonic()
        doubtful = [uri for uri in built.blamed if now - self._blamed.get(uri, -_TRUSTED) >= _TRUSTED]
        if not doubtful:
            return built
        time.sleep(1.2 * WATCH_SECONDS)
        if len(self._blamed) > _MOST_BLAMED:
            self._blamed.clear()
        self._blamed.update(dict.fromkeys(doubtful, now))
        return build()

    def _begin(self, room: int) -> Built:
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        self._families.begin_batch()
        return Built(Batch(now), [], set(), self._maker, Parking(now, room))

    def _build(self, records: Sequence[Record], previous: Record | None) -> Built:
        """In small portions, which stay in the processor's cache from line to encoded row."""
        built = self._begin(self._limits.room())
        ways: Ways = {}
        columns = dict(self._warehouse.columns())
        for start in range(0, len(records), _PORTION):
            events: list[EnrichedEvent] = []
            for record in records[start : start + _PORTION]:
                self._read_safely(record, previous, events, built)
                previous = record
            self.extend(ways, events, columns, built.batch)
            self._add(events, ways, built)
        return built

    def _rebuild(self, waiting: Sequence[Waiting], expired: bool) -> Built:
        built = self._begin(0)
        ways: Ways = {}
        columns = dict(self._warehouse.columns())
        for start in range(0, len(waiting), _PORTION):
            events: list[EnrichedEvent] = []
            for waited in waiting[start : start + _PORTION]:
                before = len(events)
                self._read_safely(Record("", 0, "enriched", waited.line.encode("utf-8", "replace")), None, events, built)
                if len(events) > before and not expired:
                    built.parking.came(events[-1], waited)
            self.extend(ways, events, columns, built.batch)
            self._add(events, ways, built)
        built.batch.taken.extend(waited.number for waited in waiting if waited.number is not None)
        return built

    def _read_safely(self, record: Record, previous: Record | None, events: list[EnrichedEvent], built: Built) -> None:
        try:
            self._read(record, previous, events, built)
        except Exception as problem:
            reason = surprises.named(problem)
            built.batch.failed.extend(surprises.of_record(self._maker, reason, record, built.batch.load_tstamp))

    def _read(self, record: Record, previous: Record | None, events: list[EnrichedEvent], built: Built) -> None:
        if record.stream == "enriched":
            found = parse(record.data)
            if isinstance(found, Unreadable):
                built.unreadable(record.data.decode("utf-8", "replace"), found)
            else:
                events.append(found)
        elif record.stream == "replayed":
            built.batch.replayed += replay_messages.read(record.data)
        else:
            built.batch.failed.append(failed_row(record, previous))

    def _add(self, events: Sequence[EnrichedEvent], ways: Ways, built: Built) -> None:
        encode = self._warehouse.encode
        for event in events:
            try:
                row, failures = cast_event(event, ways)
                if not failures:
                    built.batch.add(row, encode)
                    built.lines.append(event.line)
                    continue
                if built.parking.park(event, missing(event, ways, len(failures)), built.batch):
                    continue
                bad = badrows.iglu_error(self._maker, failures, event)
            except Exception as problem:
                reason = surprises.named(problem)
                built.batch.failed.append(surprises.of_event(self._maker, reason, event, built.batch.load_tstamp))
            else:
                built.blamed.update(failure["schemaKey"] for failure in failures)
                built.fail(event, bad)

    def extend(self, ways: Ways, events: Sequence[EnrichedEvent], columns: dict[str, Column], batch: Batch) -> None:
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
        self._families.prepare(key for _, key in keys - ways.keys())
        for kind, key in ordered:
            self._outcome(kind, key)
        for kind, key in ordered:
            ways[(kind, key)] = self._way(kind, key, columns, batch)

    def _outcome(self, kind: Kind, key: SchemaKey) -> Outcome:
        """A schema that trips the loader up fails its own events only."""
        try:
            return self._families.outcome(kind, key)
        except Exception as problem:
            log.warning("columns for %s cannot be made: %s", key.uri, type(problem).__name__)
            return Unresolved(key, None)

    def _way(self, kind: Kind, key: SchemaKey, columns: dict[str, Column], batch: Batch) -> Way | Overflow | Unresolved | None:
        outcome = self._outcome(kind, key)
        if isinstance(outcome, Unresolved):
            return outcome
        if isinstance(outcome, LeftOut):
            return self._overflow(outcome.column, key, columns, batch)
        if not isinstance(outcome, Target):
            return None
        family = family_name(key)
        main = outcome.main
        if main is not None and main.name not in columns:
            columns[main.name] = Column(self._warehouse.shape(main.type), family)
            batch.changes.append(Change((main.name,), columns[main.name].shape, family))
        placement = place(columns, outcome, family, self._warehouse.shape(outcome.field.type))
        if placement is None:
            return self._overflow(outcome.field.name, key, columns, batch)
        if placement.changes and not self._fits(placement, columns):
            self._families.leave_out(kind, key)
            return self._way(kind, key, columns, batch)
        for change in placement.changes:
            follow(columns, change)
        batch.changes.extend(placement.changes)
        self._announce(placement.column, placement.moved or "_recovered_" in placement.column, key)
        return way_to(placement.column, outcome, kind, key)

    def _fits(self, placement: Placement, columns: Mapping[str, Column]) -> bool:
        has = field_count(column.shape for name, column in columns.items() if name != OVERFLOW)
        return has + field_count(change.shape for change in placement.changes) <= self._limits.max_fields

    def _overflow(self, column: str, key: SchemaKey, columns: dict[str, Column], batch: Batch) -> Overflow:
        if OVERFLOW not in columns:
            columns[OVERFLOW] = Column(self._warehouse.shape(JSON), None)
            batch.changes.append(Change((OVERFLOW,), columns[OVERFLOW].shape))
        if key.uri not in self._announced:
            self._announced.add(key.uri)
            log.warning("the table has no room or no name for data of %s, which goes to the column %s", key.uri, OVERFLOW)
        return Overflow(column, str(key.version))

    def _announce(self, column: str, unusual: bool, key: SchemaKey) -> None:
        if unusual and column not in self._announced:
            self._announced.add(column)
            log.warning("data of %s does not fit the column of its family and goes to column %s", key.uri, column)
