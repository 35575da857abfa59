"""Every recorded value is cast as Snowplow's loaders cast it, or refused with the same errors: asked of the command itself.

Where ours are meant to differ, `columns_deviations.json` says so, with the reason.
"""

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from column_recordings import CENTRAL, cases, file, groups, is_meant, text

from backbone import jsontext

pytestmark = pytest.mark.conformance

_ROOT = Path(__file__).parents[2]
_CASES = cases("cast")
_PARTS = ("", "legacy", "v1")


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """By case."""
    lines = tmp_path_factory.mktemp("casts") / "cast.jsonl"
    lines.write_bytes(gzip.decompress(file("cast").read_bytes()))
    registry = ["--schemas", str(CENTRAL)] if CENTRAL.is_dir() else []
    command = [sys.executable, "-m", "snowmelt", "schema", "cast", "--lines", str(lines), *registry]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr[-1000:]
    found = [jsontext.loads(line)[0] for line in done.stdout.splitlines()]
    return {answer["id"]: answer["result"] for answer in found}


@pytest.mark.parametrize("group", groups(_CASES))
def test_recorded_data_is_cast_as_recorded(group: str, answers: dict[str, Any]) -> None:
    found = []
    for case in _CASES[group]:
        for at, (theirs, ours) in enumerate(zip(case["expected"], answers[case["id"]], strict=True)):
            for part in _PARTS:
                field = difference(theirs[part], ours[part]) if part else difference(theirs, ours)
                named = f"{part} {field}".strip()
                if field is not None and not is_meant("cast", case["id"], named):
                    found.append(f"{case['id']} {at}: {named}")
    assert found == []


def difference(theirs: Any, ours: Any) -> str | None:
    """What differs, in words; types are those that the data was refused for."""
    types = " ".join(sorted({error.get("expected", "unresolved").partition("(")[0] for error in both_errors(theirs, ours)}))
    if "exception" in theirs:
        return f"refused instead of an exception {types}" if "errors" in ours else "loaded instead of an exception"
    if "errors" in theirs:
        if "errors" in ours:
            return None if same_errors(theirs["errors"], ours["errors"]) else f"errors {types}"
        unresolved = all(map(is_unresolved, theirs["errors"]))
        return "loaded beside an unresolved version" if unresolved else f"loaded {types}"
    if "errors" in ours:
        return f"refused at the cast instead of the write {types}" if theirs.get("write", "ok") != "ok" else f"refused {types}"
    if text(ours["row"]) != text(theirs["row"]):
        lost = any(ours["row"].values()) and not any(theirs["row"].values())
        return "value instead of a silent null" if lost else "value"
    return None if (ours.get("write", "ok") == "ok") == (theirs.get("write", "ok") == "ok") else "write"


def both_errors(theirs: Any, ours: Any) -> list[Any]:
    return [error for side in (theirs, ours) for error in side.get("errors", ())]


def refused(theirs: Any, ours: Any) -> list[Any]:
    return [error.get("value") for error in both_errors(theirs, ours)]


def same_errors(theirs: Any, ours: Any) -> bool:
    """Of loader 1 is recorded only that a schema could not be used, not why."""
    unknown = any(isinstance(error.get("error"), str) for error in theirs)
    sides = (
        [{"schemaKey": each["schemaKey"]} if unknown and is_unresolved(each) else each for each in side]
        for side in (theirs, ours)
    )
    first, second = (sorted(map(text, side)) for side in sides)
    return first == second


def is_unresolved(error: Any) -> bool:
    return "error" in error or "message" in error
