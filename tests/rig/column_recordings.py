"""Recorded columns and casts (SNOWMELT_GOLDEN), the public schemas they name, and where ours are meant to differ.

Numbers are compared by value, lookup histories not at all: they name registries and times.
"""

import fnmatch
import gzip
import json
import os
import re
from collections import defaultdict
from collections.abc import Sequence
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from pathlib import Path
from typing import Any

import pytest

from backbone import jsontext

_ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("SNOWMELT_GOLDEN", _ROOT / "../shared/data/golden")) / "reference/columns"
CENTRAL = Path(os.environ.get("SNOWMELT_IGLU_CENTRAL", _ROOT / "../shared/data/iglu-central"))
_DEVIATIONS = json.loads((_ROOT / "tests/conformance/columns_deviations.json").read_text("utf-8"))
_WHOLE = 2**53
_WIDE = Context(prec=5_000, Emax=MAX_EMAX, Emin=MIN_EMIN)


def file(name: str) -> Path:
    return FOLDER / f"{name}.jsonl.gz"


def cases(name: str) -> dict[str, list[Any]]:
    """By group; those that need schemas that are not here are left out."""
    groups: dict[str, list[Any]] = defaultdict(list)
    if not file(name).exists():
        return groups
    with gzip.open(file(name)) as lines:
        for line in lines:
            case, _ = jsontext.loads(line)
            if "schemas" in case or CENTRAL.is_dir():
                groups[case["group"]].append(case)
    return groups


def groups(found: dict[str, list[Any]]) -> list[Any]:
    """Parameters of a test; one that is skipped when nothing is here."""
    absent = pytest.param("", marks=pytest.mark.skip(reason=f"no recorded columns in {FOLDER}"))
    return sorted(found) or [absent]


def text(value: Any) -> str:
    return json.dumps(_normal(value), sort_keys=True)


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in value.items() if key != "lookupHistory"}
    if isinstance(value, list):
        return [_normal(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    spelled = value.text if isinstance(value, jsontext.LiteralNumber) else repr(value)
    return ["number", repr(float(spelled)) if abs(float(spelled)) < _WHOLE else str(Decimal(spelled).normalize(_WIDE))]


def is_meant(file_name: str, case: str, field: str, values: Sequence[Any] = ()) -> bool:
    """`values`: those in question; a deviation that names a `value` (regular expression) is about such texts only."""
    return any(
        fnmatch.fnmatchcase(file_name, entry["config"])
        and fnmatch.fnmatchcase(case, entry["case"])
        and fnmatch.fnmatchcase(field, entry["field"])
        and ("value" not in entry or (values and all(re.match(entry["value"], str(value)) for value in values)))
        for entry in _DEVIATIONS
    )
