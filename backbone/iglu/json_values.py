"""JSON values as the validation rules see them: `1` is an integer, `1.0`, `1e2` and `-0.0` are not; numbers compare as decimals.

Values come from `jsontext.loads`: numbers are `int`, `float` (its shortest text is the one sent) or `LiteralNumber`.
"""

from collections.abc import Hashable
from decimal import Decimal, InvalidOperation
from typing import Any

from backbone.jsontext import LiteralNumber

_NAMES = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
    dict: "object",
    list: "array",
}
MAX_EXACT_TEXT = 16
"""A decimal text of so many characters has at most 15 digits, which a double always keeps."""


def type_name(value: Any) -> str:
    """The JSON Schema type; an integer is `integer`, any other number `number`."""
    name = _NAMES.get(type(value))
    if name is None:
        return "integer" if _is_integer_text(value.text) else "number"
    return name


def _is_integer_text(text: str) -> bool:
    return not ("." in text or "e" in text or "E" in text)


def is_number(value: Any) -> bool:
    kind = type(value)
    return kind is int or kind is float or kind is LiteralNumber


def decimal_of(value: int | float) -> Decimal:
    """The number as it was written; exponents beyond 10^18 become infinite or zero."""
    if type(value) is int:
        return Decimal(value)
    text = value.text if isinstance(value, LiteralNumber) else repr(value)
    try:
        return Decimal(text)
    except InvalidOperation:
        mantissa, _, exponent = text.lower().partition("e")
        if exponent.startswith("-"):
            return Decimal(0)
        return Decimal("-Infinity" if mantissa.startswith("-") else "Infinity")


def number_text(value: int | float) -> str:
    """How Java prints the number: `5`, `0.10`, `1E+3`."""
    return str(value) if type(value) is int else str(decimal_of(value))


def java_double_text(number: float) -> str:
    """How Java prints a double: `2.0`, `0.01`, `1.0E-4`, `1.0E10`."""
    if number == 0 or 1e-3 <= abs(number) < 1e7:
        return repr(float(number))
    mantissa, _, exponent = f"{Decimal(repr(number)).normalize():E}".partition("E")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent)}"


def is_multiple(value: int | float, divisor: float) -> bool:
    """Exact in decimals, but that integers are first rounded to a double, as Snowplow's validator does."""
    dividend = decimal_of(value)
    if type(value) is int and abs(value) < 2**1000:
        dividend = Decimal(repr(float(value)))
    if not dividend.is_finite():
        return True
    _, digits, exponent = dividend.as_tuple()
    _, divisor_digits, divisor_exponent = Decimal(repr(float(divisor))).as_tuple()
    number = int("".join(map(str, digits)))
    unit = int("".join(map(str, divisor_digits)))
    assert isinstance(exponent, int)
    assert isinstance(divisor_exponent, int)
    shift = exponent - divisor_exponent
    if shift >= 0:
        return number * pow(10, shift, unit) % unit == 0
    return number == 0 or (-shift <= len(digits) and number % (unit * 10**-shift) == 0)


def identity(value: Any, nested: bool = True) -> Hashable:
    """Equal for values that count as the same. Nested, `1` and `1.0` differ; as a member of an `enum` they do not."""
    kind = type(value)
    if kind is dict:
        return ("object", frozenset((key, identity(item)) for key, item in value.items()))
    if kind is list:
        return ("array", tuple(identity(item) for item in value))
    if kind is str or kind is bool or value is None:
        return (kind.__name__, value)
    if nested and type_name(value) == "integer":
        return ("integer", decimal_of(value))
    return ("number", decimal_of(value))


def as_text(value: Any) -> str:
    """A scalar's text in messages; empty for objects and arrays."""
    kind = type(value)
    if kind is str:
        text: str = value
        return text
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    return "" if kind is dict or kind is list else number_text(value)


def faithful(value: Any) -> Any:
    """The value with plain floats for every LiteralNumber, for a validator that knows only these.

    Raises ValueError if that might change a number: more digits than a double holds for sure, or another kind of number.
    """
    kind = type(value)
    if kind is dict:
        return {key: faithful(item) for key, item in value.items()}
    if kind is list:
        return [faithful(item) for item in value]
    if kind is LiteralNumber:
        text = value.text
        if len(text) > MAX_EXACT_TEXT or "e" in text or "E" in text or "." not in text:
            raise ValueError
        return float(value)
    return value
