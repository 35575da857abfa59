"""Which columns schema families get, told without a warehouse: the loader's own answer, for people and for comparisons.

The report is made of plain JSON values:
`{"event": {"columns": […], "failures": […], "legacy": […], "legacyFailures": […], "v1": […]}, "entity": {…}, "pairs": […]}`.
`columns` has an entry for each family, with its `merged` versions, its `field` (types as the loader distinguishes them) and
its `recoveries`; `legacy` and `v1` one for each version, as the loaders of Snowplow made them; `pairs` tells what changed from
one version to the next. Lists that would be empty for want of failures or pairs are left out.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from backbone.column_families import FamilyColumns, UnreadableSchema, family_columns
from backbone.column_names import Kind, column_name
from backbone.iglu.resolver import Resolver, Schema
from backbone.schema_changes import changes
from backbone.schema_keywords import Keywords, parse
from backbone.schema_types import Array, Decimal, Field, Struct, Type, event_field
from backbone.selfdescribing import SchemaKey, SchemaVer
from loader import badrows, legacy_columns, legacy_types
from loader.histories import Unresolved, history, lookup
from loader.warehouses import bigquery_types

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Family:
    """`seen`: versions that occur among the data. `listed`: versions whose changes are told, at least those seen."""

    vendor: str
    name: str
    model: int
    seen: tuple[SchemaVer, ...]
    listed: tuple[SchemaVer, ...]

    def key(self, version: SchemaVer) -> SchemaKey:
        return SchemaKey(self.vendor, self.name, "jsonschema", version)


def report(resolver: Resolver, families: Sequence[Family], kinds: Collection[Kind]) -> Json:
    """Raises RegistryUnavailable."""
    found: Json = {kind: _of_kind(resolver, families, kind) for kind in kinds}
    pairs = [pair for family in families for pair in _pairs(resolver, family)]
    return {**found, "pairs": pairs} if pairs else found


def _of_kind(resolver: Resolver, families: Sequence[Family], kind: Kind) -> Json:
    result: Json = {"columns": [], "failures": [], "legacy": [], "legacyFailures": [], "v1": []}
    for family in sorted(families, key=lambda family: (family.vendor, family.name, family.model)):
        columns, failures = _columns(resolver, family, kind)
        result["failures"] += failures
        if columns is not None:
            result["columns"].append(_told(family, columns))
        for version in family.seen:
            _tell_legacy(resolver, kind, family.key(version), result)
    return {key: value for key, value in result.items() if value or not key.lower().endswith("failures")}


def _columns(resolver: Resolver, family: Family, kind: Kind) -> tuple[FamilyColumns | None, list[Json]]:
    """The family's columns as far as its versions can be resolved; those that cannot fail alone."""
    if not family.seen:
        return None, []
    made = _derived(resolver, family, kind, family.seen)
    if not isinstance(made, Unresolved):
        return made, []
    columns: FamilyColumns | None = None
    usable: list[SchemaVer] = []
    failures: list[Json] = []
    for version in family.seen:
        made = _derived(resolver, family, kind, (*usable, version))
        if isinstance(made, Unresolved):
            _add_failure(failures, family, version, badrows.unresolved(made))
        else:
            usable.append(version)
            columns = made
    return columns, failures


def _add_failure(failures: list[Json], family: Family, version: SchemaVer, failure: Json) -> None:
    for known in failures:
        if known["failure"] == failure:
            known["versions"].append(str(version))
            return
    failures.append({"model": family.model, "versions": [str(version)], "failure": failure})


def _derived(resolver: Resolver, family: Family, kind: Kind, seen: Sequence[SchemaVer]) -> FamilyColumns | Unresolved | None:
    schemas = history(partial(lookup, resolver), family.vendor, family.name, family.model, seen)
    if isinstance(schemas, Unresolved):
        return schemas
    documents = {version: schema.document for version, schema in schemas.items()}
    made = family_columns(kind, family.vendor, family.name, documents, seen)
    return Unresolved(family.key(made.version), None) if isinstance(made, UnreadableSchema) else made


def _told(family: Family, columns: FamilyColumns) -> Json:
    recoveries = [
        {"version": str(version), "field": field_tree(field), "bigquery": bigquery_types.column_of(field)}
        for version, field in columns.recoveries
    ]
    return {
        "vendor": family.vendor,
        "name": family.name,
        "model": family.model,
        "merged": [str(version) for version in columns.merged],
        "field": field_tree(columns.field),
        "bigquery": bigquery_types.column_of(columns.field),
        "recoveries": recoveries,
    }


def field_tree(field: Field) -> Json:
    """`accessors` are the properties it is read from, unless that is just its name."""
    tree = {"name": field.name, **_type_tree(field.type), "nullability": _presence(field.nullable)}
    return tree if field.accessors == (field.name,) else {**tree, "accessors": list(field.accessors)}


def _type_tree(kind: Type) -> Json:
    if isinstance(kind, Struct):
        return {"type": "Struct", "fields": [field_tree(field) for field in kind.fields]}
    if isinstance(kind, Array):
        return {"type": "Array", "element": {**_type_tree(kind.element), "nullability": _presence(kind.nullable)}}
    if isinstance(kind, Decimal):
        return {"type": "Decimal", "precision": kind.precision, "scale": kind.scale}
    return {"type": kind.name}


def _presence(nullable: bool) -> str:
    return "NULLABLE" if nullable else "REQUIRED"


def _tell_legacy(resolver: Resolver, kind: Kind, key: SchemaKey, result: Json) -> None:
    found = _keywords(resolver, key)
    if isinstance(found, Unresolved):
        result["legacyFailures"].append({"schema": key.uri, "failure": badrows.unresolved(found)})
        result["v1"].append({"schema": key.uri, "column": None})
        return
    field = legacy_columns.stored_field(legacy_columns.cast_field(kind, key, found))
    result["legacy"].append({"schema": key.uri, "bigquery": bigquery_types.column_of(field)})
    result["v1"].append({"schema": key.uri, "column": legacy_types.column_of(legacy_types.legacy_column(kind, key, found))})


def _keywords(resolver: Resolver, key: SchemaKey) -> Keywords | Unresolved:
    schema = lookup(resolver, key)
    if not isinstance(schema, Schema):
        return Unresolved(key, schema)
    return parse(schema.document) or Unresolved(key, None)


def _pairs(resolver: Resolver, family: Family) -> Iterator[Json]:
    for old, new in pairwise(family.listed):
        fields = [_field(resolver, family, version) for version in (old, new)]
        if fields[0] is not None and fields[1] is not None:
            yield {"from": str(old), "to": str(new), "migrations": list(map(str, changes(fields[0], fields[1])))}


def _field(resolver: Resolver, family: Family, version: SchemaVer) -> Field | None:
    found = _keywords(resolver, family.key(version))
    if isinstance(found, Unresolved):
        return None
    return event_field(column_name("event", family.vendor, family.name, family.model), found)
