"""Schemas and data in, the value of each column or the errors out: what the loader would do, told without a warehouse.

A question is one JSON object: `kind`, `schemas` (complete ones, then nothing else is asked) or `uris`, `data`, and perhaps
`family` (`iglu:vendor/name/jsonschema`) and `separate`. Each item of `data` is `{"version"?, "data"}`, or `{"entities": […],
"derived": […]}` for all entities of one event; they form one batch, with `separate` one batch each.

Values are in the forms of BigQuery (`warehouses.bigquery_types.ENCODING`).
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from backbone.column_names import Kind, column_name
from backbone.iglu.given_schemas import GivenSchemas, by_key
from backbone.iglu.resolver import Resolver
from backbone.selfdescribing import InvalidIglu, SchemaKey, SelfDescribing, parse_key
from loader.columns import Families, Target
from loader.criteria import LOAD_ALL, Choices
from loader.enriched import EnrichedEvent
from loader.evolve import place
from loader.histories import Unresolved
from loader.legacy_casts import legacy_row
from loader.lookups import Lookups
from loader.rows import Way, Ways, cast_event, way_to
from loader.warehouses import bigquery_types
from loader.warehouses.bigquery_rows import refusal
from loader.warehouses.protocol import Column

Json = dict[str, Any]
_LEGACY = Choices(all_legacy=True)
_PATIENCE = 60.0
"""Seconds that a line waits for registries behind HTTP."""
_KINDS: tuple[Kind, ...] = ("event", "entity")


class Unanswerable(Exception):
    """The question is not one; the text says what is wrong with it."""


class Question(NamedTuple):
    """`events` hold nothing but self-describing data."""

    resolver: Resolver
    events: list[EnrichedEvent]
    batches: list[list[int]]
    """Positions in `events`."""


def answer(line: Json, registries: Resolver) -> list[Json]:
    """For each item `{"row", "write"}` or `{"errors"}`, the same under `legacy`, and under `v1` what loader 1 made of it.

    Raises Unanswerable, RegistryUnavailable.
    """
    question = read(line, registries)
    results = _cast(question, LOAD_ALL)
    legacy = _cast(question, _LEGACY)
    old = [legacy_row(event, question.resolver) for event in question.events]
    return [{**result, "legacy": other, "v1": v1} for result, other, v1 in zip(results, legacy, old, strict=True)]


def _cast(question: Question, choices: Choices) -> list[Json]:
    families = Families(Lookups(question.resolver, _PATIENCE), bigquery_types.ENCODING, choices)
    results: list[Json] = [{} for _ in question.events]
    for batch in question.batches:
        families.begin_batch()
        ways, columns = _ways(families, [question.events[at] for at in batch])
        known = {*columns, *_main_columns(ways, columns)}
        for at in batch:
            event = question.events[at]
            row, failures = cast_event(EnrichedEvent("", {}, event.entities, event=event.event), ways)
            results[at] = {"errors": failures} if failures else _row(row, columns, known)
    return results


def _row(row: Json, columns: dict[str, Column], known: set[str]) -> Json:
    whole = {name: row.get(name) for name in sorted(known)}
    problem = refusal(row, {name: column.shape for name, column in columns.items()})
    return {"row": whole, "write": "ok" if problem is None else {"serialization": problem}}


def _ways(families: Families, events: Sequence[EnrichedEvent]) -> tuple[Ways, dict[str, Column]]:
    """Where the data goes, and the columns a table without any would get."""
    keys = {("entity", entity.key) for event in events for entity in event.entities}
    keys |= {("event", event.event.key) for event in events if event.event is not None}
    ordered: list[tuple[Kind, SchemaKey]] = sorted(keys)  # type: ignore[arg-type]
    for kind, key in ordered:  # a later version may change where an earlier one's data goes
        families.outcome(kind, key)
    columns: dict[str, Column] = {}
    return {(kind, key): _way(families, kind, key, columns) for kind, key in ordered}, columns


def _way(families: Families, kind: Kind, key: SchemaKey, columns: dict[str, Column]) -> Way | Unresolved | None:
    outcome = families.outcome(kind, key)
    if not isinstance(outcome, Target):
        return outcome if isinstance(outcome, Unresolved) else None
    family = f"{kind} {key.vendor}/{key.name}/{key.version.model}"
    shape = bigquery_types.shape_of(outcome.field.type)
    placement = place(columns, outcome, family, shape)
    if placement is None:
        return Unresolved(key, None)
    columns.setdefault(placement.column, Column(shape, family))
    return way_to(placement.column, outcome, kind, key)


def _main_columns(ways: Ways, columns: dict[str, Column]) -> Iterator[str]:
    """The column of each family of which a recovery column is needed: it exists before, or is made with it elsewhere."""
    for kind, key in ways:
        main = column_name(kind, key.vendor, key.name, key.version.model)
        if any(name.startswith(f"{main}_recovered_") for name in columns):
            yield main


def read(line: Json, registries: Resolver) -> Question:
    """Raises Unanswerable."""
    kind, data = line.get("kind"), line.get("data")
    if kind not in _KINDS:
        raise Unanswerable("`kind` must be event or entity")
    if type(data) is not list:
        raise Unanswerable("`data` must be a list")
    resolver, keys = _schemas(line, registries)
    family = line.get("family")
    newest = max(keys, key=lambda key: key.version) if keys else None
    if family is None and newest is not None:
        family = newest.uri.rpartition("/")[0]
    default = None if newest is None else str(newest.version)
    try:
        events = [_event(kind, item, family, default) for item in data]
    except InvalidIglu as problem:
        raise Unanswerable(f"a schema is not named as it should be: {problem.code}") from None
    whole = list(range(len(events)))
    return Question(resolver, events, [[at] for at in whole] if line.get("separate") is True else [whole])


def _schemas(line: Json, registries: Resolver) -> tuple[Resolver, list[SchemaKey]]:
    """Where to look schemas up, and those the question names."""
    try:
        if "schemas" not in line:
            return registries, [parse_key(uri) for uri in _texts(line.get("uris", []), "uris")]
        if type(line["schemas"]) is not list:
            raise Unanswerable("`schemas` must be a list")
        given = by_key(line["schemas"])
        return Resolver([GivenSchemas("schemas of the line", given)]), list(given)
    except InvalidIglu as problem:
        raise Unanswerable(f"`schemas` or `uris` cannot be used: {problem.code}") from None


def _texts(value: Any, name: str) -> list[str]:
    if type(value) is not list or not all(type(item) is str for item in value):
        raise Unanswerable(f"`{name}` must be a list of texts")
    return value


def _event(kind: Kind, item: Any, family: Any, default: str | None) -> EnrichedEvent:
    """Raises InvalidIglu, Unanswerable."""
    event = EnrichedEvent("", {})
    if type(item) is not dict:
        raise Unanswerable("an item of `data` must be an object")
    if "entities" in item or "derived" in item:
        entries = [*_list(item.get("entities", [])), *_list(item.get("derived", []))]
        event.entities = [_datum(entry, family, default) for entry in entries]
    elif kind == "event":
        event.event = _datum(item, family, default)
    else:
        event.entities = [_datum(item, family, default)]
    return event


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise Unanswerable("`entities` and `derived` must be lists")
    return value


def _datum(entry: Any, family: Any, default: str | None) -> SelfDescribing:
    if type(entry) is not dict or "data" not in entry:
        raise Unanswerable("an item of `data` must have `data`")
    name = entry.get("schema") or entry.get("version") or default
    if type(name) is not str:
        raise Unanswerable("an item of `data` must have a `version`, for the question names no schema")
    if not name.startswith("iglu:"):
        name = f"{family}/{name}"
    return SelfDescribing(parse_key(name), entry["data"], exact=False)
