"""One JSON schema → the warehouse field that holds its data: types, nullability, nesting.

The rules are those of Snowplow's BigQuery Loader 2 (schema-ddl 0.27), so that tables of both have the same columns. Families
of versions are folded by `backbone.column_families`. The text of a type is how the `expected` of a loader bad row names it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal as Number
from typing import Any, Literal, TypeAlias

from backbone.column_names import field_name
from backbone.schema_alternatives import storable
from backbone.schema_keywords import Keywords, number

Name = Literal["String", "Boolean", "Integer", "Long", "Double", "Date", "Timestamp", "Json"]
_INT = range(-(2**31), 2**31)
_LONG = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Scalar:
    """`Integer` is 32 bits wide, `Long` 64. `Json` holds JSON text of any value."""

    name: Name

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Decimal:
    """Exact number of at most `precision` (9, 18 or 38) digits, `scale` of them after the point."""

    precision: int
    scale: int

    def __str__(self) -> str:
        return f"Decimal(Digits{self.precision},{self.scale})"


@dataclass(frozen=True, slots=True)
class Struct:
    fields: "tuple[Field, ...]"

    def __str__(self) -> str:
        return f"Struct(NonEmptyVector({', '.join(map(str, self.fields))}))"


@dataclass(frozen=True, slots=True)
class Array:
    """`nullable` says whether items may be null."""

    element: "Type"
    nullable: bool

    def __str__(self) -> str:
        return f"Array({self.element},{_presence(self.nullable)})"


Type: TypeAlias = Scalar | Decimal | Struct | Array


@dataclass(frozen=True, slots=True)
class Field:
    """`accessors`: the property names it is read from, sorted; more than one when they differ only in case or punctuation."""

    name: str
    type: Type
    nullable: bool
    accessors: tuple[str, ...]

    def __str__(self) -> str:
        return f"Field({self.name},{self.type},{_presence(self.nullable)},Set({', '.join(self.accessors)}))"


def _presence(nullable: bool) -> str:
    return "Nullable" if nullable else "Required"


STRING, BOOLEAN, INTEGER, LONG = Scalar("String"), Scalar("Boolean"), Scalar("Integer"), Scalar("Long")
DOUBLE, DATE, TIMESTAMP, JSON = Scalar("Double"), Scalar("Date"), Scalar("Timestamp"), Scalar("Json")

SCHEMA_VERSION = "_schema_version"
_VERSION_FIELD = Field(SCHEMA_VERSION, STRING, False, (SCHEMA_VERSION,))


def event_field(name: str, schema: Keywords) -> Field | None:
    """Column of a self-describing event; None when the schema allows nothing to store."""
    found = _typed(storable(schema))
    if found is None:
        return None
    return Field(field_name(name), _normalized(found[0]), True, (name,))


def entity_field(name: str, schema: Keywords) -> Field | None:
    """Column of an entity: a list, whose structs start with the version of the schema each item was written for."""
    found = _typed(storable(schema))
    if found is None:
        return None
    element, nullable = found
    element = _normalized(element)
    if isinstance(element, Struct):
        element = Struct((_VERSION_FIELD, *(field for field in element.fields if field.name != SCHEMA_VERSION)))
    return Field(field_name(name), Array(element, nullable), True, (name,))


def _typed(schema: Keywords) -> tuple[Type, bool] | None:
    """(type, whether null is allowed explicitly)."""
    if schema.only("object"):
        found: Type | None = _object_type(schema)
    elif schema.only("array"):
        found = _array_type(schema)
    else:
        return _scalar(schema)
    return None if found is None else (found, _null_typed(schema))


def _null_typed(schema: Keywords) -> bool:
    return schema.types is not None and "null" in schema.types


def _object_type(schema: Keywords) -> Type | None:
    fields = []
    for key, inner in (schema.properties or {}).items():
        if (found := _typed(inner)) is not None:
            kind, nullable = found
            fields.append(Field(key, kind, nullable or key not in (schema.required or ()), (key,)))
    if fields:
        return Struct(tuple(sorted(fields, key=lambda field: _java_order(field.name))))
    return None if schema.additional_properties is False else JSON


def _array_type(schema: Keywords) -> Type | None:
    if not isinstance(schema.items, Keywords):
        return Array(JSON, True)
    found = _typed(schema.items)
    return None if found is None else Array(*found)


def _scalar(schema: Keywords) -> tuple[Type, bool]:
    null = _null_typed(schema)
    if schema.only("string"):
        return {"date": DATE, "date-time": TIMESTAMP}.get(schema.format or "", STRING), null
    if schema.only("boolean"):
        return BOOLEAN, null
    if schema.only("integer"):
        return _integer_type(schema), null
    if (schema.types is not None and schema.types - {"null"} == {"number", "integer"}) or schema.only("number"):
        return _number_type(schema), null
    if schema.enum is not None:
        return _enum_type(schema.enum), None in schema.enum
    return JSON, null or schema.types is None


def _integer_type(schema: Keywords) -> Type:
    if schema.minimum is None or schema.maximum is None:
        return LONG
    if schema.minimum >= _INT.start and schema.maximum < _INT.stop:
        return INTEGER
    if schema.minimum >= _LONG.start and schema.maximum < _LONG.stop:
        return LONG
    return _decimal_type(max(_whole_digits(schema.minimum), _whole_digits(schema.maximum)), 0)


def _number_type(schema: Keywords) -> Type:
    step = schema.multiple_of
    if step is None:
        return DOUBLE
    if step == step.to_integral_value():
        return _integer_type(schema)
    if schema.minimum is None or schema.maximum is None:
        return DOUBLE
    scale = -_exponent(step)
    return _decimal_type(max(_bound_digits(schema.minimum), _bound_digits(schema.maximum)) + scale, scale)


def _decimal_type(digits: int, scale: int) -> Type:
    for precision in (9, 18, 38):
        if digits <= precision:
            return Decimal(precision, scale)
    return DOUBLE


def _exponent(value: Number) -> int:
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return exponent


def _whole_digits(value: Number) -> int:
    """Digits before the point; zero or less for small fractions."""
    return len(value.as_tuple().digits) + _exponent(value)


def _bound_digits(bound: Number) -> int:
    whole = bound.to_integral_value()
    return len(str(abs(int(bound)))) if whole == bound else _whole_digits(bound)


def _enum_type(values: tuple[Any, ...]) -> Type:
    given = [value for value in values if value is not None]
    try:
        numbers = [number(value) for value in given]
    except ValueError:
        return STRING if all(type(value) is str for value in given) else JSON
    scale = max((-_exponent(value) for value in numbers), default=0)
    top = max((abs(value) for value in numbers), default=Number(0))
    if scale <= 0 and top < _INT.stop:
        return INTEGER
    if scale <= 0 and top < _LONG.stop:
        return LONG
    return _decimal_type(_whole_digits(top) + max(scale, 0), max(scale, 0))


def _normalized(kind: Type) -> Type:
    """Field names as the warehouse has them; properties that share one become one field, typed by the first of their names."""
    if isinstance(kind, Array):
        return Array(_normalized(kind.element), kind.nullable)
    if not isinstance(kind, Struct):
        return kind
    merged: dict[str, Field] = {}
    for field in kind.fields:
        name = field_name(field.name)
        if name in merged:
            merged[name] = replace(merged[name], accessors=sorted_names((*merged[name].accessors, *field.accessors)))
        else:
            merged[name] = replace(field, name=name, type=_normalized(field.type))
    return Struct(tuple(merged[name] for name in sorted(merged)))


def sorted_names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=_java_order))


def _java_order(text: str) -> bytes:
    """Sort key: by UTF-16 code units."""
    return text.encode("utf-16-be", "surrogatepass")
