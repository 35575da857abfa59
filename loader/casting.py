"""JSON value → the value its column takes, or what is wrong with it.

A field is compiled once into a function, then applied to every row. The target's own forms (how it takes a timestamp, a
decimal …) come in as an `Encoding`, so one set of rules serves every warehouse.
"""

from typing import Any, NamedTuple

from backbone.schema_types import BOOLEAN, DOUBLE, JSON, SCHEMA_VERSION, STRING, Array, Decimal, Field, Scalar, Struct, Type
from loader.scalar_casts import Cast, CastError, Encoding, WrongType, decimal_cast, scalar_cast, wrong

__all__ = ["Cast", "CastError", "Encoding", "WrongType", "compile_cast", "compile_item_cast"]


def compile_cast(kind: Type, encoding: Encoding) -> Cast:
    """A function of one non-null JSON value; it raises CastError and nothing else."""
    if isinstance(kind, Struct):
        return _struct(kind, encoding)
    if isinstance(kind, Array):
        return _array(kind, encoding)
    if isinstance(kind, Decimal):
        return decimal_cast(kind, encoding)
    return scalar_cast(kind, encoding)


def compile_item_cast(item: Struct, version: str, encoding: Encoding) -> Cast:
    """Like `compile_cast`, for an entity: its `_schema_version` is given. Errors name the whole type."""
    rest = tuple(field for field in item.fields if field.name != SCHEMA_VERSION)
    return _struct(Struct(rest), encoding, item, {SCHEMA_VERSION: version})


_AS_THEY_ARE = {STRING: str, BOOLEAN: bool, DOUBLE: float}
"""Types whose values need no look when they have this Python type; an infinite number is never a plain `float`."""


def _array(kind: Array, encoding: Encoding) -> Cast:
    """Null items are dropped where items may be null; a list of JSON keeps them as JSON nulls if they may not."""
    element = compile_cast(kind.element, encoding)
    keeps_null = kind.element == JSON

    def cast(value: Any) -> list[Any]:
        if type(value) is not list:
            raise wrong(value, kind)
        result = []
        faults: list[WrongType] = []
        for item in value:
            if item is None:
                if kind.nullable:
                    continue
                if not keeps_null:
                    faults.append(WrongType(None, str(kind.element)))
                    continue
            try:
                result.append(element(item))
            except CastError as error:
                faults.extend(error.faults)
        if faults:
            raise CastError(faults)
        return result

    return cast


def _struct(kind: Struct, encoding: Encoding, shown: Struct | None = None, given: dict[str, Any] | None = None) -> Cast:
    single = [_compiled(field, encoding) for field in kind.fields if len(field.accessors) == 1]
    several = [_from_several(field, encoding) for field in kind.fields if len(field.accessors) > 1]
    start = given or {}

    def cast(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise wrong(value, shown or kind)
        result = start.copy()
        faults: list[WrongType] = []
        find = value.get
        for name, key, plain, nullable, other in single:
            found = find(key)
            if type(found) is plain:
                result[name] = found
            elif found is not None or not nullable:
                try:
                    result[name] = other(found)
                except CastError as error:
                    faults.extend(error.faults)
        for name, one_of in several:
            try:
                found = one_of(value)
            except CastError as error:
                faults.extend(error.faults)
                continue
            if found is not None:
                result[name] = found
        if faults:
            raise CastError(faults)
        return result

    return cast


class _Compiled(NamedTuple):
    """`plain`: values of this Python type are taken as they are. `nullable`: null or missing is fine and stores nothing."""

    name: str
    key: str
    plain: type
    nullable: bool
    other: Cast
    """Of any other value; a null comes here only where it may not be."""


def _compiled(field: Field, encoding: Encoding) -> _Compiled:
    element = compile_cast(field.type, encoding)
    plain = _AS_THEY_ARE.get(field.type, _Never) if isinstance(field.type, Scalar) else _Never
    other = _never_null(element, encoding.missing_json) if field.type == JSON else element
    return _Compiled(field.name or encoding.unnamed, field.accessors[0], plain, field.nullable, other)


def _never_null(element: Cast, missing: Type) -> Cast:
    """A null is JSON, but not in a field that has to have a value."""

    def cast(value: Any) -> Any:
        if value is None:
            raise wrong(None, missing)
        return element(value)

    return cast


class _Never:
    """The type of no JSON value."""


def _from_several(field: Field, encoding: Encoding) -> tuple[str, Cast]:
    """(name, cast of the whole object): the first of several keys whose value fits counts.

    None that fits is an error, unless a null among them excuses it.
    """
    element = compile_cast(field.type, encoding)

    def cast(value: dict[str, Any]) -> Any:
        first_error: CastError | None = None
        missing = False
        for key in field.accessors:
            found = value.get(key)
            if found is None:
                missing = True
                continue
            try:
                return element(found)
            except CastError as error:
                first_error = first_error or error
        if field.nullable and missing:
            return None
        raise first_error or wrong(None, encoding.missing_json if field.type == JSON else field.type)

    return field.name or encoding.unnamed, cast
