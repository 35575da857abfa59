"""Column types as BigQuery spells them, and the forms its rows have. Column-compatible with Snowplow's BigQuery Loader 2."""

from typing import Any

from backbone.schema_types import Array, Decimal, Field, Scalar, Struct, Type
from loader.casting import Encoding
from loader.warehouses.protocol import Leaf, ListOf, Record, Shape

_SCALARS = {
    "String": "STRING",
    "Boolean": "BOOL",
    "Integer": "INT64",
    "Long": "INT64",
    "Double": "FLOAT64",
    "Date": "DATE",
    "Timestamp": "TIMESTAMP",
    "Json": "JSON",
}
_NUMERIC_SCALE = 9


def _milliseconds(micros: int) -> int:
    return micros - micros % 1000


ENCODING = Encoding(timestamp=_milliseconds, date=lambda days: days, decimal=lambda number: format(number, "f"))
"""Timestamps in microseconds, whole milliseconds as the original stores them; dates in days since 1970; decimals as text."""


def column_of(field: Field) -> dict[str, Any]:
    """`{"name", "type", "mode"}`, for structs also `fields`. A list of lists is one list: BigQuery knows no other."""
    repeated = isinstance(field.type, Array)
    inner = _innermost(field.type)
    column: dict[str, Any] = {"name": field.name, "type": type_name(inner), "mode": _mode(field.nullable, repeated)}
    if isinstance(inner, Struct):
        column["fields"] = [column_of(member) for member in inner.fields]
    return column


def _innermost(kind: Type) -> Scalar | Decimal | Struct:
    while isinstance(kind, Array):
        kind = kind.element
    return kind


def _mode(nullable: bool, repeated: bool) -> str:
    if repeated:
        return "REPEATED"
    return "NULLABLE" if nullable else "REQUIRED"


def type_name(kind: Scalar | Decimal | Struct) -> str:
    if isinstance(kind, Struct):
        return "STRUCT"
    if isinstance(kind, Decimal):
        return "BIGNUMERIC" if kind.scale > _NUMERIC_SCALE else "NUMERIC"
    return _SCALARS[kind.name]


def shape_of(kind: Type) -> Shape:
    if isinstance(kind, Array):
        return ListOf(shape_of(_innermost(kind)))
    if isinstance(kind, Struct):
        return Record({field.name: shape_of(field.type) for field in kind.fields})
    return Leaf(type_name(kind))
