"""How the text of a tracker parameter becomes a field's value.

Each converter answers (value, problem), one of them `None`; an empty text is not an absent one. What counts as a number follows
the JVM: any Unicode decimal digits, an optional sign, no spaces, no underscores.
"""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from enricher import timestamps

_INTEGER = re.compile(r"[+-]?\d+\Z")
_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE]([+-]?\d+))?\Z")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
_SIZES = re.compile(r"([0-9]+)x([0-9]+)\Z")
_ADDRESS_END = re.compile("[,| ]")
_MAX_DIGITS = 10_000
"""Beyond this a number in exponent form would be written out at a length no column holds."""
_MAX_SCALE = 2**31 - 1
_LONGEST_EXPONENT = 12
_CACHED_LENGTH = 16
_SAFE_DIGITS = {32: 10, 64: 19}
"""Fewer digits than these cannot overflow so many bits."""

PLATFORMS = frozenset(("web", "mob", "pc", "srv", "app", "tv", "cnsl", "iot", "headset"))
EVENTS = {
    "pv": "page_view",
    "pp": "page_ping",
    "tr": "transaction",
    "ti": "transaction_item",
    "se": "struct",
    "ev": "struct",
    "ue": "unstruct",
    "ad": "ad_impression",
}


class Converted(NamedTuple):
    value: Any
    problem: str | None = None


_NOTHING = Converted(None)
_NOT_INTEGER = Converted(None, "Cannot be converted to java.lang.Integer")
_EXPONENT_TOO_LARGE = Converted(None, "Cannot be converted to java.math.BigDecimal. Error : exponent out of range")
_NOT_UUID = Converted(None, "Not a valid UUID")
_NOT_FLAG = Converted(None, "Cannot be converted to Boolean-like java.lang.Byte")
_FLAGS = {"0": Converted(0), "1": Converted(1)}
_PLATFORMS = {name: Converted(name) for name in PLATFORMS}
_NOT_PLATFORM = Converted(None, "Not a valid platform")
_EVENTS = {code: Converted(name) for code, name in EVENTS.items()}
_NOT_EVENT = Converted(None, "Not a valid event type")
_NOT_MILLIS = Converted(None, "Not in the expected format: ms since epoch")
_NOT_SIZES = Converted(None, r"Does not conform to regex (\d+)x(\d+)")


def whole_number(text: str, bits: int = 32) -> int | None:
    """A signed integer of that many bits, or `None`."""
    if len(text) < _SAFE_DIGITS[bits] and text.isascii() and text.isdigit():
        return int(text)
    if len(text) > 64 or not _INTEGER.match(text) or max(text) > "\uffff":
        return None
    number = int(text)
    return number if -(1 << (bits - 1)) <= number < 1 << (bits - 1) else None


def integer(text: str) -> Converted:
    return _short_integer(text) if len(text) <= _CACHED_LENGTH else _integer(text)


def _integer(text: str) -> Converted:
    number = whole_number(text)
    if number is not None:
        return Converted(number)
    return _NOTHING if text.lower() == "null" else _NOT_INTEGER


_short_integer = lru_cache(maxsize=8192)(_integer)


def decimal(text: str) -> Converted:
    """Plain decimal text: `1E7` is written out, the scale is kept (`42.50`), tiny numbers stay in exponent form (`1E-7`)."""
    if text.lower() == "null":
        return _NOTHING
    match = _DECIMAL.match(text)
    if match is None or len(text) > _MAX_DIGITS or max(text) > "\uffff":
        return Converted(None, f"Cannot be converted to java.math.BigDecimal. Error : {_decimal_problem(text)}")
    if match[1] and len(match[1]) > _LONGEST_EXPONENT:
        return _EXPONENT_TOO_LARGE
    number = Decimal(text)
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or not -_MAX_SCALE <= exponent <= _MAX_DIGITS:
        return _EXPONENT_TOO_LARGE
    if number.is_zero():
        number = abs(number)
    return Converted(f"{number:f}" if exponent > 0 else str(number))


def _decimal_problem(text: str) -> str:
    odd = next((character for character in text if character not in "+-.eE" and not character.isdecimal()), None)
    return f"character {odd!r} belongs to no number" if odd else "not a number"


def uuid(text: str) -> Converted:
    lower = text.lower()
    return Converted(lower) if _UUID.match(lower) else _NOT_UUID


def flag(text: str) -> Converted:
    return _FLAGS.get(text, _NOT_FLAG)


def timestamp(text: str) -> Converted:
    millis = whole_number(text, 64)
    if millis is None:
        return _NOT_MILLIS
    if not timestamps.EARLIEST <= millis <= timestamps.LATEST:
        return Converted(None, f"Formatting as {timestamps.column(millis)} is not Redshift-compatible")
    return Converted(timestamps.column(millis))


def dimensions(text: str) -> Converted:
    """`1200x800` → (1200, 800)."""
    return _short_dimensions(text) if len(text) <= _CACHED_LENGTH else _dimensions(text)


def _dimensions(text: str) -> Converted:
    match = _SIZES.match(text)
    if match is None:
        return _NOT_SIZES
    width, height = whole_number(match[1]), whole_number(match[2])
    if width is None or height is None:
        return Converted(None, f"Could not be converted to java.lang.Integer {text}")
    return Converted((width, height))


_short_dimensions = lru_cache(maxsize=8192)(_dimensions)


def platform(text: str) -> Converted:
    return _PLATFORMS.get(text, _NOT_PLATFORM)


def event(text: str) -> Converted:
    return _EVENTS.get(text, _NOT_EVENT)


def first_address(text: str) -> str:
    """What stands before the first comma, pipe or space."""
    return _ADDRESS_END.split(text, maxsplit=1)[0]
