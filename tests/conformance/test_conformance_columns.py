"""Every recorded schema family gets the columns, recoveries, failures and changes that Snowplow's loaders gave it.

Where ours are meant to differ, `columns_deviations.json` says so, with the reason.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from column_recordings import CENTRAL, cases, groups, is_meant, text
from typer.testing import CliRunner

from backbone import jsontext
from backbone.iglu.given_schemas import GivenSchemas, by_key
from backbone.iglu.registries import FolderRegistry, Place
from backbone.iglu.resolver import Resolver
from backbone.selfdescribing import SchemaKey, SchemaVer, parse_key
from loader.family_report import Family, report
from snowmelt.cli import app

pytestmark = pytest.mark.conformance

_CASES = cases("columns")
_CENTRAL = Resolver([FolderRegistry(Place("public"), CENTRAL)])
_EVERY = 25
_PARTS = ("columns", "failures", "legacy", "legacyFailures", "v1")


@pytest.mark.parametrize("group", groups(_CASES))
def test_recorded_families_get_the_recorded_columns(group: str) -> None:
    found = [f"{case['id']}: {field}" for case in _CASES[group] for field in differences(case) if not meant(case, field)]
    assert found == []


@pytest.mark.parametrize("group", groups(_CASES))
def test_the_command_tells_the_same(group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a few of each group: all schemas as files, or, where not all versions occur, a registry and the URIs of those."""
    monkeypatch.chdir(tmp_path)
    for number, case in enumerate(_CASES[group][::_EVERY]):
        resolver, keys = schemas_of(case)
        folder, files = tmp_path / str(number), []
        for key, schema in zip(keys, case.get("schemas", ()), strict="schemas" in case):
            file = folder / key.path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(jsontext.dumps(schema, exact=False))
            files.append(str(file))
        found = families(case, keys)
        uris = [family.key(version).uri for family in found for version in family.seen]
        named = files if files and "batch" not in case else ["--schemas", str(folder if files else CENTRAL), *uris]
        done = CliRunner().invoke(app, ["schema", "columns", "--json", *named])
        assert done.exit_code == 0, done.output
        assert text(jsontext.loads(done.stdout)[0]) == text(report(resolver, found, ["event", "entity"])), case["id"]


def meant(case: Any, field: str) -> bool:
    return is_meant("columns", case["id"], field)


def differences(case: Any) -> Iterator[str]:
    resolver, keys = schemas_of(case)
    kinds = ["event", "entity"] if case["kind"] == "both" else [case["kind"]]
    found, expected = report(resolver, families(case, keys), kinds), case["expected"]
    if text(found.get("pairs")) != text(expected.get("pairs")):
        yield "pairs"
    assert set(found) - {"pairs"} == set(expected) - {"pairs"} == set(kinds)
    for kind in kinds:
        ours, theirs = found[kind], expected[kind]
        if beside_failures(ours, theirs):
            yield f"{kind} column beside an unresolved version"
        else:
            yield from (f"{kind} {part}" for part in ("columns", "failures") if not same(ours.get(part), theirs.get(part)))
        yield from (f"{kind} {part}" for part in _PARTS[2:] if not same(ours.get(part), theirs.get(part)))


def same(ours: Any, theirs: Any) -> bool:
    return sorted(map(text, ours or [])) == sorted(map(text, theirs or []))


def beside_failures(ours: Any, theirs: Any) -> bool:
    """Whether all that differs is a column for the versions below one that the original let fail the whole family."""
    failures = [family_of(failure) for failure in theirs.get("failures", ())]
    more = [column for column in ours["columns"] if (column["vendor"], column["name"], column["model"]) in failures]
    if not more or not same([column for column in ours["columns"] if column not in more], theirs["columns"]):
        return False
    stored = {version for column in more for version in (*column["merged"], *(r["version"] for r in column["recoveries"]))}
    return same(
        [{**failure, "versions": sorted(set(failure["versions"]) | stored)} for failure in ours["failures"]],
        [{**failure, "versions": sorted(set(failure["versions"]) | stored)} for failure in theirs["failures"]],
    )


def family_of(failure: Any) -> tuple[str, str, int]:
    key = parse_key(failure["failure"]["schemaKey"])
    return key.vendor, key.name, key.version.model


def schemas_of(case: Any) -> tuple[Resolver, list[SchemaKey]]:
    if "schemas" not in case:
        return _CENTRAL, list(map(parse_key, case["uris"]))
    given = by_key(case["schemas"])
    return Resolver([GivenSchemas("given", given)]), list(given)


def families(case: Any, keys: list[SchemaKey]) -> list[Family]:
    seen: dict[tuple[str, str, int], set[SchemaVer]] = defaultdict(set)
    listed: dict[tuple[str, str, int], set[SchemaVer]] = defaultdict(set)
    prefix = keys[0].uri.rpartition("/")[0]
    batch = [parse_key(entry if entry.startswith("iglu:") else f"{prefix}/{entry}") for entry in case.get("batch", ())]
    for key in batch or keys:
        seen[key.vendor, key.name, key.version.model].add(key.version)
    for key in keys:
        listed[key.vendor, key.name, key.version.model].add(key.version)
    return [Family(*name, tuple(sorted(seen[name])), tuple(sorted(listed[name] | seen[name]))) for name in {**listed, **seen}]
