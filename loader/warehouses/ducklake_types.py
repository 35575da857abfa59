"""Column types of the embedded warehouse, as DuckDB spells them, and back."""

from typing import Any

from backbone.event import ATOMIC, Kind
from backbone.schema_types import Array, Decimal, Struct, Type
from loader.enriched import MONEY
from loader.warehouses.protocol import Leaf, ListOf, Record, Shape

UNNAMED = "(unnamed)"
"""Name of the field for a property whose name is empty; no other property can get it."""

_SCALARS = {
    "String": Leaf("VARCHAR"),
    "Boolean": Leaf("BOOLEAN"),
    "Integer": Leaf("BIGINT"),
    "Long": Leaf("BIGINT"),
    "Double": Leaf("DOUBLE"),
    "Date": Leaf("DATE"),
    "Timestamp": Leaf("TIMESTAMP WITH TIME ZONE"),
    "Json": Leaf("JSON"),
}
_KINDS = {
    Kind.TEXT: Leaf("VARCHAR"),
    Kind.INTEGER: Leaf("BIGINT"),
    Kind.FLAG: Leaf("BOOLEAN"),
    Kind.FLOAT: Leaf("DOUBLE"),
    Kind.DECIMAL: Leaf("DOUBLE"),
    Kind.TIMESTAMP: Leaf("TIMESTAMP WITH TIME ZONE"),
}
_MONEY = Leaf("DECIMAL(38,9)")
_NARROW = Leaf("DECIMAL(18,9)")
_JSON = Leaf("JSON")

ATOMIC_SHAPES: dict[str, Shape] = {f.name: _MONEY if f.name in MONEY else _KINDS[f.kind] for f in ATOMIC}
TIMESTAMP = _SCALARS["Timestamp"]


def shape_of(kind: Type) -> Shape:
    """A decimal has the scale of BigQuery's NUMERIC, 9, unless its whole digits or its own scale need the room."""
    if isinstance(kind, Struct):
        return Record({field.name or UNNAMED: shape_of(field.type) for field in kind.fields})
    if isinstance(kind, Array):
        return ListOf(shape_of(kind.element))
    if isinstance(kind, Decimal):
        return Leaf(f"DECIMAL(38,{9 if kind.precision <= 18 and kind.scale <= 9 else kind.scale})")
    return _SCALARS[kind.name]


def shape_in_table(duckdb_type: Any) -> Shape:
    """From DuckDB's own description of a column (`DuckDBPyType`)."""
    if duckdb_type.id == "list":
        return ListOf(shape_in_table(duckdb_type.children[0][1]))
    if duckdb_type.id == "struct":
        return Record({name: shape_in_table(inner) for name, inner in duckdb_type.children})
    return Leaf(str(duckdb_type))


def type_text(shape: Shape) -> str:
    if isinstance(shape, ListOf):
        return f"{type_text(shape.element)}[]"
    if isinstance(shape, Record):
        return f"STRUCT({', '.join(f'{identifier(name)} {type_text(inner)}' for name, inner in shape.fields.items())})"
    return shape.type


def as_read(shape: Shape, narrow: bool) -> Shape:
    """The shape in which rows are read: JSON comes as text, for DuckDB would respell its numbers otherwise.

    `narrow`: usual decimals in 64 bits, up to a thousand million, which DuckDB reads forty times as fast as 128.
    """
    if isinstance(shape, ListOf):
        return ListOf(as_read(shape.element, narrow))
    if isinstance(shape, Record):
        return Record({name: as_read(inner, narrow) for name, inner in shape.fields.items()})
    if narrow and shape == _MONEY:
        return _NARROW
    return Leaf("VARCHAR") if shape == _JSON else shape


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def path_text(path: tuple[str, ...]) -> str:
    return ".".join(map(identifier, path))
