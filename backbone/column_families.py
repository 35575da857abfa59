"""A family of schema versions → one column, growing; versions that cannot share it get recovery columns.

Versions of one model are merged in order. Additions keep the column; a change of type breaks, and that version is stored in a
column of its own, named by the version and a hash of its schema, if it occurs among the data at all.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from backbone.column_names import Kind, column_name
from backbone.schema_hash import schema_hash
from backbone.schema_keywords import parse
from backbone.schema_types import Array, Field, Struct, Type, entity_field, event_field, sorted_names
from backbone.selfdescribing import SchemaVer


class Recovery(NamedTuple):
    version: SchemaVer
    field: Field


@dataclass(frozen=True, slots=True)
class FamilyColumns:
    """`merged`: versions whose data goes to `field`. A version neither there nor in `recoveries` was not among the data."""

    field: Field
    merged: tuple[SchemaVer, ...]
    recoveries: tuple[Recovery, ...]


@dataclass(frozen=True, slots=True)
class UnreadableSchema:
    """A version whose keywords have impossible values."""

    version: SchemaVer


def family_columns(
    kind: Kind, vendor: str, name: str, schemas: Mapping[SchemaVer, Any], seen: Collection[SchemaVer]
) -> FamilyColumns | UnreadableSchema | None:
    """Columns for schemas of one model (at least one); `seen` are the versions that occur. None: nothing to store."""
    model = min(schemas).model
    column = column_name(kind, vendor, name, model)
    state: FamilyColumns | None = None
    for version in sorted(schemas):
        keywords = parse(schemas[version])
        if keywords is None:
            return UnreadableSchema(version)
        field = event_field(column, keywords) if kind == "event" else entity_field(column, keywords)
        if field is None:
            continue
        merged = field if state is None else merged_field(state.field, field)
        if state is None:
            state = FamilyColumns(field, (version,), ())
        elif merged is not None:
            state = replace(state, field=merged, merged=(*state.merged, version))
        elif version in seen:
            own_name = recovery_name(column, version, schemas[version])
            recovery = Recovery(version, replace(field, name=own_name, accessors=(own_name,)))
            state = replace(state, recoveries=(*state.recoveries, recovery))
    return state


def recovery_name(column: str, version: SchemaVer, schema: Any) -> str:
    return f"{column}_recovered_{version.model}_{version.revision}_{version.addition}_{schema_hash(schema)}"


def merged_field(old: Field, new: Field) -> Field | None:
    """One field for both versions, or None: types that differ cannot be merged."""
    if old == new:
        return old
    merged = _merged_type(old.type, new.type)
    if merged is None:
        return None
    return Field(old.name, merged, old.nullable or new.nullable, sorted_names({*old.accessors, *new.accessors}))


def _merged_type(old: Type, new: Type) -> Type | None:
    if isinstance(old, Struct) and isinstance(new, Struct):
        return _merged_struct(old, new)
    if isinstance(old, Array) and isinstance(new, Array):
        element = _merged_type(old.element, new.element)
        return None if element is None else Array(element, old.nullable or new.nullable)
    return old if old == new else None


def _merged_struct(old: Struct, new: Struct) -> Struct | None:
    added = {field.name: field for field in new.fields}
    fields = []
    for field in old.fields:
        other = added.pop(field.name, None)
        merged = replace(field, nullable=True) if other is None else merged_field(field, other)
        if merged is None:
            return None
        fields.append(merged)
    return Struct((*fields, *(replace(field, nullable=True) for field in added.values())))
