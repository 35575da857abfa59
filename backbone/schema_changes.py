"""What changed between two versions of a schema, as a column sees it: which changes it can take, and which break it.

Wording as schema-ddl's migrations, so that both tools say the same of one change.
"""

from collections.abc import Iterator
from typing import NamedTuple

from backbone.schema_types import Array, Field, Struct, Type


class Change(NamedTuple):
    """`breaking`: the new version's data needs a recovery column. `path`: `/name/of/field`, `[arrayDown]` for items of a list."""

    breaking: bool
    message: str
    path: str

    def __str__(self) -> str:
        return f"{'breaking' if self.breaking else 'ok'}: {self.message} at {self.path}"


def changes(old: Field, new: Field) -> list[Change]:
    """From the column of one version alone to that of the next, sorted by text."""
    return sorted(_of_types(old.type, new.type, ""), key=str)


def _of_types(old: Type, new: Type, path: str) -> Iterator[Change]:
    if isinstance(old, Struct) and isinstance(new, Struct):
        yield from _of_structs(old, new, path)
    elif isinstance(old, Array) and isinstance(new, Array):
        inside = f"{path}/[arrayDown]"
        yield from _of_presence(old.nullable, new.nullable, inside)
        yield from _of_types(old.element, new.element, inside)
    elif old != new:
        yield Change(True, f"Incompatible type change {old} to {new}", path or "/")


def _of_structs(old: Struct, new: Struct, path: str) -> Iterator[Change]:
    before = {field.name: field for field in old.fields}
    after = {field.name: field for field in new.fields}
    for name in {**before, **after}:
        at = f"{path}/{name}"
        if name not in after:
            yield Change(False, "Key removal", at)
        elif name not in before:
            yield Change(False, "Schema key addition", at)
        else:
            yield from _of_presence(before[name].nullable, after[name].nullable, at)
            yield from _of_types(before[name].type, after[name].type, at)


def _of_presence(was_nullable: bool, is_nullable: bool, path: str) -> Iterator[Change]:
    if is_nullable and not was_nullable:
        yield Change(False, "Changing required property to nullable", path)
    elif was_nullable and not is_nullable:
        yield Change(False, "Changing nullable property to required", path)
