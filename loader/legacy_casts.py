"""What BigQuery Loader 1 made of data, for those who compare its tables with newer ones. Nothing is loaded this way.

Its odd rule is kept: a null where a value is required, if that is all that is wrong, makes the nearest field that may be null
null, and drops an item of a list. Source: schema-ddl's `Row.cast`, as observed.
"""

from collections.abc import Iterable
from typing import Any

from backbone import jsontext
from backbone.iglu.resolver import Resolver, Schema
from backbone.jsontext import LiteralNumber
from backbone.schema_keywords import number, parse
from backbone.selfdescribing import SchemaKey
from loader.badrows import unresolved
from loader.enriched import EnrichedEvent
from loader.histories import Unresolved, lookup
from loader.legacy_types import LegacyField, LegacyType, Record, legacy_datum

Json = dict[str, Any]
_LONG = range(-(2**63), 2**63)
_NUMBERS = (int, float, LiteralNumber)


class _Faults(Exception):
    def __init__(self, faults: list[Json]) -> None:
        self.faults = faults

    @property
    def only_null(self) -> bool:
        return len(self.faults) == 1 and self.faults[0].get("value", "") is None


def legacy_row(event: EnrichedEvent, resolver: Resolver) -> Json:
    """`{"row"}` or `{"errors"}`; fractional numbers are text. Raises RegistryUnavailable."""
    row: Json = {}
    failures: list[Json] = []
    data = [("entity", entity) for entity in event.entities]
    if event.event is not None:
        data.append(("event", event.event))
    for kind, datum in data:
        field = _field(kind, datum.key, resolver)
        if isinstance(field, Unresolved):
            failures.append(unresolved(field))
            continue
        try:
            value = _cast(field, datum.data)
            if kind == "entity":
                row.setdefault(field.name, []).append(value)
            else:
                row[field.name] = value
        except _Faults as problem:
            failures.extend({"schemaKey": datum.key.uri, **fault} for fault in problem.faults)
    return {"errors": failures} if failures else {"row": row}


def _field(kind: Any, key: SchemaKey, resolver: Resolver) -> LegacyField | Unresolved:
    schema = lookup(resolver, key)
    if not isinstance(schema, Schema):
        return Unresolved(key, schema)
    keywords = parse(schema.document)
    return Unresolved(key, None) if keywords is None else legacy_datum(kind, key, keywords)


def _cast(field: LegacyField, value: Any) -> Any:
    if field.mode == "REPEATED":
        if value is None:
            return []
        if type(value) is not list:
            raise _wrong(value, field.type)
        return _items(field.type, value)
    try:
        return _value(field.type, value)
    except _Faults as problem:
        if field.mode == "NULLABLE" and problem.only_null:
            return None
        raise


def _items(kind: LegacyType, values: Iterable[Any]) -> list[Any]:
    result: list[Any] = []
    faults: list[Json] = []
    for value in values:
        try:
            result.append(_value(kind, value))
        except _Faults as problem:
            if not problem.only_null:
                faults.extend(problem.faults)
    if faults:
        raise _Faults(faults)
    return result


def _value(kind: LegacyType, value: Any) -> Any:
    if isinstance(kind, Record):
        return _record(kind, value)
    if kind == "STRING" and value is not None:
        return value if type(value) is str else jsontext.dumps(value)
    if kind == "BOOLEAN" and type(value) is bool:
        return value
    if kind in ("DATE", "TIMESTAMP") and type(value) is str:
        return value
    if kind in ("INTEGER", "FLOAT") and type(value) in _NUMBERS:
        return _number(kind, value)
    raise _wrong(value, kind)


def _number(kind: LegacyType, value: Any) -> Any:
    try:
        exact = number(value)
    except ValueError:
        raise _wrong(value, kind) from None
    if kind == "FLOAT":
        return str(exact) if exact or not exact.is_signed() else "0"
    if exact.adjusted() > 20 or exact != exact.to_integral_value() or int(exact) not in _LONG:
        raise _wrong(value, kind)
    return int(exact)


def _record(kind: Record, value: Any) -> Json:
    if type(value) is not dict:
        raise _wrong(value, kind)
    result: Json = {}
    faults: list[Json] = []
    for field in kind.fields:
        if field.key in value:
            try:
                result[field.name] = _cast(field, value[field.key])
            except _Faults as problem:
                faults.extend(problem.faults)
        elif field.mode == "REQUIRED":
            faults.append({"key": field.key, "value": value})
        else:
            result[field.name] = None
    if faults:
        raise _Faults(faults)
    return result


def _wrong(value: Any, kind: LegacyType) -> _Faults:
    return _Faults([{"value": value, "expected": jsontext.dumps(_type_told(kind))}])


def _type_told(kind: LegacyType) -> Json:
    if not isinstance(kind, Record):
        return {kind.title(): {}}
    fields = [{"name": field.key, "fieldType": _type_told(field.type), "mode": {field.mode.title(): {}}} for field in kind.fields]
    return {"Record": {"fields": fields}}
