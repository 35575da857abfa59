"""Scalar JSON values → scalar columns, and what is wrong with those that do not fit."""

from collections.abc import Callable
from decimal import Context
from decimal import Decimal as Number
from math import isinf, isnan
from typing import Any, NamedTuple

from backbone import jsontext
from backbone.jsontext import LiteralNumber
from backbone.schema_keywords import number
from backbone.schema_types import BOOLEAN, DATE, DOUBLE, INTEGER, JSON, LONG, STRING, TIMESTAMP, Decimal, Scalar, Type
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
    json: Callable[[Any], Any] = jsontext.dumps
    """From a JSON value of any kind."""
    missing_json: Type = JSON
    """How a null is reported where JSON has to be."""


class WrongType(NamedTuple):
    """`value` does not fit; `expected` names the type as Snowplow's loader does."""

    value: Any
    expected: str


class CastError(Exception):
    """Everything in one value that does not fit its column. Raised by compiled casts, caught by who calls them."""

    def __init__(self, faults: list[WrongType]) -> None:
        self.faults = faults
        super().__init__(f"{len(faults)} values do not fit")


def wrong(value: Any, kind: Type) -> CastError:
    return CastError([WrongType(value, str(kind))])


def scalar_cast(kind: Scalar, encoding: Encoding) -> Cast:
    if kind == JSON:
        return encoding.json
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
        raise wrong(value, kind)

    return cast


def _double(value: Any) -> float:
    if type(value) in _NUMBERS:
        try:
            result = float(value)
        except OverflowError:
            raise wrong(value, DOUBLE) from None
        if not isinf(result) and not isnan(result):
            return result
    raise wrong(value, DOUBLE)


def _whole(kind: Type, limit: int) -> Cast:
    def cast(value: Any) -> int:
        if type(value) is int:
            whole = value
        elif type(value) in _NUMBERS:
            whole = _whole_of(value, kind)
        else:
            raise wrong(value, kind)
        if -limit - 1 <= whole <= limit:
            return whole
        raise wrong(value, kind)

    return cast


def _whole_of(value: Any, kind: Type) -> int:
    try:
        exact = number(value)
    except ValueError:
        raise wrong(value, kind) from None
    if exact.adjusted() > 20 or exact != exact.to_integral_value():
        raise wrong(value, kind)
    return int(exact)


def decimal_cast(kind: Decimal, encoding: Encoding) -> Cast:
    step = Number(1).scaleb(-kind.scale)
    zero = Number(0).quantize(step, context=_WIDE)

    def cast(value: Any) -> Any:
        try:
            exact = number(value)
        except ValueError:
            raise wrong(value, kind) from None
        if not _fits(exact, kind):
            raise wrong(value, kind)
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
            raise wrong(value, kind)
        return encode(found)

    return cast
