"""What the enricher makes of thousands of recorded payloads is what the original made of them, but for a list of deviations.

Lists that are sets by nature (validation reports, their targets) are compared as sets; wording, times and the names of programs
are not compared. A deviation may say which values it is about (`expected`, `actual`: regular expressions; `entity`: the one kind
of entity that differs), so that it hides nothing else; `order` marks those that only a comparison minding the order needs.
"""

import base64
import fnmatch
import gzip
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from backbone import settings
from backbone.event import COLUMNS
from enricher.assembly import assembled
from enricher.enrich import Enricher
from enricher.settings import EnricherSettings

ROOT = Path(__file__).parents[2]
GOLDEN = Path(os.environ.get("SNOWMELT_GOLDEN", ROOT / "../shared/data/golden"))
CENTRAL = Path(os.environ.get("SNOWMELT_IGLU_CENTRAL", ROOT / "../shared/data/iglu-central"))
DEVIATIONS = json.loads((Path(__file__).parent / "enrich_deviations.json").read_text("utf-8"))
LATER = re.compile(r"all|common_js.*|cross_navigation|api.*|currency.*")
CLOCK = 1_746_007_500_250
MASKED = {"v_etl"}
JSON_COLUMNS = {"contexts", "unstruct_event", "derived_contexts"}
SETS = {"dataReports", "errors", "targets"}
VARYING = {"timestamp", "lookupHistory", "message", "expectation", "processor", "componentName", "componentVersion"}
CODE = re.compile(r"[A-Z][A-Za-z]+|INVALID_[A-Z]+")

pytestmark = pytest.mark.conformance


class Difference(NamedTuple):
    field: str
    expected: Any
    actual: Any


def configurations() -> list[Path]:
    files = sorted(GOLDEN.glob("*/enrich/cases-*.jsonl.gz"))
    return [file for file in files if not LATER.fullmatch(file.name.removeprefix("cases-").removesuffix(".jsonl.gz"))]


def name_of(file: Path) -> str:
    return f"{file.parts[-3]}-{file.name.removeprefix('cases-').removesuffix('.jsonl.gz')}"


@pytest.fixture(scope="module")
def used() -> set[int]:
    """Deviations that agreed with something."""
    return set()


@pytest.mark.parametrize(
    "file",
    [pytest.param(file, id=name_of(file)) for file in configurations()]
    or [pytest.param(None, id="none", marks=pytest.mark.skip(f"no golden cases in {GOLDEN}"))],
)
def test_recorded_payloads_become_what_the_original_made_of_them(file: Path, used: set[int], tmp_path: Path) -> None:
    if not CENTRAL.is_dir():
        pytest.skip(f"no Iglu Central in {CENTRAL} (SNOWMELT_IGLU_CENTRAL)")
    config = file.name.removeprefix("cases-").removesuffix(".jsonl.gz")
    lines = gzip.decompress(file.read_bytes()).decode("utf-8", "surrogatepass").rstrip("\n").split("\n")
    wrong: list[str] = []
    with enricher_of(file.parent, config, tmp_path) as enricher:
        for case in map(json.loads, lines):
            differences = [found for found in compare(case, enricher) if not agreed(found, case, config, used)]
            wrong += [
                f"{case['id']} {field}\n  expected {expected!r:.400}\n  actual   {actual!r:.400}"
                for field, expected, actual in differences
            ]
    assert not wrong, f"{len(wrong)} differences, the first:\n" + "\n".join(wrong[:10])


def test_every_deviation_is_still_one(used: set[int], request: pytest.FixtureRequest) -> None:
    """Runs after the others: a rule that nothing needs any more has to go."""
    ran = sum(item.path == Path(__file__) for item in request.session.items) - 1
    if ran < 2 or ran != len(configurations()) or not CENTRAL.is_dir():
        pytest.skip("needs all recorded cases")
    unused = [rule for at, rule in enumerate(DEVIATIONS) if at not in used and not rule.get("order")]
    assert unused == []


def enricher_of(folder: Path, config: str, scratch: Path) -> Any:
    registries = [str(folder / "schemas"), str(CENTRAL / "schemas")]
    flags = {"iglu.schemas": registries, "data.folder": str(scratch)}
    chosen = settings.load(None, {"enricher": EnricherSettings}, environment={}, flags=flags)
    return assembled(chosen, enrichments=folder / "configs" / config, assets=folder / "assets")


def compare(case: dict[str, Any], enricher: Enricher) -> Iterator[Difference]:
    expected = defaultdict(list)
    for item in case["out"]:
        for kind, value in item.items():
            expected[kind].append(value)
    actual = defaultdict(list)
    for stream, record in enricher.process(base64.b64decode(case["thrift_b64"]), CLOCK):
        actual[stream].append(record)
    if expected["crash"]:  # the original dies here: ours must account for the payload
        if not actual:
            yield Difference("crash", expected["crash"], None)
        return
    masked = MASKED | {part.split("/")[3] for part in case.get("mask", ()) if "#" not in part and part.count("/") > 2}
    yield from lines("good", expected["good"], actual["enriched"], masked)
    yield from lines("failed", expected["failed"], actual["failed"], masked)
    yield from bad_rows(expected["bad"], [orjson.loads(record) for record in actual["bad"]])


def lines(kind: str, expected: list[dict[str, str]], actual: list[bytes], masked: set[str]) -> Iterator[Difference]:
    if len(expected) != len(actual):
        yield Difference(f"number of {kind} events", len(expected), len(actual))
        return
    for theirs, line in zip(expected, actual, strict=True):
        ours = dict(zip(COLUMNS, line.decode().split("\t"), strict=True))
        for name in COLUMNS:
            if name not in masked and not same(name, theirs.get(name, ""), ours[name]):
                yield Difference(f"{kind}.{name}", theirs.get(name, ""), ours[name])


def same(name: str, expected: str, actual: str) -> bool:
    if expected == actual:
        return True
    return bool(name in JSON_COLUMNS and expected and actual and shape(json.loads(expected)) == shape(json.loads(actual)))


def bad_rows(expected: list[Any], actual: list[Any]) -> Iterator[Difference]:
    if len(expected) != len(actual):
        yield Difference("number of bad rows", [row["schema"] for row in expected], [row["schema"] for row in actual])
        return
    for theirs, ours in zip(expected, actual, strict=True):
        if theirs["schema"] != ours["schema"]:
            yield Difference("bad.schema", theirs["schema"], ours["schema"])
        elif (wanted := shape(theirs["data"]["failure"])) != (found := shape(ours["data"]["failure"])):
            yield Difference(f"bad.failure {theirs['schema'].split('/')[1]}", wanted, found)


def shape(value: Any, key: str | None = None) -> Any:
    """The value without what differs by nature, sets in one order."""
    if isinstance(value, dict):
        return {name: shape(item, name) for name, item in value.items() if name not in VARYING and not wording(name, item)}
    if isinstance(value, list):
        items = [shape(item) for item in value]
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True)) if key in SETS else items
    return value


def wording(name: str, value: Any) -> bool:
    return name == "error" and isinstance(value, str) and not CODE.fullmatch(value)


def agreed(found: Difference, case: dict[str, Any], config: str, used: set[int]) -> bool:
    for at, rule in enumerate(DEVIATIONS):
        fits = zip((case["id"], config, found.field), (rule["case"], rule["config"], rule["field"]), strict=True)
        if not rule.get("order") and all(fnmatch.fnmatchcase(value, pattern) for value, pattern in fits) and about(rule, found):
            used.add(at)
            return True
    return False


def about(rule: dict[str, Any], found: Difference) -> bool:
    """Whether the difference is one of the values the rule means."""
    if not re.search(rule.get("expected", ""), str(found.expected)) or not re.search(rule.get("actual", ""), str(found.actual)):
        return False
    return "entity" not in rule or without(rule["entity"], found.expected) == without(rule["entity"], found.actual)


def without(entity: str, text: str) -> list[Any]:
    """Entities of another kind in the text of a column."""
    items = json.loads(text)["data"] if text else []
    return [shape(item) for item in items if item["schema"].split("/")[1] != entity]
