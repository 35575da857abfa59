"""One parsed event → one row: its entities and its self-describing event cast into their columns."""

from typing import Any, NamedTuple

from backbone import jsontext
from backbone.column_names import Kind
from backbone.schema_types import SCHEMA_VERSION, Array
from backbone.selfdescribing import SchemaKey
from loader import badrows
from loader.casting import Cast, CastError
from loader.columns import Target
from loader.enriched import EnrichedEvent
from loader.histories import Unresolved
from loader.overflow import OVERFLOW, Overflow
from loader.warehouses.protocol import Row


class Way(NamedTuple):
    """Where data of one schema version goes in this batch."""

    column: str
    cast: Cast
    merged_key: SchemaKey
    version_inside: str | None
    """To be put into a datum that is an object, as its column has no field for it."""
    drops_null: bool
    """Whether an entity without data leaves no item."""


Ways = dict[tuple[Kind, SchemaKey], "Way | Overflow | Unresolved | None"]


def way_to(column: str, target: Target, kind: Kind, key: SchemaKey) -> Way:
    """`column`: where the table has room for the target."""
    stored = target.field.type
    inside = str(key.version) if target.versioned else None
    drops_null = kind == "entity" and isinstance(stored, Array) and stored.nullable
    return Way(column, target.cast, target.merged_key, inside, drops_null)


def cast_event(event: EnrichedEvent, ways: Ways) -> tuple[Row, list[dict[str, Any]]]:
    """(row, failures as `loader_iglu_error` lists them). The row is the event's own, grown; with failures it is of no use."""
    row, failures = event.row, badrows.wrong_money(event) if event.bad_money else []
    overflow: dict[str, Any] = {}
    for entity in event.entities:
        way = ways[("entity", entity.key)]
        if type(way) is Way:
            try:
                data = entity.data
                if way.version_inside is not None and type(data) is dict:
                    data = {**data, SCHEMA_VERSION: way.version_inside}
                items = row.setdefault(way.column, [])
                if data is not None or not way.drops_null:
                    items.append(way.cast(data))
            except CastError as error:
                failures.extend(badrows.wrong_type(way.merged_key, fault) for fault in error.faults)
        elif type(way) is Overflow:
            overflow.setdefault(way.column, []).append(way.item(entity.data))
        elif isinstance(way, Unresolved):
            failures.append(badrows.unresolved(way))
    if event.event is not None:
        way = ways[("event", event.event.key)]
        if type(way) is Way and event.event.data is not None:
            try:
                row[way.column] = way.cast(event.event.data)
            except CastError as error:
                failures.extend(badrows.wrong_type(way.merged_key, fault) for fault in error.faults)
        elif type(way) is Overflow:
            overflow[way.column] = event.event.data
        elif isinstance(way, Unresolved):
            failures.append(badrows.unresolved(way))
    if overflow:
        row[OVERFLOW] = jsontext.dumps(overflow, exact=False)
    return row, failures
