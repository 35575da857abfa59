"""Walks over a JSON schema: every place where draft 4 expects a schema."""

from collections.abc import Iterator
from typing import Any

_SINGLE = ("additionalProperties", "additionalItems", "items", "not")
_LISTS = ("allOf", "anyOf", "oneOf", "items")
_MAPS = ("properties", "patternProperties", "definitions", "dependencies")


def subschemas(schema: dict[str, Any], at: str = "$") -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, schema) of the schema itself and of all within it; the metaschema must have passed it."""
    yield at, schema
    for name in _SINGLE:
        if isinstance(inner := schema.get(name), dict):
            yield from subschemas(inner, f"{at}.{name}")
    for name in _LISTS:
        if isinstance(inner := schema.get(name), list):
            for number, item in enumerate(inner):
                yield from subschemas(item, f"{at}.{name}[{number}]")
    for name in _MAPS:
        for key, item in schema.get(name, {}).items():
            if isinstance(item, dict):
                yield from subschemas(item, f"{at}.{name}.{key}")
