"""A schema rewritten for jsonschema-rs, so that whatever it accepts, `reporting` accepts too: the fast way to "valid".

What it does not accept is asked again there. Rewritten are: `$schema` and `id` (which would be fetched), patterns, formats,
`nullable`, siblings of `$ref`, names starting with `#`. A schema with a part that cannot be rewritten faithfully (an exotic
pattern, an `enum` of objects, a broken `$ref`) has no fast engine at all.
"""

from collections.abc import Callable
from typing import Any

import jsonschema_rs

from backbone.iglu.formats import FORMATS, PATTERNS, UUID
from backbone.iglu.json_values import type_name
from backbone.iglu.patterns import InvalidPattern, UnsupportedPattern, rust_pattern
from backbone.jsontext import LiteralNumber

IsValid = Callable[[Any], bool]

_ONE_SCHEMA = ("not", "additionalProperties", "additionalItems")
_LISTS = ("allOf", "anyOf", "oneOf")
_MAPS = ("properties", "patternProperties", "definitions", "dependencies")
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_SIZES = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_COPIED = frozenset({*_BOUNDS, *_SIZES, "required", "uniqueItems", "enum", "type", "$ref"})
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
        rewritten = _schema(document, parent_nullable=False)
        if not isinstance(rewritten, dict):
            return None
        is_valid: IsValid = jsonschema_rs.Draft4Validator(
            rewritten, formats=_CALLED_FORMATS, validate_formats=True, retriever=_anything
        ).is_valid
    except (_CannotRewrite, InvalidPattern, UnsupportedPattern, jsonschema_rs.ValidationError, RecursionError, ValueError):
        return None
    return is_valid


def _anything(_: str) -> dict[str, Any]:
    return {}


def _schema(schema: Any, parent_nullable: bool) -> Any:
    if type(schema) is not dict:
        return schema
    nullable = schema.get("nullable") is True
    result: dict[str, Any] = {name: _number(schema[name]) for name in schema if name in _COPIED}
    conditions: list[dict[str, Any]] = []
    for name in _ONE_SCHEMA:
        if name in schema:
            result[name] = _schema(schema[name], nullable)
    for name in _LISTS:
        if name in schema:
            result[name] = [_schema(item, nullable) for item in schema[name]]
    for name in _MAPS:
        if name in schema:
            result[name] = {_key(name, key): _schema(item, nullable) for key, item in schema[name].items()}
    if "items" in schema:
        items = schema["items"]
        result["items"] = [_schema(item, nullable) for item in items] if type(items) is list else _schema(items, nullable)
    _rewrite_text(schema, result, conditions)
    _rewrite_members(schema, result, nullable, parent_nullable)
    if "additionalProperties" in result:
        result["patternProperties"] = {"^#": {}, **result.get("patternProperties", {})}
    _rewrite_reference(result, conditions)
    if conditions:
        result["allOf"] = [*result.get("allOf", ()), *conditions]
    return result


def _key(keyword: str, key: str) -> str:
    return _pattern(key) if keyword == "patternProperties" else key


def _pattern(pattern: str) -> str:
    text = rust_pattern(pattern)
    if text is None:
        raise _CannotRewrite
    return text


def _rewrite_text(schema: dict[str, Any], result: dict[str, Any], conditions: list[dict[str, Any]]) -> None:
    if "pattern" in schema:
        result["pattern"] = _pattern(schema["pattern"])
    name = schema.get("format")
    if name == "uuid":
        conditions.append({"pattern": UUID})
    elif name in _PATTERN_FORMATS:
        conditions.append({"pattern": f"^(?:{PATTERNS[name]})$".replace(r"\d", "[0-9]")})
    elif name in _CALLED_FORMATS:
        result["format"] = name


def _rewrite_members(schema: dict[str, Any], result: dict[str, Any], nullable: bool, parent_nullable: bool) -> None:
    if "enum" in schema:
        if any(type(member) in (dict, list) for member in schema["enum"]):
            raise _CannotRewrite
        result["enum"] = [*schema["enum"], *([None] if nullable else [])]
        result["enum"] = [_number(member) for member in result["enum"]]
    if "type" in schema and (nullable or parent_nullable):
        names = schema["type"] if type(schema["type"]) is list else [schema["type"]]
        result["type"] = [*names, *([] if "null" in names else ["null"])]


def _rewrite_reference(result: dict[str, Any], conditions: list[dict[str, Any]]) -> None:
    """Moves a `$ref` aside, where it does not hide what stands beside it."""
    if "$ref" not in result:
        return
    target = result.pop("$ref")
    if not isinstance(target, str) or "~" in target or (target.startswith("#") and target != "#" and not target.startswith("#/")):
        raise _CannotRewrite
    if not target.startswith("#") and not target.startswith(("http://", "https://")):
        raise _CannotRewrite
    conditions.append({"$ref": target})


def _number(value: Any) -> Any:
    """Plain numbers for LiteralNumbers. Raises _CannotRewrite where the number would not stay the same."""
    if type(value) is not LiteralNumber:
        return value
    if len(value.text) > 16:
        raise _CannotRewrite
    return int(float(value)) if type_name(value) == "integer" else float(value)
