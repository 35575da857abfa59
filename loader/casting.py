"""JSON value → the value its column takes, or what is wrong with it.

A field is compiled once into a function, then applied to every row. The target's own forms (how it takes a timestamp, a
decimal …) come in as an `Encoding`, so one set of rules serves every warehouse.
"""

from collections.abc import Callable
from decimal import Context
from decimal import Decimal as Number
from math import isinf, isnan
from typing import Any, NamedTuple

from backbone import jsontext
from backbone.jsontext import LiteralNumber
from backbone.schema_keywords import number
from backbone.schema_types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    JSON,
    LONG,
    SCHEMA_VERSION,
    STRING,
    TIMESTAMP,
    Array,
    Decimal,
    Field,
    Scalar,
    Struct,
    Type,
)
from loader.instants import date_days, instant_micros

Cast = Callable[[Any], Any]
_NUMBERS = (int, float, LiteralNumber)
_INT_MAX = 2**31 - 1
_LONG_MAX = 2**63 - 1


class Encoding(NamedTuple):
    """How a warehouse takes values that JSON has no form for."""

    timestamp: Callable[[int], Any]
    """From microseconds since 1970 UTC."""
    date: Callable[[int], Any]
    """From days since 1970."""
    decimal: Callable[[Number], Any]
    """From a number already at the scale of its column."""
    unnamed: str = ""
    """Name of the field for a property whose name is empty, which warehouses refuse."""


class WrongType(NamedTuple):
    """`value` does not fit; `expected` names the type as Snowplow's loader does."""

    value: Any
    expected: str


class CastError(Exception):
    """Everything in one value that does not fit its column. Raised by compiled casts, caught by who calls them."""

    def __init__(self, faults: list[WrongType]) -> None:
        self.faults = faults
        super().__init__(f"{len(faults)} values do not fit")


def compile_cast(kind: Type, encoding: Encoding) -> Cast:
    """A function of one non-null JSON value; it raises CastError and nothing else."""
    if isinstance(kind, Struct):
        return _struct(kind, encoding)
    if isinstance(kind, Array):
        return _array(kind, encoding)
    if isinstance(kind, Decimal):
        return _decimal(kind, encoding)
    return _scalar(kind, encoding)


def compile_item_cast(item: Struct, version: str, encoding: Encoding) -> Cast:
    """Like `compile_cast`, for an entity: its `_schema_version` is given. Errors name the whole type."""
    rest = tuple(field for field in item.fields if field.name != SCHEMA_VERSION)
    return _struct(Struct(rest), encoding, item, {SCHEMA_VERSION: version})


def _wrong(value: Any, kind: Type) -> CastError:
    return CastError([WrongType(value, str(kind))])


def _scalar(kind: Type, encoding: Encoding) -> Cast:
    if kind == JSON:
        return jsontext.dumps
    if kind == STRING:
        return _exactly(str, kind)
    if kind == BOOLEAN:
        return _exactly(bool, kind)
    if kind == DOUBLE:
        return _double
    if kind in (INTEGER, LONG):
        return _whole(kind, _INT_MAX if kind == INTEGER else _LONG_MAX)
    if kind == DATE:
        return _text(kind, date_days, encoding.date)
    assert kind == TIMESTAMP
    return _text(kind, instant_micros, encoding.timestamp)


def _exactly(python: type, kind: Type) -> Cast:
    def cast(value: Any) -> Any:
        if type(value) is python:
            return value
        raise _wrong(value, kind)

    return cast


def _double(value: Any) -> float:
    if type(value) in _NUMBERS:
        try:
            result = float(value)
        except OverflowError:
            raise _wrong(value, DOUBLE) from None
        if not isinf(result) and not isnan(result):
            return result
    raise _wrong(value, DOUBLE)


def _whole(kind: Type, limit: int) -> Cast:
    def cast(value: Any) -> int:
        if type(value) is int:
            whole = value
        elif type(value) in _NUMBERS:
            whole = _whole_of(value, kind)
        else:
            raise _wrong(value, kind)
        if -limit - 1 <= whole <= limit:
            return whole
        raise _wrong(value, kind)

    return cast


def _whole_of(value: Any, kind: Type) -> int:
    try:
        exact = number(value)
    except ValueError:
        raise _wrong(value, kind) from None
    if exact.adjusted() > 20 or exact != exact.to_integral_value():
        raise _wrong(value, kind)
    return int(exact)


def _decimal(kind: Decimal, encoding: Encoding) -> Cast:
    step = Number(1).scaleb(-kind.scale)
    zero = Number(0).quantize(step, context=_WIDE)

    def cast(value: Any) -> Any:
        try:
            exact = number(value)
        except ValueError:
            raise _wrong(value, kind) from None
        if not _fits(exact, kind):
            raise _wrong(value, kind)
        return encoding.decimal(exact.quantize(step, context=_WIDE) if exact else zero)

    return cast


_WIDE = Context(prec=100)


def _fits(value: Number, kind: Decimal) -> bool:
    """At most `precision` digits as written and before the point, and nothing lost with `scale` digits after it."""
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    surplus = -exponent - kind.scale
    lossless = surplus <= 0 or not any(digits[-surplus:])
    return lossless and len(digits) <= kind.precision and (not value or value.adjusted() < kind.precision)


def _text(kind: Type, read: Callable[[str], int | None], encode: Callable[[int], Any]) -> Cast:
    def cast(value: Any) -> Any:
        found = read(value) if type(value) is str else None
        if found is None:
            raise _wrong(value, kind)
        return encode(found)

    return cast


_AS_THEY_ARE = {STRING: str, BOOLEAN: bool, DOUBLE: float}
"""Types whose values need no look when they have this Python type; an infinite number is never a plain `float`."""


def _array(kind: Array, encoding: Encoding) -> Cast:
    """Null items are dropped where items may be null; a list of JSON keeps them as JSON nulls if they may not."""
    element = compile_cast(kind.element, encoding)
    keeps_null = kind.element == JSON

    def cast(value: Any) -> list[Any]:
        if type(value) is not list:
            raise _wrong(value, kind)
        result = []
        faults: list[WrongType] = []
        for item in value:
            if item is None:
                if kind.nullable:
                    continue
                if not keeps_null:
                    faults.append(WrongType(None, str(kind.element)))
                    continue
            try:
                result.append(element(item))
            except CastError as error:
                faults.extend(error.faults)
        if faults:
            raise CastError(faults)
        return result

    return cast


def _struct(kind: Struct, encoding: Encoding, shown: Struct | None = None, given: dict[str, Any] | None = None) -> Cast:
    fields = [_compiled(field, encoding) for field in kind.fields]
    start = given or {}

    def cast(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _wrong(value, shown or kind)
        result = start.copy()
        faults: list[WrongType] = []
        find = value.get
        for name, key, plain, nullable, other in fields:
            found = find(key)
            if type(found) is plain:
                result[name] = found
            elif found is not None or not nullable:
                try:
                    found = other(found, value)
                except CastError as error:
                    faults.extend(error.faults)
                    continue
                if found is not None:
                    result[name] = found
        if faults:
            raise CastError(faults)
        return result

    return cast


class _Compiled(NamedTuple):
    """`plain`: values of this Python type are taken as they are. `nullable`: null or missing is fine and stores nothing."""

    name: str
    key: str
    plain: type
    nullable: bool
    other: Callable[[Any, dict[str, Any]], Any]
    """Of any other value, and the object it is in."""


def _compiled(field: Field, encoding: Encoding) -> _Compiled:
    name = field.name or encoding.unnamed
    element = compile_cast(field.type, encoding)
    if len(field.accessors) > 1:
        several = _from_several(field, element)
        return _Compiled(name, field.accessors[0], _Never, False, lambda _, value: several(value))
    plain = _AS_THEY_ARE.get(field.type, _Never) if isinstance(field.type, Scalar) else _Never
    kind = str(field.type)

    def other(found: Any, _: dict[str, Any]) -> Any:
        if found is None:
            raise CastError([WrongType(None, kind)])
        return element(found)

    return _Compiled(name, field.accessors[0], plain, field.nullable, other)


class _Never:
    """The type of no JSON value."""


def _from_several(field: Field, element: Cast) -> Cast:
    """The first of several keys whose value fits counts; none that fits is an error unless a null among them excuses it."""

    def cast(value: dict[str, Any]) -> Any:
        first_error: CastError | None = None
        missing = False
        for key in field.accessors:
            found = value.get(key)
            if found is None:
                missing = True
                continue
            try:
                return element(found)
            except CastError as error:
                first_error = first_error or error
        if field.nullable and missing:
            return None
        raise first_error or _wrong(None, field.type)

    return cast
