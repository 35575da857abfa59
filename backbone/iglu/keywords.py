"""The keywords of JSON Schema draft 4 about one value: types, sizes, bounds, patterns, formats. Compound ones: `compounds`.

Each takes the schema node and the keyword's value, and gives a check or None. Values have the shapes the draft-4 metaschema
admits, which is checked before. See `reporting` for what is reproduced and what is corrected.
"""

from collections.abc import Sized
from decimal import Decimal
from typing import Any

from backbone.iglu import compounds
from backbone.iglu.formats import FORMATS
from backbone.iglu.json_values import (
    as_text,
    decimal_of,
    identity,
    is_multiple,
    is_number,
    java_double_text,
    number_text,
    type_name,
)
from backbone.iglu.reporting import Check, Keyword, Node, Reporter, wrong_type


def _type(node: Node, expected: Any) -> Check:
    names = expected if type(expected) is list else [expected]
    allowed = {*names, "integer"} if "number" in names else set(names)
    if node.nullable:
        allowed.add("null")
    if type(expected) is list:
        keyword, text = "unionType", f"[{', '.join(names)}]"
    else:
        keyword, text = "type", expected

    def check(value: Any, at: str, state: Any) -> Any:
        return () if type_name(value) in allowed else (wrong_type(node, value, text, at, keyword),)

    return check


def _enum(node: Node, members: Any) -> Check:
    nullable = node.schema.get("nullable") is True
    known = {identity(member, nested=False) for member in members}
    text = ", ".join(as_text(member) for member in members)
    if nullable:
        known.add(identity(None))
        text += ", null"
    text = f"[{text}]"

    def check(value: Any, at: str, state: Any) -> Any:
        if identity(value, nested=False) in known:
            return ()
        return (node.found("enum", at, f"{at}: does not have a value in the enumeration {text}", (text,)),)

    return check


def _bound(name: str, words: str, exclusive: str, sign: int) -> Keyword:
    def keyword(node: Node, bound: Any) -> Check:
        limit, text = decimal_of(bound), number_text(bound)
        strict = node.schema.get(exclusive) is True
        truncated = type(bound) is int and -(2**63) <= bound < 2**63 and node.schema.get("type") == "integer"

        def check(value: Any, at: str, state: Any) -> Any:
            if not is_number(value):
                return ()
            number = decimal_of(value)
            if truncated and number.is_finite() and abs(number) < 2**63:
                number = Decimal(int(number))
            if number == limit:
                holds = not strict
            else:
                holds = (number > limit) == (sign > 0)
            return () if holds else (node.found(name, at, f"{at}: must have a {words} value of {text}", (text,)),)

        return check

    return keyword


def _multiple_of(node: Node, divisor: Any) -> Check:
    text = java_double_text(float(divisor))

    def check(value: Any, at: str, state: Any) -> Any:
        if not is_number(value) or float(divisor) == 0 or is_multiple(value, float(divisor)):
            return ()
        return (node.found("multipleOf", at, f"{at}: must be multiple of {text}", (text,)),)

    return check


def _size(name: str, kind: type[Sized], words: str, sign: int) -> Keyword:
    """`sign` 1 for a minimum. Strings are measured in code points."""

    def keyword(node: Node, limit: Any) -> Check:
        text = str(int(limit))

        def check(value: Any, at: str, state: Any) -> Any:
            if type(value) is not kind or (len(value) - int(limit)) * sign >= 0:
                return ()
            return (node.found(name, at, f"{at}: {words.format(text)}", (text,)),)

        return check

    return keyword


def _pattern(node: Node, pattern: Any) -> Check:
    matches = compounds.matcher_at(node.location, pattern)

    def check(value: Any, at: str, state: Any) -> Any:
        if type(value) is not str or matches(value):
            return ()
        return (node.found("pattern", at, f"{at}: does not match the regex pattern {pattern}", (pattern,)),)

    return check


def _format(node: Node, name: Any) -> Check | None:
    known = FORMATS.get(name)
    if known is None:
        return None

    def check(value: Any, at: str, state: Any) -> Any:
        if type(value) is not str or known.holds(value):
            return ()
        targets = known.targets(value)
        if known.keyword == "format":
            message = f"{at}: does not match the {targets[0]} pattern {targets[1]}"
        else:
            message = f"{at}: {targets[0]} is an invalid {targets[1]}"
        return (node.found("format", at, message, targets, known.keyword),)

    return check


def _required(node: Node, names: Any) -> Check:
    return lambda value, at, state: compounds.missing(node, value, at)


def _unique_items(node: Node, unique: Any) -> Check | None:
    if unique is not True:
        return None

    def check(value: Any, at: str, state: Any) -> Any:
        if type(value) is not list or len({identity(item) for item in value}) == len(value):
            return ()
        return (node.found("uniqueItems", at, f"{at}: the items in the array must be unique", ()),)

    return check


KEYWORDS: dict[str, Keyword] = {
    "type": _type,
    "enum": _enum,
    "minimum": _bound("minimum", "minimum", "exclusiveMinimum", 1),
    "maximum": _bound("maximum", "maximum", "exclusiveMaximum", -1),
    "multipleOf": _multiple_of,
    "minLength": _size("minLength", str, "must be at least {} characters long", 1),
    "maxLength": _size("maxLength", str, "may only be {} characters long", -1),
    "minItems": _size("minItems", list, "there must be a minimum of {} items in the array", 1),
    "maxItems": _size("maxItems", list, "there must be a maximum of {} items in the array", -1),
    "minProperties": _size("minProperties", dict, "should have a minimum of {} properties", 1),
    "maxProperties": _size("maxProperties", dict, "may only have a maximum of {} properties", -1),
    "pattern": _pattern,
    "format": _format,
    "required": _required,
    "uniqueItems": _unique_items,
    "properties": compounds.properties,
    "patternProperties": compounds.pattern_properties,
    "additionalProperties": compounds.additional_properties,
    "items": compounds.items,
    "dependencies": compounds.dependencies,
    "allOf": compounds.all_of,
    "anyOf": compounds.any_of,
    "oneOf": compounds.one_of,
    "not": compounds.not_,
    "$ref": compounds.ref,
}


def reporter(document: Any) -> Reporter:
    """Reports on data against `document`, which the metaschema must have passed."""
    return Reporter(document, KEYWORDS)
