"""The hash in a recovery column's name: Java's string hash of a canonical text of the schema.

The text lists the same 21 keywords at every level, absent ones as `null`. Maps of more than four keys follow the iteration
order of Scala's immutable hash map, found by experiment with the original, so that both loaders name the same column.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from backbone import jsontext
from backbone.jsontext import LiteralNumber
from backbone.schema_keywords import number

_KEYWORDS = [
    "multipleOf",
    "minimum",
    "maximum",
    "maxLength",
    "minLength",
    "pattern",
    "format",
    "$schema",
    "items",
    "additionalItems",
    "minItems",
    "maxItems",
    "properties",
    "additionalProperties",
    "required",
    "patternProperties",
    "type",
    "enum",
    "oneOf",
    "anyOf",
    "description",
]
_SCHEMAS = ("items", "additionalItems", "additionalProperties")
_MAPS = ("properties", "patternProperties")
_LISTS = ("oneOf", "anyOf")
_BOUNDS = ("multipleOf", "minimum", "maximum", "maxLength", "minLength", "maxItems", "minItems")
_UNION_ORDER = ("array", "null", "string", "object", "integer", "boolean", "number")
_SMALL = 4
_MASK = 0xFFFFFFFF


def schema_hash(schema: Any) -> str:
    """Eight lower-case hex digits for a parsed schema that `schema_keywords.parse` accepts."""
    return text_hash(_schema(schema))


def text_hash(text: str) -> str:
    return f"{_java_hash(text):08x}"


def _java_hash(text: str) -> int:
    result = 0
    data = text.encode("utf-16-be", "surrogatepass")
    for at in range(0, len(data), 2):
        result = (31 * result + (data[at] << 8) + data[at + 1]) & _MASK
    return result


def _schema(schema: Mapping[str, Any]) -> str:
    return "{" + ",".join(f'"{key}":{_value(key, schema.get(key))}' for key in _KEYWORDS) + "}"


def _value(key: str, value: Any) -> str:
    if value is None:
        return "null"
    if key in _MAPS:
        return "{" + ",".join(f"{jsontext.dumps(name)}:{_schema(value[name])}" for name in _map_order(value)) + "}"
    if key in _LISTS or (key == "items" and type(value) is list):
        return "[" + ",".join(map(_schema, value)) + "]"
    if key in _SCHEMAS and type(value) is dict:
        return _schema(value)
    if key in _BOUNDS:
        return _number_text(number(LiteralNumber(value) if type(value) is str else value))
    if key == "type" and type(value) is list:
        return _type_text(list(dict.fromkeys(value)))
    return jsontext.dumps(value, exact=False)


def _type_text(names: list[str]) -> str:
    if len(names) == 1:
        return f'"{names[0]}"'
    if len(names) > _SMALL:
        names.sort(key=_UNION_ORDER.index)
    return "[" + ",".join(f'"{name}"' for name in names) + "]"


def _number_text(value: Decimal) -> str:
    """As Java's BigDecimal prints it, whole numbers as integers."""
    if value == value.to_integral_value():
        return str(int(value))
    return str(value)


def _map_order(keys: Iterable[str]) -> list[str]:
    names = list(keys)
    return names if len(names) <= _SMALL else _trie_order([(_spread(_java_hash(name)), name) for name in names], 0)


def _spread(h: int) -> int:
    h = (h + (~(h << 9) & _MASK)) & _MASK
    h ^= h >> 14
    h = (h + (h << 4)) & _MASK
    return h ^ (h >> 10)


def _trie_order(entries: list[tuple[int, str]], shift: int) -> list[str]:
    """Entries that are alone in their 5-bit group first, then the groups that go deeper."""
    if shift >= 32:
        return [name for _, name in entries]
    groups: dict[int, list[tuple[int, str]]] = {}
    for entry in entries:
        groups.setdefault((entry[0] >> shift) & 31, []).append(entry)
    ordered = [groups[at] for at in sorted(groups)]
    alone = [group[0][1] for group in ordered if len(group) == 1]
    return alone + [name for group in ordered if len(group) > 1 for name in _trie_order(group, shift + 5)]
