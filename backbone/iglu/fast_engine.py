"""A schema rewritten for jsonschema-rs, so that whatever it accepts, `reporting` accepts too: the fast way to "valid".

What it does not accept is asked again there. Rewritten are: `$schema` and `id` (which would be fetched), patterns, formats,
`nullable`, siblings of `$ref`, names starting with `#`. A schema with a part that cannot be rewritten faithfully (an exotic
pattern, an `enum` of objects, a broken `$ref`) has no fast engine at all.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema_rs

from backbone.iglu.formats import FORMATS, PATTERNS, UUID
from backbone.iglu.json_values import MAX_EXACT_TEXT, type_name
from backbone.iglu.patterns import InvalidPattern, UnsupportedPattern, rust_pattern
from backbone.jsontext import LiteralNumber

IsValid = Callable[[Any], bool]

_SCHEMAS = ("not", "additionalProperties", "additionalItems", "items", "allOf", "anyOf", "oneOf")
_MAPS = ("properties", "definitions", "dependencies")
_PLAIN_REFERENCE = re.compile(r"#(?:/[^~]*)?|https?://[^#]*#?")
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_SIZES = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_COPIED = frozenset({*_BOUNDS, *_SIZES, "required", "uniqueItems", "type"})
_PATTERN_FORMATS = ("time", "ip-address", "ipv4", "uri", "hostname", "alpha", "alphanumeric", "phone", "utc-millisec")
"""As patterns they cost less than a call back into Python; the others do not translate word for word."""
_CALLED_FORMATS = {name: known.holds for name, known in FORMATS.items() if name not in _PATTERN_FORMATS and name != "uuid"}


class _CannotRewrite(Exception):
    """Some part has no faithful equal."""


def fast_engine(document: dict[str, Any]) -> IsValid | None:
    """Whether data are valid, told in about a microsecond; None for schemas it cannot be told for.

    The function takes no LiteralNumber and raises UnicodeEncodeError on lone surrogates.
    """
    try:
        rewritten = _Rewriting().document(document)
        is_valid: IsValid = jsonschema_rs.Draft4Validator(
            rewritten, formats=_CALLED_FORMATS, validate_formats=True, retriever=_anything
        ).is_valid
    except (_CannotRewrite, InvalidPattern, UnsupportedPattern, jsonschema_rs.ValidationError, RecursionError, ValueError):
        return None
    return is_valid


def _anything(_: str) -> dict[str, Any]:
    return {}


class _Rewriting:
    """One document being rewritten."""

    def __init__(self) -> None:
        self.has_nullable = False
        self.has_reference = False

    def document(self, document: dict[str, Any]) -> dict[str, Any]:
        rewritten: dict[str, Any] = self.schema(document)
        if self.has_nullable and self.has_reference:
            raise _CannotRewrite  # upstream asks the schema that refers, not the one around, whether null is admitted
        return rewritten

    def schema(self, schema: Any, parent_nullable: bool = False, reversible: bool = False) -> Any:
        """`reversible`: within `not` or `oneOf`, where accepting less would mean accepting more."""
        if type(schema) is not dict:
            return schema
        if reversible and ("uniqueItems" in schema or "multipleOf" in schema):
            raise _CannotRewrite
        nullable = schema.get("nullable") is True
        self.has_nullable |= nullable
        result: dict[str, Any] = {name: _plain(schema[name]) for name in schema if name in _COPIED}
        self.add_parts(schema, result, nullable, reversible)
        if "enum" in schema:
            result["enum"] = _members(schema["enum"], nullable)
        if "type" in schema and (nullable or parent_nullable):
            result["type"] = _or_null(schema["type"])
        if "additionalProperties" in schema:
            result["patternProperties"] = {"^#": {}, **result.get("patternProperties", {})}
        for condition in (*_text_conditions(schema), *self.reference(schema)):
            if "$ref" in condition or condition.keys() & result.keys():
                result["allOf"] = [*result.get("allOf", ()), condition]
            else:
                result.update(condition)
        return result

    def add_parts(self, schema: dict[str, Any], result: dict[str, Any], nullable: bool, reversible: bool) -> None:
        for name, part in schema.items():
            inside = reversible or name in ("not", "oneOf")
            if name in _SCHEMAS:
                if type(part) is list:
                    result[name] = [self.schema(item, nullable, inside) for item in part]
                else:
                    result[name] = self.schema(part, nullable, inside)
            elif name == "patternProperties":
                result[name] = {_pattern(key): self.schema(item, nullable, inside) for key, item in part.items()}
            elif name in _MAPS:
                result[name] = {key: self.schema(item, nullable, inside) for key, item in part.items()}

    def reference(self, schema: dict[str, Any]) -> list[dict[str, Any]]:
        """A `$ref` moved aside, where it does not hide what stands beside it."""
        if "$ref" not in schema:
            return []
        self.has_reference = True
        target = schema["$ref"]
        if not isinstance(target, str) or not _PLAIN_REFERENCE.fullmatch(target):
            raise _CannotRewrite
        return [{"$ref": target}]


def _pattern(pattern: str) -> str:
    text = rust_pattern(pattern)
    if text is None:
        raise _CannotRewrite
    return text


def _text_conditions(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "pattern" in schema:
        yield {"pattern": _pattern(schema["pattern"])}
    name = schema.get("format")
    if name == "uuid":
        yield {"pattern": UUID}
    elif name in _PATTERN_FORMATS:
        yield {"pattern": f"^(?:{PATTERNS[name]})$".replace(r"\d", "[0-9]")}
    elif name in _CALLED_FORMATS:
        yield {"format": name}


def _members(members: list[Any], nullable: bool) -> list[Any]:
    if any(type(member) in (dict, list) for member in members):
        raise _CannotRewrite  # within them 1 and 1.0 differ, which the engine does not see
    return [*map(_plain, members), *([None] if nullable else [])]


def _or_null(types: Any) -> list[str]:
    names = types if type(types) is list else [types]
    return names if "null" in names else [*names, "null"]


def _plain(value: Any) -> Any:
    """A plain number for a LiteralNumber. Raises _CannotRewrite where the number would not stay the same."""
    if type(value) is not LiteralNumber:
        return value
    if len(value.text) > MAX_EXACT_TEXT:
        raise _CannotRewrite
    return int(float(value)) if type_name(value) == "integer" else float(value)
