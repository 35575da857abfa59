"""A JSON schema reduced to the keywords that decide how its data is stored.

Every other keyword is ignored, as schema-ddl does; a keyword whose value is `null` counts as absent. A schema with a known
keyword of the wrong shape (`"properties": "text"`) cannot be stored at all: `parse` answers `None`.
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from backbone.jsontext import LiteralNumber

TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
_MAX_DEPTH = 60
_MAX_EXPONENT = 5_000


@dataclass(frozen=True, slots=True)
class Keywords:
    """`types` None: no `type`. Numbers are exact. `additional_…` are a schema, a switch or absent."""

    types: frozenset[str] | None = None
    enum: tuple[Any, ...] | None = None
    format: str | None = None
    multiple_of: Decimal | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    items: "Keywords | tuple[Keywords, ...] | None" = None
    additional_items: "Keywords | bool | None" = None
    properties: "dict[str, Keywords] | None" = None
    additional_properties: "Keywords | bool | None" = None
    required: tuple[str, ...] | None = None
    one_of: "tuple[Keywords, ...]" = ()
    any_of: "tuple[Keywords, ...]" = ()

    def only(self, kind: str) -> bool:
        """Of this type, perhaps or null."""
        return self.types is not None and self.types - {"null"} == {kind}

    def permits(self, *kinds: str) -> bool:
        return self.types is None or not self.types.isdisjoint(kinds)


class _Unreadable(Exception):
    pass


def parse(schema: Any) -> Keywords | None:
    """Keywords of a parsed JSON schema (numbers best as `jsontext.loads` leaves them); None if it cannot be read as one."""
    try:
        return _parse(schema, 0)
    except _Unreadable:
        return None


def number(value: Any) -> Decimal:
    """The exact value of a JSON number, spelling kept (`0.10` has two decimals). Raises ValueError."""
    if type(value) is int:
        return Decimal(value)
    if type(value) is LiteralNumber:
        text = value.text
    elif type(value) is float:
        text = repr(value)
    else:
        raise ValueError("not a number")
    try:
        exact = Decimal(text)
    except InvalidOperation:
        raise ValueError("not a number") from None
    if not exact.is_finite() or abs(exact.adjusted()) > _MAX_EXPONENT:
        raise ValueError("out of any range")
    return exact


def _parse(schema: Any, depth: int) -> Keywords:
    if type(schema) is not dict or depth > _MAX_DEPTH:
        raise _Unreadable
    found = {key: value for key, value in schema.items() if value is not None}
    _check_rest(found, depth)
    return Keywords(
        types=_types(found.get("type")),
        enum=_enum(found.get("enum")),
        format=_text(found.get("format")),
        multiple_of=_number(found.get("multipleOf"), quoted=True),
        minimum=_number(found.get("minimum")),
        maximum=_number(found.get("maximum")),
        items=_items(found.get("items"), depth + 1),
        additional_items=_schema_or_switch(found.get("additionalItems"), depth + 1),
        properties=_properties(found.get("properties"), depth + 1),
        additional_properties=_schema_or_switch(found.get("additionalProperties"), depth + 1),
        required=_required(found.get("required")),
        one_of=_schemas(found.get("oneOf"), depth + 1),
        any_of=_schemas(found.get("anyOf"), depth + 1),
    )


def _check_rest(found: dict[str, Any], depth: int) -> None:
    """Keywords that do not decide a type must be well-formed all the same."""
    for key in ("maxLength", "minLength"):
        _whole(_number(found.get(key), quoted=True))
    for key in ("maxItems", "minItems"):
        _whole(_number(found.get(key)))
    for key in ("pattern", "description", "$schema"):
        _text(found.get(key))
    _properties(found.get("patternProperties"), depth + 1)


def _types(value: Any) -> frozenset[str] | None:
    if value is None:
        return None
    names = [value] if type(value) is str else value
    if type(names) is not list or any(type(name) is not str or name not in TYPES for name in names):
        raise _Unreadable
    return frozenset(names)


def _enum(value: Any) -> tuple[Any, ...] | None:
    if value is None:
        return None
    if type(value) is not list:
        raise _Unreadable
    return tuple(value)


def _text(value: Any) -> str | None:
    if value is not None and type(value) is not str:
        raise _Unreadable
    return value


def _number(value: Any, quoted: bool = False) -> Decimal | None:
    """Some numeric keywords are also read from a string, as the original does."""
    if value is None:
        return None
    try:
        return number(LiteralNumber(value)) if quoted and type(value) is str else number(value)
    except ValueError:
        raise _Unreadable from None


def _whole(value: Decimal | None) -> None:
    if value is not None and value != value.to_integral_value():
        raise _Unreadable


def _items(value: Any, depth: int) -> Keywords | tuple[Keywords, ...] | None:
    if type(value) is list:
        return tuple(_parse(item, depth) for item in value)
    return None if value is None else _parse(value, depth)


def _schema_or_switch(value: Any, depth: int) -> Keywords | bool | None:
    return value if value is None or type(value) is bool else _parse(value, depth)


def _properties(value: Any, depth: int) -> dict[str, Keywords] | None:
    if value is None:
        return None
    if type(value) is not dict:
        raise _Unreadable
    return {key: _parse(item, depth) for key, item in value.items()}


def _required(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if type(value) is not list or any(type(key) is not str for key in value):
        raise _Unreadable
    return tuple(value)


def _schemas(value: Any, depth: int) -> tuple[Keywords, ...]:
    if value is None:
        return ()
    if type(value) is not list:
        raise _Unreadable
    return tuple(_parse(item, depth) for item in value)
