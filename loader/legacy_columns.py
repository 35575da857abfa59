"""Legacy columns as BigQuery Loader 2 makes them for those who come from loader 1: types of loader 1, casts of loader 2.

There is no merging and no `_schema_version`; what has no type of its own, and every text, is cast as JSON and stored as text,
plain strings unquoted.
"""

from dataclasses import replace
from typing import Any

from backbone import jsontext
from backbone.column_names import Kind, field_name
from backbone.schema_keywords import Keywords
from backbone.schema_types import BOOLEAN, DATE, DOUBLE, JSON, LONG, STRING, TIMESTAMP, Array, Field, Struct, Type
from backbone.selfdescribing import SchemaKey
from loader.legacy_types import LegacyField, LegacyType, Record, java_order, legacy_column
from loader.scalar_casts import Encoding

_SCALARS: dict[str, Type] = {
    "STRING": JSON,
    "BOOLEAN": BOOLEAN,
    "INTEGER": LONG,
    "FLOAT": DOUBLE,
    "DATE": DATE,
    "TIMESTAMP": TIMESTAMP,
}


def cast_field(kind: Kind, key: SchemaKey, schema: Keywords) -> Field:
    """What to cast data of one version with; its JSON is text in the column, see `stored_field` and `encoding`."""
    column = legacy_column(kind, key, schema)
    return _field(replace(column, key=field_name(column.key)))


def stored_field(field: Field) -> Field:
    """The column for a field that is cast with."""
    return replace(field, type=_stored(field.type))


def _stored(kind: Type) -> Type:
    if isinstance(kind, Struct):
        return Struct(tuple(map(stored_field, kind.fields)))
    if isinstance(kind, Array):
        return Array(_stored(kind.element), kind.nullable)
    return STRING if kind == JSON else kind


def encoding(of: Encoding) -> Encoding:
    return of._replace(json=_text, missing_json=STRING)


def _text(value: Any) -> str:
    return value if type(value) is str else jsontext.dumps(value)


def _field(field: LegacyField) -> Field:
    inner = _type(field.type)
    repeated = field.mode == "REPEATED"
    return Field(field.key, Array(inner, True) if repeated else inner, field.mode != "REQUIRED", (field.key,))


def _type(kind: LegacyType) -> Type:
    """Of properties with one field name, the first in alphabetical order gives the type; they are read in the record's order."""
    if not isinstance(kind, Record):
        return _SCALARS[kind]
    merged: dict[str, Field] = {}
    for field in sorted(map(_field, kind.fields), key=lambda field: java_order(field.name)):
        merged.setdefault(field_name(field.name), field)
    keys: dict[str, list[str]] = {name: [] for name in merged}
    for inner in kind.fields:
        keys[inner.name].append(inner.key)
    merged = {name: replace(field, name=name, accessors=tuple(keys[name])) for name, field in merged.items()}
    return Struct(tuple(merged[name] for name in sorted(merged)))
