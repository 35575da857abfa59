"""Schemas and data on which Snowplow's validator was asked: the same verdict, and the same reports but for their wording.

Where ours is meant to differ, `validate_deviations.json` says so, with the reason. The recordings are found through
SNOWMELT_GOLDEN, the public schemas some are about through SNOWMELT_IGLU_CENTRAL; what is absent is skipped.
"""

import collections
import fnmatch
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backbone import jsontext
from backbone.iglu.failures import ValidationError
from backbone.iglu.metaschema import IGLU_SCHEMA
from backbone.iglu.validator import validate

pytestmark = pytest.mark.conformance

_ROOT = Path(__file__).parents[2]
_GOLDEN = Path(os.environ.get("SNOWMELT_GOLDEN", _ROOT / "../shared/data/golden"))
_CENTRAL = Path(os.environ.get("SNOWMELT_IGLU_CENTRAL", _ROOT / "../shared/data/iglu-central")) / "schemas"
_DEVIATIONS = json.loads(Path(__file__).with_name("validate_deviations.json").read_text())


def _cases() -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
    for path in sorted(_GOLDEN.glob("*/validate/*.jsonl.gz")):
        with gzip.open(path) as lines:
            for line in lines:
                case, _ = jsontext.loads(line)
                groups[case["group"]].append(case)
    return groups


_CASES = _cases()
_ABSENT = pytest.param("", marks=pytest.mark.skip(reason=f"no recordings of the validator in {_GOLDEN}"))


@pytest.mark.parametrize("group", sorted(_CASES) or [_ABSENT])
def test_the_verdict_and_the_reports_are_theirs(group: str) -> None:
    cases = [case for case in _CASES[group] if "uri" not in case or _CENTRAL.is_dir()]
    if not cases:
        pytest.skip(f"no public schemas in {_CENTRAL}")
    differences = [f"{case['id']}: {field}" for case in cases for field in _differences(case) if not _is_meant(case["id"], field)]
    assert differences == []


def _differences(case: dict[str, Any]) -> list[str]:
    """What differs: `accepted`/`refused` and the keywords in question, `reports …`, `schemaIssues`, `unusable`, `answered`."""
    failure = validate(_schema(case), case["instance"], case.get("maxJsonDepth"))
    expected = case["expected"]
    if "exception" in expected:
        return ["unusable" if failure is not None and failure.schema_issues else "answered"]
    theirs, ours = _faults(expected), _faults(failure.value() if failure is not None else {})
    if expected["valid"] != (failure is None):
        return [f"{'accepted' if failure is None else 'refused'} {_keywords(theirs or ours)}"]
    return [] if theirs == ours else [f"reports {_keywords((theirs - ours) + (ours - theirs))}"]


def _schema(case: dict[str, Any]) -> Any:
    if "uri" in case:
        return jsontext.loads((_CENTRAL / case["uri"].removeprefix("iglu:")).read_bytes())[0]
    schema = case["schema"]
    if case.get("raw") or not isinstance(schema, dict) or "$schema" in schema:
        return schema
    return {"$schema": IGLU_SCHEMA, **schema}


def _faults(answer: dict[str, Any]) -> collections.Counter[tuple[Any, ...]]:
    reports = [(report["keyword"] or "depth", report["path"], *report["targets"]) for report in answer.get("dataReports", ())]
    issues = [("schemaIssues", issue["path"]) for issue in answer.get("schemaIssues", ())]
    return collections.Counter([*reports, *issues])


def _keywords(faults: collections.Counter[tuple[Any, ...]]) -> str:
    return " ".join(sorted({fault[0] for fault in faults}))


def _is_meant(case: str, field: str) -> bool:
    return any(
        fnmatch.fnmatchcase(case, entry.get("case", "*")) and fnmatch.fnmatchcase(field, entry["field"]) for entry in _DEVIATIONS
    )


def test_a_verdict_does_not_depend_on_the_order_of_schemas() -> None:
    """Compiled parts are cached across schemas (patterns): the same questions backwards get the same answers."""
    cases = [case for group in _CASES.values() for case in group if "uri" not in case]
    if not cases:
        pytest.skip(f"no recordings of the validator in {_GOLDEN}")

    def ask(case: dict[str, Any]) -> ValidationError | None:
        return validate(_schema(case), case["instance"], case.get("maxJsonDepth"))

    forwards = [ask(case) for case in cases]
    assert list(reversed([ask(case) for case in reversed(cases)])) == forwards


def test_the_command_says_what_the_validator_says(tmp_path: Path) -> None:
    files = sorted(_GOLDEN.glob("*/validate/*.jsonl.gz"))
    if not files or not _CENTRAL.is_dir():
        pytest.skip(f"no recordings of the validator in {_GOLDEN}, or no public schemas in {_CENTRAL}")
    lines = tmp_path / "validate.jsonl"
    lines.write_bytes(b"".join(gzip.decompress(file.read_bytes()) for file in files))
    command = [sys.executable, "-m", "snowmelt", "schema", "validate", "--lines", str(lines), "--schemas", str(_CENTRAL.parent)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr[-1000:]
    cases = [jsontext.loads(line)[0] for line in lines.read_bytes().splitlines()]
    answers = [jsontext.loads(line)[0] for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [case["id"] for case in cases]
    assert [_told(answer) for answer in answers] == [_said(case) for case in cases]


def _told(answer: dict[str, Any]) -> Any:
    reports = {"dataReports": answer["reports"], "schemaIssues": answer["schemaIssues"]}
    return answer["id"], answer["valid"], _faults(reports)


def _said(case: dict[str, Any]) -> Any:
    failure = validate(_schema(case), case["instance"], case.get("maxJsonDepth"))
    return case["id"], failure is None, _faults(failure.value() if failure is not None else {})
