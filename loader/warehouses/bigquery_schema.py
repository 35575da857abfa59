"""Table schemas as the REST interface spells them, from and to the loader's shapes; growing one."""

from collections.abc import Iterable, Mapping
from typing import Any

from loader.warehouses.protocol import UNCLAIMED, Change, Column, Leaf, ListOf, Record, Shape

Fields = list[dict[str, Any]]
"""`name`, `type`, `mode`, for structs `fields`; columns have the family of their data as `description`."""

_SQL_NAMES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "DECIMAL": "NUMERIC", "BIGDECIMAL": "BIGNUMERIC"}
_FAMILY_START, _FAMILY_END = "iglu:", "-*-*"
_SELF_DESCRIBING = ("contexts_", "unstruct_event_")
UNNAMED = "__unnamed__"
"""Name of the field for a property whose name is empty."""


def field_of(name: str, shape: Shape, description: str | None = None) -> dict[str, Any]:
    """Nullable whatever the schema says: a later version may take a property away."""
    made: dict[str, Any] = {"name": name, "mode": "NULLABLE"}
    if isinstance(shape, ListOf):
        made["mode"] = "REPEATED"
        shape = shape.element
    if isinstance(shape, Record):
        made["type"] = "RECORD"
        made["fields"] = [field_of(inner, kind) for inner, kind in shape.fields.items()]
    else:
        assert isinstance(shape, Leaf)
        made["type"] = shape.type
    if description is not None:
        made["description"] = description
    return made


def shape_of_field(field: Mapping[str, Any]) -> Shape:
    shape: Shape
    if field["type"] in ("RECORD", "STRUCT"):
        shape = Record({inner["name"].lower(): shape_of_field(inner) for inner in field["fields"]})
    else:
        shape = Leaf(_SQL_NAMES.get(field["type"], field["type"]))
    return ListOf(shape) if field.get("mode") == "REPEATED" else shape


def columns_of(fields: Fields) -> dict[str, Column]:
    return {field["name"].lower(): Column(shape_of_field(field), _family(field)) for field in fields}


def _family(field: Mapping[str, Any]) -> str | None:
    said = field.get("description") or ""
    if said.startswith(_FAMILY_START) and said.endswith(_FAMILY_END):
        return str(said)
    return UNCLAIMED if field["name"].lower().startswith(_SELF_DESCRIBING) else None


def grow(fields: Fields, changes: Iterable[Change]) -> bool:
    """Adds what is not there yet; False when all of it is."""
    grew = False
    for change in changes:
        grew |= _add(fields, [part for part in change.path if part != "element"], change)
    return grew


def _add(fields: Fields, path: list[str], change: Change) -> bool:
    """`element` is no field in BigQuery: the fields of a repeated record are its items'."""
    head, *rest = path
    found = next((field for field in fields if field["name"].lower() == head), None)
    if found is None:
        fields.append(field_of(head, change.shape, change.family))
        return True
    return _add(found["fields"], rest, change) if rest else False


def relax(fields: Fields) -> bool:
    """Makes fields inside self-describing columns nullable, as other loaders' are not always."""
    relaxed = False
    for field in fields:
        if field["name"].lower().startswith(_SELF_DESCRIBING):
            relaxed |= _relax(field)
    return relaxed


def _relax(field: dict[str, Any]) -> bool:
    relaxed = field.get("mode") == "REQUIRED"
    if relaxed:
        field["mode"] = "NULLABLE"
    for inner in field.get("fields", ()):
        relaxed |= _relax(inner)
    return relaxed


def missing(has: Mapping[str, Shape], needs: Mapping[str, Shape], above: tuple[str, ...] = ()) -> Iterable[tuple[str, ...]]:
    """Paths (names, without `element`) of columns and fields that `has` lacks, outermost only."""
    for name, shape in needs.items():
        if name not in has:
            yield (*above, name)
        else:
            yield from _missing_inside(has[name], shape, (*above, name))


def _missing_inside(has: Shape, needs: Shape, path: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    if isinstance(has, ListOf) and isinstance(needs, ListOf):
        return _missing_inside(has.element, needs.element, path)
    if isinstance(has, Record) and isinstance(needs, Record):
        return missing(has.fields, needs.fields, path)
    return ()


def uses(value: Any, path: tuple[str, ...]) -> bool:
    """Whether a row, or a value inside one, has data at the path."""
    if type(value) is list:
        return any(uses(item, path) for item in value)
    if not path:
        return value is not None
    return type(value) is dict and path[0] in value and uses(value[path[0]], path[1:])


def named(shape: Shape) -> Shape:
    """With a name for the field of a property whose name is empty."""
    if isinstance(shape, ListOf):
        return ListOf(named(shape.element))
    if isinstance(shape, Record):
        return Record({name or UNNAMED: named(inner) for name, inner in shape.fields.items()})
    return shape
