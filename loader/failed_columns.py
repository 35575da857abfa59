"""Typed columns of `failed_events`: whatever of a failed event has a schema and fits it, cast as for `events`.

The table grows by itself, apart from `events`, and never in the way of anything: data whose schema is not at hand, does not fit,
or would make the table wider than allowed stays in the JSON columns, which hold everything in any case.
"""

import logging
from collections.abc import Iterable

from backbone.column_names import Kind
from backbone.iglu.resolver import Resolver
from backbone.selfdescribing import SchemaKey
from loader.columns import Families, Target
from loader.enriched import EnrichedEvent, described
from loader.evolve import family_name, follow, place
from loader.lookups import Lookups
from loader.overflow import field_count
from loader.rows import Way, Ways, cast_event, way_to
from loader.warehouses.protocol import Batch, Column, Row, Warehouse

log = logging.getLogger("snowmelt.loader")

_Key = tuple[Kind, SchemaKey]
_PATIENCE = 0.3
"""Seconds a batch waits for registries to type its failures."""


class FailedColumns:
    """Remembers schemas and columns, nothing of the data."""

    def __init__(self, resolver: Resolver, warehouse: Warehouse, max_fields: int) -> None:
        """`max_fields`: how wide the table may become, nested fields counted."""
        self._lookups = Lookups(resolver, _PATIENCE)
        self._families = Families(self._lookups, warehouse.encoding)
        self._warehouse = warehouse
        self._max_fields = max_fields
        self.begin_batch()

    def begin_batch(self) -> None:
        self._lookups.begin_batch()
        self._families.begin_batch()
        self._ways: Ways = {}
        self._columns: dict[str, Column] | None = None
        self._done = 0

    def fill(self, batch: Batch) -> None:
        """Types the failures; may be called again after more have failed."""
        new = batch.failed[self._done :]
        self._done = len(batch.failed)
        found = [(row, described(row)) for row in new]
        if found:
            self._find_ways([event for _, event in found], batch)
        for row, event in found:
            row.update(self._typed(event))

    def _typed(self, event: EnrichedEvent) -> Row:
        try:
            typed, _ = cast_event(event, self._ways)
        except Exception as problem:  # whatever it is, the row is worth keeping, and the batch is others' too
            log.warning("a failed event cannot be typed: %s", type(problem).__name__)
            return {}
        return {name: value for name, value in typed.items() if value != []}

    def _find_ways(self, events: Iterable[EnrichedEvent], batch: Batch) -> None:
        """As for `events`: all are found anew when there is a new one, as a later version may change an earlier one's."""
        keys: set[_Key] = set()
        for event in events:
            keys.update(("entity", entity.key) for entity in event.entities)
            if event.event is not None:
                keys.add(("event", event.event.key))
        if keys <= self._ways.keys():
            return
        if self._columns is None:
            self._columns = dict(self._warehouse.failed_columns())
        ordered = sorted(keys | self._ways.keys())
        for kind, key in ordered:
            self._target(kind, key)
        for kind, key in ordered:
            self._ways[(kind, key)] = self._way(kind, key, self._columns, batch)

    def _target(self, kind: Kind, key: SchemaKey) -> Target | None:
        try:
            outcome = self._families.outcome(kind, key)
        except Exception as problem:
            log.warning("columns of failed_events for %s cannot be made: %s", key.uri, type(problem).__name__)
            return None
        return outcome if isinstance(outcome, Target) else None

    def _way(self, kind: Kind, key: SchemaKey, columns: dict[str, Column], batch: Batch) -> Way | None:
        target = self._target(kind, key)
        if target is None:
            return None
        placement = place(columns, target, family_name(key), self._warehouse.shape(target.field.type))
        if placement is None:
            return None
        more = field_count(change.shape for change in placement.changes)
        if more and more + field_count(column.shape for column in columns.values()) > self._max_fields:
            return None
        for change in placement.changes:
            follow(columns, change)
        batch.failed_changes.extend(placement.changes)
        return way_to(placement.column, target, kind, key)
