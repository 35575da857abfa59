"""Types of BigQuery Loader 1's columns: one column for each full version, alternatives and tuples as text, no decimals.

The rules are those of the loader's mutator 1.7.2 (schema-ddl's `bigquery` package), which the legacy columns of loader 2 share.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from backbone.column_names import Kind, column_name, field_name
from backbone.schema_keywords import Keywords, number
from backbone.selfdescribing import SchemaKey

Mode = Literal["REQUIRED", "REPEATED", "NULLABLE"]
Name = Literal["STRING", "BOOLEAN", "INTEGER", "FLOAT", "DATE", "TIMESTAMP"]
_ORDER = ("REQUIRED", "REPEATED", "NULLABLE")


@dataclass(frozen=True, slots=True)
class Record:
    fields: "tuple[LegacyField, ...]"


LegacyType: TypeAlias = Name | Record


@dataclass(frozen=True, slots=True)
class LegacyField:
    """`key` is the property it is read from."""

    key: str
    type: LegacyType
    mode: Mode

    @property
    def name(self) -> str:
        return field_name(self.key)


def legacy_name(kind: Kind, key: SchemaKey) -> str:
    """`contexts_com_acme_click_1_0_2`."""
    version = key.version
    return f"{column_name(kind, key.vendor, key.name, version.model)}_{version.revision}_{version.addition}"


def legacy_column(kind: Kind, key: SchemaKey, schema: Keywords) -> LegacyField:
    """Every readable schema has one. The fields of a record: required ones, lists, the others; by property name each."""
    return replace(legacy_datum(kind, key, schema), mode="NULLABLE" if kind == "event" else "REPEATED")


def legacy_datum(kind: Kind, key: SchemaKey, schema: Keywords) -> LegacyField:
    """One event's or entity's data, named as its column: a list if the schema's data is one."""
    return _field(legacy_name(kind, key), schema, required=False)


def column_of(field: LegacyField) -> dict[str, Any]:
    """As the mutator creates it: `{"name", "type", "mode"}`, for records also `fields`."""
    column: dict[str, Any] = {"name": field.name, "type": "RECORD" if isinstance(field.type, Record) else field.type}
    column["mode"] = field.mode
    if isinstance(field.type, Record):
        column["fields"] = [column_of(inner) for inner in field.type.fields]
    return column


def _field(key: str, schema: Keywords, required: bool) -> LegacyField:
    if schema.only("object") and schema.properties:
        return LegacyField(key, _record(schema, schema.properties), "REQUIRED" if required else "NULLABLE")
    if schema.only("array") and isinstance(schema.items, Keywords):
        return LegacyField(key, _field(key, schema.items, required=False).type, "REPEATED")
    kind, nullable = _scalar(schema)
    return LegacyField(key, kind, "REQUIRED" if required and not nullable else "NULLABLE")


def _record(schema: Keywords, properties: dict[str, Keywords]) -> Record:
    fields = [_field(key, inner, key in (schema.required or ())) for key, inner in properties.items()]
    return Record(tuple(sorted(fields, key=lambda field: (_ORDER.index(field.mode), java_order(field.key)))))


def java_order(text: str) -> bytes:
    """Sort key: by UTF-16 code units."""
    return text.encode("utf-16-be", "surrogatepass")


def _scalar(schema: Keywords) -> tuple[Name, bool]:
    """(type, whether null is allowed explicitly)."""
    null = schema.types is not None and "null" in schema.types
    if schema.only("string"):
        dates: dict[str, Name] = {"date": "DATE", "date-time": "TIMESTAMP"}
        return dates.get(schema.format or "", "STRING"), null
    if schema.only("boolean"):
        return "BOOLEAN", null
    if schema.only("integer"):
        return "INTEGER", null
    if schema.only("number") or (schema.types is not None and schema.types - {"null"} == {"number", "integer"}):
        return "FLOAT", null
    if schema.enum is not None:
        return _enum_type([value for value in schema.enum if value is not None]), None in schema.enum
    return "STRING", null


def _enum_type(values: list[Any]) -> Name:
    numbers: list[Decimal] = []
    for value in values:
        try:
            numbers.append(number(value))
        except ValueError:
            return "STRING"
    if not numbers:
        return "STRING"
    return "INTEGER" if all(value == value.to_integral_value() for value in numbers) else "FLOAT"
