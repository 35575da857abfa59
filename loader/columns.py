"""Which columns the self-describing data of a batch goes to.

A family is all versions of one model of a schema, as event or as entity. Its columns depend on the versions seen so far: they
are derived anew when a higher or a breaking version turns up, or when a schema's text changed. One version that cannot be
resolved fails alone: the others keep the columns they have.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

from backbone.column_families import FamilyColumns, UnreadableSchema, family_columns, recovery_name
from backbone.column_names import Kind
from backbone.errors import RegistryUnavailable
from backbone.iglu.failures import ResolutionFailure
from backbone.iglu.resolver import Schema
from backbone.schema_types import Array, Field, Struct
from backbone.selfdescribing import SchemaKey, SchemaVer
from loader.casting import Cast, Encoding, compile_cast, compile_item_cast


@dataclass(frozen=True, slots=True)
class Target:
    """Where data of one schema version goes."""

    field: Field
    """The warehouse column, named as the family names it."""
    cast: Cast
    """Of one datum: an event's data, or one item of the entity column, version included."""
    versioned: bool
    """Whether `_schema_version` is to be put into the datum before it is cast: an entity whose column has no field for it."""
    merged_key: SchemaKey
    """The highest version the column was derived from; bad rows name it."""
    recovery: str
    """Column to use instead when the table has another type under the name."""


@dataclass(frozen=True, slots=True)
class NoColumn:
    """The schema allows nothing that could be stored; the event loads without it."""


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A version of the family cannot be found or read. `key` is that version; `failure` None: not a readable schema."""

    key: SchemaKey
    failure: ResolutionFailure | None


Outcome: TypeAlias = Target | NoColumn | Unresolved


class Schemas(Protocol):
    """Where schemas come from: a `Resolver`, or something that answers like one."""

    def lookup(self, key: SchemaKey) -> Schema | ResolutionFailure: ...


class _Family(NamedTuple):
    kind: Kind
    vendor: str
    name: str
    model: int

    def key(self, version: SchemaVer) -> SchemaKey:
        return SchemaKey(self.vendor, self.name, "jsonschema", version)


@dataclass(slots=True)
class _State:
    """Columns derived from `schemas`; `seen` occurred in data."""

    seen: set[SchemaVer] = field(default_factory=set)
    schemas: dict[SchemaVer, Schema] = field(default_factory=dict)
    targets: dict[SchemaVer, Target] = field(default_factory=dict)


class Families:
    """Remembers what it derived. Not thread-safe: one loader, one thread."""

    def __init__(self, resolver: Schemas, encoding: Encoding) -> None:
        self._resolver = resolver
        self._encoding = encoding
        self._states: dict[_Family, _State] = {}
        self._checked: set[_Family] = set()

    def begin_batch(self) -> None:
        """From here on, schemas are looked up anew (once for each family)."""
        self._checked.clear()

    def outcome(self, kind: Kind, key: SchemaKey) -> Outcome:
        """Raises RegistryUnavailable. After it, earlier answers of the same batch for lower versions may be outdated."""
        family = _Family(kind, key.vendor, key.name, key.version.model)
        state = self._states.get(family)
        if state is not None and key.version in state.seen and (family in self._checked or self._unchanged(family, state)):
            self._checked.add(family)
            return state.targets.get(key.version) or NoColumn()
        derived = self._derive(family, {*(state.seen if state else ()), key.version})
        if isinstance(derived, Unresolved):
            return derived
        self._states[family] = derived
        self._checked.add(family)
        return derived.targets.get(key.version) or NoColumn()

    def _unchanged(self, family: _Family, state: _State) -> bool:
        return all(self._resolver.lookup(family.key(version)) is schema for version, schema in state.schemas.items())

    def _derive(self, family: _Family, seen: set[SchemaVer]) -> _State | Unresolved:
        schemas = self._schemas(family, seen)
        if isinstance(schemas, Unresolved):
            return schemas
        documents = {version: schema.document for version, schema in schemas.items()}
        columns = family_columns(family.kind, family.vendor, family.name, documents, seen)
        if isinstance(columns, UnreadableSchema):
            return Unresolved(family.key(columns.version), None)
        targets = {} if columns is None else self._targets(family, columns, documents)
        return _State(seen, schemas, targets)

    def _schemas(self, family: _Family, seen: set[SchemaVer]) -> dict[SchemaVer, Schema] | Unresolved:
        """Every version from M-0-0 up to the highest seen; in earlier revisions as far as they go, and every one seen."""
        top = max(seen)
        found: dict[SchemaVer, Schema] = {}
        for version in sorted(seen):
            if version.revision < top.revision and not isinstance(answer := self._lookup(family.key(version)), Schema):
                return Unresolved(family.key(version), answer)
        for revision in range(top.revision + 1):
            last_seen = max((v.addition for v in seen if v.revision == revision), default=0)
            addition = 0
            while True:
                version = SchemaVer(family.model, revision, addition)
                answer = self._lookup(family.key(version))
                if isinstance(answer, Schema):
                    found[version] = answer
                elif revision == top.revision or addition == 0:
                    return Unresolved(family.key(version), answer)
                addition += 1
                if addition > last_seen and (revision == top.revision or not isinstance(answer, Schema)):
                    break
        return found

    def _lookup(self, key: SchemaKey) -> Schema | ResolutionFailure:
        answer = self._resolver.lookup(key)
        if not isinstance(answer, Schema) and answer.transient:
            raise RegistryUnavailable(f"cannot look up {key.uri}: {answer}")
        return answer

    def _targets(self, family: _Family, columns: FamilyColumns, documents: Mapping[SchemaVer, Any]) -> dict[SchemaVer, Target]:
        highest = max(columns.merged)
        recovery = recovery_name(columns.field.name, highest, documents[highest])
        targets = {
            version: self._target(family, version, columns.field, family.key(highest), recovery) for version in columns.merged
        }
        for version, column in columns.recoveries:
            targets[version] = self._target(family, version, column, family.key(version), column.name)
        return targets

    def _target(self, family: _Family, version: SchemaVer, column: Field, key: SchemaKey, recovery: str) -> Target:
        if family.kind == "event":
            return Target(column, compile_cast(column.type, self._encoding), False, key, recovery)
        assert isinstance(column.type, Array)
        element = column.type.element
        if isinstance(element, Struct):
            return Target(column, compile_item_cast(element, str(version), self._encoding), False, key, recovery)
        return Target(column, compile_cast(element, self._encoding), True, key, recovery)
