"""What must be added to the table before a batch fits into it, and under which column name its data goes.

Nothing is ever dropped or retyped. Where the table already has something else under a name, data takes another column:
one of a clashing schema gets a suffix, one whose type was changed without a new version gets a recovery column.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from backbone.schema_hash import text_hash
from backbone.selfdescribing import SchemaKey
from loader.columns import Target
from loader.warehouses.protocol import UNCLAIMED, Change, Column, ListOf, Record, Shape


class Placement(NamedTuple):
    """`moved`: not the column the schema's name calls for."""

    column: str
    changes: tuple[Change, ...]
    moved: bool


class _Conflict(Exception):
    pass


def family_name(key: SchemaKey) -> str:
    """Of a column's family, as the table remembers it."""
    return f"iglu:{key.vendor}/{key.name}/jsonschema/{key.version.model}-*-*"


def place(columns: Mapping[str, Column], target: Target, family: str, shape: Shape) -> Placement | None:
    """Where the data of a target goes; None when even its recovery column is taken by something else."""
    plain = target.field.name
    taken = columns.get(plain)
    suffix = "" if taken is None or taken.family in (family, UNCLAIMED) else f"_{text_hash(family)}"
    for name in (plain + suffix, target.recovery + suffix):
        column = columns.get(name)
        if column is None:
            return Placement(name, (Change((name,), shape, family),), name != plain)
        if column.family in (family, UNCLAIMED):
            try:
                return Placement(name, tuple(_missing((name,), column.shape, shape)), name != plain)
            except _Conflict:
                continue
    return None


def _missing(path: tuple[str, ...], has: Shape, needs: Shape) -> Iterator[Change]:
    """Fields to add, outermost first."""
    if isinstance(has, ListOf) and isinstance(needs, ListOf):
        yield from _missing((*path, "element"), has.element, needs.element)
    elif isinstance(has, Record) and isinstance(needs, Record):
        for name, inner in needs.fields.items():
            if name in has.fields:
                yield from _missing((*path, name), has.fields[name], inner)
            else:
                yield Change((*path, name), inner)
    elif has != needs:
        raise _Conflict


def grown(shape: Shape, path: tuple[str, ...], added: Shape) -> Shape:
    """The shape after `added` was put at `path` (relative to it)."""
    if isinstance(shape, ListOf):
        return ListOf(grown(shape.element, path[1:], added))
    assert isinstance(shape, Record)
    head, *rest = path
    inner = grown(shape.fields[head], tuple(rest), added) if rest else added
    return Record({**shape.fields, head: inner})


def follow(columns: dict[str, Column], change: Change) -> None:
    """Makes `columns` what they are after the change."""
    name, *rest = change.path
    if rest:
        old = columns[name]
        columns[name] = Column(grown(old.shape, tuple(rest), change.shape), old.family)
    else:
        columns[name] = Column(change.shape, change.family)
