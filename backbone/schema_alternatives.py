"""Schemas made storable: no tuples, no open objects beside named properties, no `oneOf`/`anyOf`.

A column has one type, so a schema that offers alternatives is rewritten to the union of what each alternative, together with
its surroundings, would allow. Data of the original schema nearly always fits the result; what does not is a cast error.
Rules: schema-ddl 0.27 as observed; the warehouse's column types follow from them.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from typing import Any, TypeVar

from backbone.jsontext import LiteralNumber
from backbone.schema_keywords import Keywords, number

T = TypeVar("T")
_ANYTHING = Keywords()


def storable(schema: Keywords) -> Keywords:
    return _without_alternatives(_closed(_without_tuples(schema)))


def _descend(schema: Keywords, step: Callable[[Keywords], Keywords]) -> Keywords:
    """The schema with `step` applied to its items and properties."""
    items = schema.items
    if isinstance(items, Keywords):
        items = step(items)
    elif items is not None:
        items = tuple(step(item) for item in items)
    properties = schema.properties
    if properties is not None:
        properties = {key: step(value) for key, value in properties.items()}
    return replace(schema, items=items, properties=properties)


def _each(schemas: tuple[Keywords, ...], step: Callable[[Keywords], Keywords]) -> tuple[Keywords, ...]:
    return tuple(step(schema) for schema in schemas)


def _inside(value: Keywords | bool | None, step: Callable[[Keywords], Keywords]) -> Keywords | bool | None:
    return step(value) if isinstance(value, Keywords) else value


def _without_tuples(schema: Keywords) -> Keywords:
    inner = _descend(schema, _without_tuples)
    items = inner.items
    if isinstance(items, tuple):
        rest = (schema.additional_items,) if isinstance(schema.additional_items, Keywords) else ()
        members = (*rest, *items)
        items = reduce(_widened, members) if members else None
    return replace(
        inner,
        items=items,
        additional_items=None,
        additional_properties=_inside(schema.additional_properties, _without_tuples),
        one_of=_each(schema.one_of, _without_tuples),
        any_of=_each(schema.any_of, _without_tuples),
    )


def _names_properties(schema: Keywords) -> bool:
    return bool(schema.properties) or any(map(_names_properties, (*schema.one_of, *schema.any_of)))


def _closed(schema: Keywords) -> Keywords:
    """Objects with named properties hold nothing else."""
    close = schema.types is not None and "object" in schema.types and _names_properties(schema)
    return replace(
        _descend(schema, _closed),
        additional_properties=False if close else schema.additional_properties,
        one_of=_each(schema.one_of, _closed),
        any_of=_each(schema.any_of, _closed),
    )


def _without_alternatives(schema: Keywords) -> Keywords:
    base = replace(
        _descend(schema, _without_alternatives),
        additional_properties=_inside(schema.additional_properties, _without_alternatives),
        one_of=(),
        any_of=(),
    )
    branches = [_narrowed(base, _without_alternatives(branch)) for branch in (*schema.one_of, *schema.any_of)]
    return reduce(_widened, branches) if branches else base


def _both(first: T | None, second: T | None, combine: Callable[[T, T], T]) -> T | None:
    """The combination; of one alone, itself."""
    if first is None or second is None:
        return first if second is None else second
    return combine(first, second)


def _narrowed(a: Keywords, b: Keywords) -> Keywords:
    """What satisfies both."""
    return Keywords(
        types=_both(a.types, b.types, lambda x, y: x & y),
        enum=_both(a.enum, b.enum, _common_values),
        format=a.format if a.format is not None else b.format,
        multiple_of=_both(a.multiple_of, b.multiple_of, min),
        minimum=_both(a.minimum, b.minimum, max),
        maximum=_both(a.maximum, b.maximum, min),
        items=_both(_single(a.items), _single(b.items), _narrowed),
        properties=_both(a.properties, b.properties, _narrowed_properties),
        additional_properties=_narrowed_rest_if_any(a, b),
        required=_both(a.required, b.required, lambda x, y: tuple(dict.fromkeys((*x, *y)))),
    )


def _single(items: Keywords | tuple[Keywords, ...] | None) -> Keywords | None:
    return _ANYTHING if isinstance(items, tuple) else items


def _narrowed_properties(a: dict[str, Keywords], b: dict[str, Keywords]) -> dict[str, Keywords]:
    return {key: _narrowed(a[key], b[key]) if key in a and key in b else a.get(key) or b[key] for key in {**a, **b}}


def _narrowed_rest_if_any(a: Keywords, b: Keywords) -> Keywords | bool | None:
    first, second = a.additional_properties, b.additional_properties
    if first is None or second is None:
        return second if first is None else first
    return _narrowed_rest(first, second)


def _narrowed_rest(a: Keywords | bool, b: Keywords | bool) -> Keywords | bool:
    if a is False or b is False:
        return False
    if a is True or b is True:
        return b if a is True else a
    assert isinstance(a, Keywords)
    assert isinstance(b, Keywords)
    return _narrowed(a, b)


def _widened(a: Keywords, b: Keywords) -> Keywords:
    """What satisfies one or the other."""

    def either(kinds: tuple[str, ...], read: Callable[[Keywords], Any], combine: Callable[[Any, Any], Any]) -> Any:
        """A keyword says nothing about values of other types: the side that has none of `kinds` has no voice."""
        left, right = a.permits(*kinds), b.permits(*kinds)
        if left and right:
            first, second = read(a), read(b)
            return None if first is None or second is None else combine(first, second)
        return read(a) if left else read(b) if right else None

    numeric = ("number", "integer")
    alternatives = (*a.one_of, *a.any_of), (*b.one_of, *b.any_of)
    return Keywords(
        types=a.types | b.types if a.types is not None and b.types is not None else None,
        enum=_all_values(a.enum, b.enum) if a.enum is not None and b.enum is not None else None,
        format=either(("string",), lambda s: s.format, _if_same),
        multiple_of=either(numeric, lambda s: s.multiple_of, _if_same),
        minimum=either(numeric, lambda s: s.minimum, min),
        maximum=either(numeric, lambda s: s.maximum, max),
        items=either(("array",), lambda s: _single(s.items), _widened),
        properties=_widened_properties(a, b),
        additional_properties=either(("object",), lambda s: s.additional_properties, _widened_rest),
        required=either(("object",), lambda s: s.required, lambda x, y: tuple(key for key in x if key in y)),
        any_of=alternatives[0] + alternatives[1] if all(alternatives) else (),
    )


def _if_same(a: T, b: T) -> T | None:
    return a if a == b else None


def _widened_rest(a: Keywords | bool, b: Keywords | bool) -> Keywords | bool:
    if a is True or b is True:
        return True
    if a is False or b is False:
        return b if a is False else a
    return _widened(a, b)


def _widened_properties(a: Keywords, b: Keywords) -> dict[str, Keywords] | None:
    if not (a.permits("object") and b.permits("object")):
        return a.properties if a.permits("object") else b.properties if b.permits("object") else None
    left, right = a.properties or {}, b.properties or {}
    merged = {}
    for key in {**left, **right}:
        if key in left and key in right:
            merged[key] = _widened(left[key], right[key])
        elif key in left:
            merged[key] = _known_to_one(left[key], b.additional_properties)
        else:
            merged[key] = _known_to_one(right[key], a.additional_properties)
    return merged or None


def _known_to_one(known: Keywords, rest_of_other: Keywords | bool | None) -> Keywords:
    """A property that one side names, while the other has only its rule for unnamed ones."""
    if rest_of_other is False:
        return known
    return _widened(rest_of_other, known) if isinstance(rest_of_other, Keywords) else _ANYTHING


def _identity(value: Any) -> Any:
    """Equal for equal JSON values: 1 is 1.0 but not true."""
    if type(value) in (int, float, LiteralNumber):
        try:
            return ("number", number(value))
        except ValueError:
            return ("number", str(value))
    if type(value) is list:
        return ("array", *map(_identity, value))
    if type(value) is dict:
        return ("object", *sorted((key, _identity(item)) for key, item in value.items()))
    return (type(value).__name__, value)


def _common_values(a: tuple[Any, ...], b: tuple[Any, ...]) -> tuple[Any, ...]:
    known = [_identity(value) for value in b]
    return tuple(value for value in a if _identity(value) in known)


def _all_values(a: tuple[Any, ...], b: tuple[Any, ...]) -> tuple[Any, ...]:
    known: list[Any] = []
    return tuple(value for value in (*a, *b) if _identity(value) not in known and not known.append(_identity(value)))  # type: ignore[func-returns-value]
