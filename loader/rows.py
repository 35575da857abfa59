"""One parsed event → one row: its entities and its self-describing event cast into their columns."""

from typing import Any, NamedTuple

from backbone.column_names import Kind
from backbone.selfdescribing import SchemaKey, SelfDescribing
from loader import badrows
from loader.casting import Cast, CastError
from loader.columns import Unresolved, VersionGoes
from loader.enriched import EnrichedEvent
from loader.warehouses.protocol import Row


class Way(NamedTuple):
    """Where data of one schema version goes in this batch."""

    column: str
    cast: Cast
    version_goes: VersionGoes
    version: str
    merged_key: SchemaKey


Ways = dict[tuple[Kind, SchemaKey], "Way | Unresolved | None"]


def cast_event(event: EnrichedEvent, ways: Ways) -> tuple[Row, list[dict[str, Any]]]:
    """(row, failures as `loader_iglu_error` lists them). The row is the event's own, grown; with failures it is of no use."""
    row, failures = event.row, badrows.wrong_money(event) if event.bad_money else []
    for entity in event.entities:
        way = ways[("entity", entity.key)]
        if type(way) is Way:
            try:
                row.setdefault(way.column, []).append(_item(entity, way))
            except CastError as error:
                failures.extend(badrows.wrong_type(way.merged_key, fault) for fault in error.faults)
        elif isinstance(way, Unresolved):
            failures.append(badrows.unresolved(way))
    if event.event is not None:
        way = ways[("event", event.event.key)]
        if type(way) is Way and event.event.data is not None:
            try:
                row[way.column] = way.cast(event.event.data)
            except CastError as error:
                failures.extend(badrows.wrong_type(way.merged_key, fault) for fault in error.faults)
        elif isinstance(way, Unresolved):
            failures.append(badrows.unresolved(way))
    return row, failures


def _item(entity: SelfDescribing, way: Way) -> Any:
    if way.version_goes == "struct":
        return {"_schema_version": way.version, **way.cast(entity.data)}
    if way.version_goes == "json" and type(entity.data) is dict:
        return way.cast({**entity.data, "_schema_version": way.version})
    return way.cast(entity.data)
