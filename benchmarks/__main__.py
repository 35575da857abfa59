"""Measures everything, prints one table of medians and writes all figures to benchmarks/results/<time>.json.

    python -m benchmarks [part …]        parts: those of PARTS below

Each part runs in a process of its own and repeats its cases in turn at least five times, so that what else the machine does
falls on all of them alike.
"""

import importlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

PARTS = (
    "collector",
    "enricher",
    "loader",
    "large_warehouse",
    "breaking_change",
    "end_to_end",
    "pubsub",
    "enricher_bus",
    "bigquery",
)
RESULTS = Path(__file__).with_name("results")


def main(parts: tuple[str, ...]) -> None:
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        sys.exit(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    figures = {part: measured(part) for part in parts or PARTS}
    table = Table("Part", "Figure", "Median", "Runs", title=f"{os.cpu_count()} cores, Python {platform.python_version()}")
    for part, found in figures.items():
        for name, values in flat(found):
            table.add_row(part, name, text(middle(values)), ", ".join(map(text, values)) if isinstance(values, list) else "")
    Console(width=160).print(table)
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    about = {"at": datetime.now(UTC).isoformat(), "cores": os.cpu_count(), "python": platform.python_version()}
    file.write_text(json.dumps({**about, "figures": figures}, indent=1), "utf-8")
    print(f"Written: {file}")


def measured(part: str) -> dict[str, Any]:
    """What `benchmarks.<part>.measure()` gives, from a fresh process; a reason in its place when it cannot run here."""
    if part in ("collector", "pubsub") and not shutil.which("wrk"):
        return {"not measured": "wrk is not installed"}
    print(f"measuring {part} …", file=sys.stderr, flush=True)
    with tempfile.NamedTemporaryFile("r", suffix=".json") as file:
        subprocess.run([*pinned(part), sys.executable, "-m", "benchmarks", "--write", part, file.name], check=True)
        found = json.load(file)
    assert isinstance(found, dict)
    return found


def pinned(part: str) -> list[str]:
    """One core for what is measured per core; the others arrange that themselves or use the machine."""
    return ["taskset", "-c", "0"] if part == "enricher" and shutil.which("taskset") else []


def flat(found: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in found.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", value


def middle(values: Any) -> Any:
    """Median of the runs; of pairs, each on its own."""
    if not isinstance(values, list) or not values:
        return values
    if isinstance(values[0], list):
        return [statistics.median(column) for column in zip(*values, strict=True)]
    return statistics.median(values)


def text(value: Any) -> str:
    if isinstance(value, list):
        return " / ".join(map(text, value))
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        part, target = sys.argv[2:]
        Path(target).write_text(json.dumps(importlib.import_module(f"benchmarks.{part}").measure()), "utf-8")
    else:
        main(tuple(sys.argv[1:]))
