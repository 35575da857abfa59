"""A report of schema columns (`loader.family_report`) as an indented tree, for people."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from backbone.schema_types import Decimal, Scalar
from loader.criteria import Choices
from loader.family_report import Family
from loader.legacy_types import legacy_name
from loader.warehouses import bigquery_types, ducklake_types

Json = dict[str, Any]
_Namer = Callable[[Scalar | Decimal], str]
_WIDTH = 48

_NAMES: dict[str, _Namer] = {
    "ducklake": lambda kind: ducklake_types.type_text(ducklake_types.shape_of(kind)),
    "bigquery": bigquery_types.type_name,
}


def lines(found: Json, target: str) -> Iterator[str]:
    """`target` is ducklake or bigquery."""
    told: set[str] = set()
    for kind in ("event", "entity"):
        part = found.get(kind, {})
        for column in part.get("columns", ()):
            yield from _family(column, _NAMES[target], told)
        for failure in part.get("failures", ()):
            yield f"no column for {', '.join(failure['versions'])} ({kind}): {_cause(failure['failure'])}"
            yield ""
        if not part.get("columns") and not part.get("failures") and part.get("v1"):
            yield f"no column as {kind}: the schema allows nothing that could be stored; the event loads without it"
            yield ""
    for pair in found.get("pairs", ()):
        for change in pair["migrations"] or ["ok: nothing that a column sees"]:
            yield f"{pair['from']} → {pair['to']}  {change}"


def chosen_otherwise(families: Sequence[Family], choices: Choices) -> Iterator[str]:
    """Versions whose data the loader is set not to put into the columns above."""
    for family in families:
        for key in map(family.key, family.seen):
            if choices.skip(key):
                yield f"{key.uri} is not loaded (loader.skip_schemas)"
            elif choices.are_legacy(key):
                names = " and ".join(legacy_name(kind, key) for kind in ("event", "entity"))
                yield f"{key.uri} goes to {names} instead (loader.legacy_columns, loader.legacy_column_mode)"


def _family(column: Json, name_of: _Namer, told: set[str]) -> Iterator[str]:
    yield from _column(column["field"], ", ".join(column["merged"]), name_of)
    if column["field"]["name"] in told:
        yield "  (a column of this name belongs to another schema: the later of the two gets a suffix)"
    told.add(column["field"]["name"])
    yield ""
    for recovery in column["recoveries"]:
        yield from _column(recovery["field"], recovery["version"], name_of)
        yield ""


def _column(field: Json, versions: str, name_of: _Namer) -> Iterator[str]:
    yield f"{field['name']}  {_type(field, name_of)}  from {versions}"
    yield from _fields(field, name_of, 1)


def _fields(node: Json, name_of: _Namer, level: int) -> Iterator[str]:
    while node["type"] == "Array":
        node = node["element"]
    for field in node.get("fields", ()):
        label = f"{'  ' * level}{field['name'] or ducklake_types.UNNAMED}"
        marks = [_type(field, name_of)]
        if field["nullability"] == "REQUIRED":
            marks.append("required")
        if "accessors" in field:
            marks.append(f"(from {', '.join(field['accessors'])})")
        yield f"{label.ljust(_WIDTH - 1)} {' '.join(marks)}"
        yield from _fields(field, name_of, level + 1)


def _type(node: Json, name_of: _Namer) -> str:
    if node["type"] == "Array":
        return f"{_type(node['element'], name_of)}[]"
    if node["type"] == "Struct":
        return "STRUCT"
    if node["type"] == "Decimal":
        return name_of(Decimal(node["precision"], node["scale"]))
    return name_of(Scalar(node["type"]))


def _cause(failure: Json) -> str:
    where = failure["schemaKey"]
    return f"{where} is in no registry" if "error" in failure else f"{where} cannot be read as a schema"
