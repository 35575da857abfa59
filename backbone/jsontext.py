"""JSON in and out without changing what the sender wrote: number literals and key order survive a round trip.

orjson is fast but rewrites numbers (`1.10` → `1.1`, 40-digit integers → floats). So a text is first tried as "exact": parsed
and printed again it is the same bytes, as most trackers' compact JSON is. Otherwise numbers that would change are kept as
`LiteralNumber`, a float that remembers its spelling.

Printing follows circe's compact printer, which the enriched format inherits: only `"`, `\\` and control characters
(U+0000–U+001F, U+007F–U+009F) are escaped; a lone surrogate becomes `?`. Duplicate keys: last value, first position.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

import orjson

MAX_DEPTH = 50
"""Levels of nesting the enricher accepts, scalars counted (Snowplow Enrich `validation.maxJsonDepth`)."""

_RISKY_NUMBER = re.compile(rb"\d[.eE]|\d{16}|-0")
_LATE_CONTROLS = re.compile("[\x7f-\x9f]")
_NESTING = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
"""Strings and brackets. Possessive, so that an unfinished string is read once, not once for every quote in it."""
_MAX_INTEGER_DIGITS = 4_000
_SAFE_NESTING = 200


class LiteralNumber(float):
    """A number whose spelling must survive, such as `1.10`, `1e400` (infinite as a float) or `-0`."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> "LiteralNumber":
        number = super().__new__(cls, text)
        number.text = text
        return number


class JsonError(ValueError):
    """Not JSON; the text says why and holds nothing of the data."""


class JsonTooDeep(JsonError):
    """More than MAX_DEPTH levels."""

    def __init__(self) -> None:
        super().__init__("maximum allowed JSON depth exceeded")


def loads(text: str | bytes) -> tuple[Any, bool]:
    """(value, exact). `exact` is true when the value holds no LiteralNumber, so that `dumps` may take the fast way.

    Raises JsonError; nothing deeper than every walker can walk is returned (JsonTooDeep past 200 levels of brackets).
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if not raw or raw.isspace():
        raise JsonError("exhausted input")
    if raw.count(b"[") + raw.count(b"{") > _SAFE_NESTING and _nesting(raw.decode("utf-8", "replace")) > _SAFE_NESTING:
        raise JsonTooDeep
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return _loads_slowly(raw, error)
    if orjson.dumps(value) == raw or _RISKY_NUMBER.search(raw) is None or _keeps_numbers(value):
        return value, True
    return _loads_slowly(raw, None)


def _keeps_numbers(value: Any) -> bool:
    """Whether it holds only numbers that orjson reads as they were written: whole ones but zero, which may have been `-0`."""
    if type(value) is dict:
        return all(map(_keeps_numbers, value.values()))
    if type(value) is list:
        return all(map(_keeps_numbers, value))
    return type(value) is not float and (type(value) is not int or value != 0)


def _loads_slowly(raw: bytes, error: orjson.JSONDecodeError | None) -> tuple[Any, bool]:
    """Keeps numbers; also takes the lone surrogates that orjson refuses. Anything else orjson refuses stays refused."""
    if raw.startswith(b"\xef\xbb\xbf"):
        raise JsonError("unexpected byte order mark")
    try:
        value = _keeping.decode(raw.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as problem:
        raise JsonError(_short(error or problem)) from None
    return value, False


def _short(problem: Exception) -> str:
    return re.sub(r"\s+", " ", str(problem))[:200]


def _float(literal: str) -> float:
    return LiteralNumber(literal)


def _integer(literal: str) -> int | float:
    if literal == "-0" or len(literal) > _MAX_INTEGER_DIGITS:
        return LiteralNumber(literal)
    return int(literal)


def _constant(name: str) -> Any:
    raise ValueError(f"unexpected {name}")


_keeping = json.JSONDecoder(parse_float=_float, parse_int=_integer, parse_constant=_constant)


def _nesting(text: str) -> int:
    deepest = level = 0
    for token in _NESTING.findall(text):
        if token in "[{":
            level += 1
            deepest = max(deepest, level)
        elif token in "]}":
            level -= 1
    return deepest


def depth(value: Any, limit: int = MAX_DEPTH) -> int:
    """Levels of nesting, a scalar being 1; stops counting one past `limit`."""
    items: Iterable[Any]
    if type(value) is dict:
        items = value.values()
    elif type(value) is list:
        items = value
    else:
        return 1
    deepest = 0
    for item in items:
        kind = type(item)
        if kind is dict or kind is list:
            inner = depth(item, limit - 1) if limit > 1 else 1
            if inner > deepest:
                if inner >= limit:
                    return limit + 1
                deepest = inner
        elif not deepest:
            deepest = 1
    return deepest + 1


def dumps(value: Any, exact: bool = True) -> str:
    """Compact text of a value from `loads` (or built of plain Python values)."""
    if exact:
        try:
            text = orjson.dumps(value).decode()
        except (TypeError, orjson.JSONEncodeError):
            text = _print(value)
    else:
        text = _print(value)
    if (not text.isascii() or "\x7f" in text) and _LATE_CONTROLS.search(text):
        text = _LATE_CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return text


_escape = json.JSONEncoder(ensure_ascii=False).encode


def _print(value: Any) -> str:
    kind = type(value)
    if kind is str:
        return _escape(value).encode("utf-8", "replace").decode()
    if kind is LiteralNumber:
        text: str = value.text
        return text
    if kind is dict:
        return "{" + ",".join(f"{_print(str(key))}:{_print(item)}" for key, item in value.items()) + "}"
    if kind is list or kind is tuple:
        return "[" + ",".join(map(_print, value)) + "]"
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(value)
    if value is None:
        return "null"
    return orjson.dumps(value).decode()
