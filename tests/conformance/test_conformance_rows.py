"""Every recorded enriched line becomes the row, or the bad row, that Snowplow's BigQuery loader made of it.

Wording, `lastAttempt`, the registries asked and the names of programs are not compared. Columns of the test's own table
(`table`) are no input of `snowmelt load`: what such lines become by the loader's own columns is compared.
"""

import fnmatch
import gzip
import io
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from backbone import jsontext
from backbone.iglu.registries import FolderRegistry, Place
from backbone.iglu.resolver import Resolver
from loader import preview
from loader.file_load import FileLoad, Rules
from loader.line_file import LineFile
from loader.settings import LoaderSettings

ROOT = Path(__file__).parents[2]
GOLDEN = Path(os.environ.get("SNOWMELT_GOLDEN", ROOT / "../shared/data/golden")) / "reference/columns/rows.jsonl.gz"
CENTRAL = Path(os.environ.get("SNOWMELT_IGLU_CENTRAL", ROOT / "../shared/data/iglu-central")) / "schemas"
_LISTED = json.loads((Path(__file__).parent / "columns_deviations.json").read_text("utf-8"))
DEVIATIONS = [entry for entry in _LISTED if entry["config"] == "rows"]
NOW = "2026-01-01 00:00:00.123"
WORDING = {"message", "lookupHistory", "processor"}

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(not GOLDEN.exists(), reason=f"{GOLDEN} is not here"),
    pytest.mark.skipif(not CENTRAL.exists(), reason=f"{CENTRAL} is not here"),
]


class Difference(NamedTuple):
    field: str
    expected: Any
    actual: Any


def cases() -> dict[str, list[Any]]:
    """By group."""
    groups: dict[str, list[Any]] = {}
    for line in gzip.decompress(GOLDEN.read_bytes()).splitlines() if GOLDEN.exists() else ():
        case, _ = jsontext.loads(line)
        if not any("\n" in line for line in case["tsv"]):  # a line of a file cannot hold one
            groups.setdefault("with options" if case.get("options") else case["group"], []).append(case)
    return groups


CASES = cases()


@pytest.fixture(scope="module")
def used() -> set[int]:
    """Deviations that agreed with something."""
    return set()


@pytest.mark.parametrize("group", CASES or [pytest.param("none", marks=pytest.mark.skip("no golden cases"))])
def test_recorded_lines_become_the_recorded_rows_and_bad_rows(group: str, used: set[int], tmp_path: Path) -> None:
    wrong = [
        f"{case['id']} {field}\n  expected {expected!r:.600}\n  actual   {actual!r:.600}"
        for case in CASES[group]
        for field, expected, actual in differences(case, tmp_path)
        if not agreed(field, case, used)
    ]
    assert not wrong, f"{len(wrong)} differences, the first:\n" + "\n".join(wrong[:20])


def test_every_deviation_is_still_one(used: set[int], request: pytest.FixtureRequest) -> None:
    """Runs after the others: a rule that nothing needs any more has to go."""
    if sum(item.path == Path(__file__) for item in request.session.items) <= len(CASES):
        pytest.skip("needs all recorded cases")
    assert [rule for at, rule in enumerate(DEVIATIONS) if at not in used] == []


def differences(case: Any, scratch: Path) -> Iterator[Difference]:
    outcomes = loaded(case, scratch)
    if len(outcomes) != len(case["expected"]):
        yield Difference("number of lines", len(case["expected"]), len(outcomes))
        return
    for expected, actual in zip(case["expected"], outcomes, strict=True):
        unwritable = expected.get("write", "ok") != "ok" and not (case["group"] == "table" and "row" in actual)
        if "row" in expected and not unwritable:
            yield from different("row", expected["row"], actual.get("row"))
        elif "badRow" in expected:
            yield from different("bad", ordered(expected["badRow"]), ordered(actual.get("bad")))
        elif "bad" not in actual:  # the original threw: any reason will do, a row would be wrong
            yield Difference("bad", expected, actual)


def loaded(case: Any, scratch: Path) -> list[Any]:
    """What `snowmelt load --from … --dry-run --target bigquery` tells of the lines."""
    folder = scratch / "schemas"
    shutil.rmtree(folder, ignore_errors=True)
    for schema in case.get("schemas", ()):
        about = schema["self"]
        file = folder / about["vendor"] / about["name"] / "jsonschema" / about["version"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(jsontext.dumps(schema, exact=False), "utf-8")
    resolver = Resolver([FolderRegistry(Place("own"), folder), FolderRegistry(Place("central"), CENTRAL)])
    trace = io.BytesIO()
    lines = LineFile(io.BytesIO("".join(f"{line}\n" for line in case["tsv"]).encode()))
    load = FileLoad(resolver, None, preview.bigquery(), NOW, Rules(choices=chosen(case.get("options", {})).choices))
    load.learn(lines)
    load.run(lines, LoaderSettings(), trace)
    resolver.close()
    return [jsontext.loads(line)[0] for line in trace.getvalue().splitlines()]


def chosen(options: dict[str, Any]) -> LoaderSettings:
    return LoaderSettings(
        skip_schemas=tuple(options.get("skipSchemas", ())),
        legacy_columns=tuple(options.get("legacyColumns", ())),
        legacy_column_mode=options.get("legacyColumnMode", False),
    )


def ordered(bad: Any) -> Any:
    """A bad row with its failures, which are a set, in one order."""
    if bad is not None and type(failures := bad["data"]["failure"]) is list:
        failures.sort(key=lambda failure: jsontext.dumps({**failure, "error": None}, exact=False))
    return bad


def different(field: str, expected: Any, actual: Any) -> Iterator[Difference]:
    """At the deepest place that still names one thing."""
    if type(expected) is dict and type(actual) is dict:
        for name in sorted(expected.keys() | actual.keys() - WORDING):
            if name in WORDING:
                continue
            if (name in expected) != (name in actual):
                yield Difference(f"{field}.{name}", expected.get(name, "absent"), actual.get(name, "absent"))
            else:
                yield from different(f"{field}.{name}", expected[name], actual[name])
    elif type(expected) is list and type(actual) is list and len(expected) == len(actual):
        for at, pair in enumerate(zip(expected, actual, strict=True)):
            yield from different(f"{field}[{at}]", *pair)
    elif text(expected) != text(actual) and not (field == "bad.data.failure" and type(expected) is type(actual) is str):
        yield Difference(field, expected, actual)


def text(value: Any) -> str:
    """Numbers by value, whole ones beyond 2^53 exactly."""
    if isinstance(value, float) or (type(value) is int and abs(value) < 2**53):
        return repr(float(value))
    return jsontext.dumps(value, exact=False)


def agreed(field: str, case: Any, used: set[int]) -> bool:
    for at, rule in enumerate(DEVIATIONS):
        if fnmatch.fnmatchcase(case["id"], rule["case"]) and re.fullmatch(fnmatch.translate(rule["field"]), field):
            used.add(at)
            return True
    return False
