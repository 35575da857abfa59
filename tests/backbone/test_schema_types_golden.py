"""Columns of every recorded family (SNOWMELT_GOLDEN) are what Snowplow's loader made of it."""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backbone import jsontext
from backbone.column_families import FamilyColumns, UnreadableSchema, family_columns
from backbone.schema_types import Array, Decimal, Field, Struct, Type
from backbone.selfdescribing import SchemaVer, parse_key, parse_version

GOLDEN = Path(os.environ.get("SNOWMELT_GOLDEN", "../shared/data/golden")) / "reference" / "columns" / "columns.jsonl.gz"
CENTRAL = Path(os.environ.get("SNOWMELT_IGLU_CENTRAL", "../shared/data/iglu-central")) / "schemas"
Family = tuple[str, str, int]

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(not GOLDEN.exists(), reason=f"{GOLDEN} is not here"),
    pytest.mark.skipif(not CENTRAL.exists(), reason=f"{CENTRAL} is not here"),
]


def schemas_of(case: Any) -> dict[tuple[str, str], dict[SchemaVer, Any]]:
    found: dict[tuple[str, str], dict[SchemaVer, Any]] = {}
    for schema in case.get("schemas", ()):
        about = schema["self"]
        found.setdefault((about["vendor"], about["name"]), {})[parse_version(about["version"])] = schema
    for key in map(parse_key, case.get("uris", ())):
        for file in (CENTRAL / key.vendor / key.name / key.format).iterdir():
            document, _ = jsontext.loads(file.read_bytes())
            found.setdefault((key.vendor, key.name), {})[parse_version(file.name)] = document
    return found


def seen_in(case: Any, schemas: dict[tuple[str, str], dict[SchemaVer, Any]]) -> dict[Family, set[SchemaVer]]:
    result: dict[Family, set[SchemaVer]] = {}
    default = [f"iglu:{v}/{n}/jsonschema/{version}" for (v, n), versions in schemas.items() for version in versions]
    for entry in case.get("batch") or case.get("uris") or default:
        vendor, name = next(iter(schemas))
        key = parse_key(entry if entry.startswith("iglu:") else f"iglu:{vendor}/{name}/jsonschema/{entry}")
        result.setdefault((key.vendor, key.name, key.version.model), set()).add(key.version)
    return result


def complete(schemas: dict[SchemaVer, Any], seen: set[SchemaVer]) -> dict[SchemaVer, Any] | SchemaVer:
    """What the original fetches, or the version it misses."""
    top = max(seen)
    result: dict[SchemaVer, Any] = {}
    for revision in range(top.revision + 1):
        addition = 0
        while revision < top.revision or addition <= top.addition:
            version = SchemaVer(top.model, revision, addition)
            if version not in schemas:
                if revision < top.revision and addition > 0:
                    break
                return version
            result[version] = schemas[version]
            addition += 1
    return result


def tree(field: Field) -> dict[str, Any]:
    extra = {} if field.accessors == (field.name,) else {"accessors": list(field.accessors)}
    return {"name": field.name, **kind(field.type), "nullability": mode(field.nullable), **extra}


def kind(found: Type) -> dict[str, Any]:
    if isinstance(found, Struct):
        return {"type": "Struct", "fields": [tree(field) for field in found.fields]}
    if isinstance(found, Array):
        return {"type": "Array", "element": {**kind(found.element), "nullability": mode(found.nullable)}}
    if isinstance(found, Decimal):
        return {"type": "Decimal", "precision": found.precision, "scale": found.scale}
    return {"type": found.name}


def mode(nullable: bool) -> str:
    return "NULLABLE" if nullable else "REQUIRED"


def columns(case: Any, what: Any) -> Iterator[tuple[Any, ...]]:
    """Each family's column, or the version that made it fail."""
    schemas = schemas_of(case)
    for (vendor, name, model), seen in sorted(seen_in(case, schemas).items()):
        wanted = complete(schemas.get((vendor, name), {}), seen)
        made = wanted if isinstance(wanted, SchemaVer) else family_columns(what, vendor, name, wanted, seen)
        if isinstance(made, SchemaVer):
            yield vendor, name, str(made)
        elif isinstance(made, UnreadableSchema):
            yield vendor, name, str(made.version)
        elif isinstance(made, FamilyColumns):
            recoveries = [{"version": str(recovery.version), "field": tree(recovery.field)} for recovery in made.recoveries]
            yield vendor, name, model, list(map(str, made.merged)), tree(made.field), recoveries


def recorded(expected: Any) -> Iterator[tuple[Any, ...]]:
    for column in expected["columns"]:
        recoveries = [{"version": recovery["version"], "field": recovery["field"]} for recovery in column["recoveries"]]
        yield column["vendor"], column["name"], column["model"], column["merged"], column["field"], recoveries
    for failure in expected.get("failures", ()):
        key = parse_key(failure["failure"]["schemaKey"])
        yield key.vendor, key.name, str(key.version)


def test_every_recorded_family_has_the_recorded_columns() -> None:
    differing = []
    count = 0
    with gzip.open(GOLDEN) as lines:
        for line in lines:
            case, _ = jsontext.loads(line)
            for what in ("event", "entity"):
                if what in case["expected"]:
                    count += 1
                    if sorted(map(repr, columns(case, what))) != sorted(map(repr, recorded(case["expected"][what]))):
                        differing.append(f"{case['id']} {what}")
    assert count
    assert differing == []
