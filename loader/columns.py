"""Which columns the self-describing data of a batch goes to.

A family is all versions of one model of a schema, as event or as entity. Its columns depend on the versions seen so far: they
are derived anew when a higher or a breaking version turns up, or when a schema's text changed. One version that cannot be
resolved fails alone: the others keep the columns they have. So does one for whose fields the table has no room.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

from backbone.column_families import FamilyColumns, UnreadableSchema, family_columns, recovery_name
from backbone.column_names import Kind
from backbone.iglu.resolver import Schema
from backbone.schema_keywords import parse
from backbone.schema_types import Array, Field, Struct
from backbone.selfdescribing import SchemaKey, SchemaVer
from loader import legacy_columns
from loader.casting import Cast, Encoding, compile_cast, compile_item_cast
from loader.criteria import LOAD_ALL, Choices
from loader.histories import History, Unresolved, certainly_needed, history
from loader.lookups import Lookups


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
    main: Field | None = None
    """For a recovery column: the family's own column, which is there too, if only with nulls."""


@dataclass(frozen=True, slots=True)
class NoColumn:
    """The schema allows nothing that could be stored; the event loads without it."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The table has no room for the fields of this version, which would go to `column`."""

    column: str


Outcome: TypeAlias = Target | NoColumn | Unresolved | LeftOut


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
    schemas: History = field(default_factory=dict)
    targets: dict[SchemaVer, Target] = field(default_factory=dict)


class Families:
    """Remembers what it derived. Not thread-safe: one loader, one thread."""

    def __init__(self, lookups: Lookups, encoding: Encoding, choices: Choices = LOAD_ALL) -> None:
        self._lookups = lookups
        self._encoding = encoding
        self._choices = choices
        self._legacy: dict[tuple[Kind, SchemaKey], tuple[Schema, Target | Unresolved]] = {}
        self._states: dict[_Family, _State] = {}
        self._left_out: dict[tuple[_Family, SchemaVer], LeftOut] = {}
        self._checked: set[_Family] = set()

    def begin_batch(self) -> None:
        """From here on, schemas are looked up anew (once for each family)."""
        self._checked.clear()
        self._lookups.look_anew()

    def prepare(self, keys: Iterable[SchemaKey]) -> None:
        """Begins to look up what these versions certainly need, all at once."""
        self._lookups.prepare({needed for key in keys for needed in certainly_needed(key)})

    def outcome(self, kind: Kind, key: SchemaKey) -> Outcome:
        """After it, earlier answers of the same batch for lower versions may be outdated.

        A registry that does not answer leaves known versions where they are.
        """
        if self._choices.skip(key):
            return NoColumn()
        if self._choices.are_legacy(key):
            return self._legacy_outcome(kind, key)
        family = _Family(kind, key.vendor, key.name, key.version.model)
        if (left_out := self._left_out.get((family, key.version))) is not None:
            return left_out
        state = self._states.get(family, _State())
        known = key.version in state.seen
        if not known or (family not in self._checked and not self._unchanged(family, state)):
            derived = self._derive(family, {*state.seen, key.version})
            if isinstance(derived, _State):
                state = self._states[family] = derived
            elif not known or not derived.transient:
                return derived
        self._checked.add(family)
        return state.targets.get(key.version) or NoColumn()

    def leave_out(self, kind: Kind, key: SchemaKey) -> None:
        """The table has no room for the column of this version: from here on, the family's are derived without one of them.

        That is the version itself where it has a recovery column of its own, else the highest one.
        """
        family = _Family(kind, key.vendor, key.name, key.version.model)
        state = self._states.pop(family)
        own = state.targets[key.version]
        version = key.version if own.recovery == own.field.name else max(state.seen)
        self._left_out[(family, version)] = LeftOut(state.targets.get(version, own).field.name)
        rest = state.seen - {version}
        derived = self._derive(family, rest) if rest else None
        if isinstance(derived, _State):
            self._states[family] = derived

    def _legacy_outcome(self, kind: Kind, key: SchemaKey) -> Target | Unresolved:
        schema = self._lookups.lookup(key)
        if not isinstance(schema, Schema):
            return Unresolved(key, schema)
        known = self._legacy.get((kind, key))
        if known is None or known[0] is not schema:
            known = self._legacy[kind, key] = (schema, self._legacy_target(kind, key, schema.document))
        return known[1]

    def _legacy_target(self, kind: Kind, key: SchemaKey, document: Any) -> Target | Unresolved:
        keywords = parse(document)
        if keywords is None:
            return Unresolved(key, None)
        field = legacy_columns.cast_field(kind, key, keywords)
        item = field.type.element if kind == "entity" and isinstance(field.type, Array) else field.type
        cast = compile_cast(item, legacy_columns.encoding(self._encoding))
        return Target(legacy_columns.stored_field(field), cast, False, key, recovery_name(field.name, key.version, document))

    def _unchanged(self, family: _Family, state: _State) -> bool:
        """A registry that does not answer at the moment has changed nothing."""
        for version, schema in state.schemas.items():
            answer = self._lookups.lookup(family.key(version))
            if answer is not schema and (isinstance(answer, Schema) or not answer.transient):
                return False
        return True

    def _derive(self, family: _Family, seen: set[SchemaVer]) -> _State | Unresolved:
        schemas = history(self._lookups.lookup, family.vendor, family.name, family.model, seen)
        if isinstance(schemas, Unresolved):
            return schemas
        documents = {version: schema.document for version, schema in schemas.items()}
        columns = family_columns(family.kind, family.vendor, family.name, documents, seen)
        if isinstance(columns, UnreadableSchema):
            return Unresolved(family.key(columns.version), None)
        targets = {} if columns is None else self._targets(family, columns, documents)
        return _State(seen, schemas, targets)

    def _targets(self, family: _Family, columns: FamilyColumns, documents: Mapping[SchemaVer, Any]) -> dict[SchemaVer, Target]:
        highest = max(columns.merged)
        recovery = recovery_name(columns.field.name, highest, documents[highest])
        targets = {
            version: self._target(family, version, columns.field, family.key(highest), recovery) for version in columns.merged
        }
        for version, column in columns.recoveries:
            target = self._target(family, version, column, family.key(version), column.name)
            targets[version] = replace(target, main=columns.field)
        return targets

    def _target(self, family: _Family, version: SchemaVer, column: Field, key: SchemaKey, recovery: str) -> Target:
        if family.kind == "event":
            return Target(column, compile_cast(column.type, self._encoding), False, key, recovery)
        assert isinstance(column.type, Array)
        element = column.type.element
        if isinstance(element, Struct):
            return Target(column, compile_item_cast(element, str(version), self._encoding), False, key, recovery)
        return Target(column, compile_cast(element, self._encoding), True, key, recovery)
