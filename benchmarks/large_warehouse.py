"""A warehouse that has grown: does loading slow down, do readers wait, how long does a new column hold rows up?

The events of `benchmarks.loader` are loaded into an empty warehouse and into one of SNOWMELT_BENCH_ROWS rows (10 million), in
turn. The large one is filled by DuckDB from a loaded sample, with ids and fingerprints of their own, in files as the loader's
housekeeping leaves them. While it is loaded, another process asks `select count(*) from events` again and again.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from backbone import tsv
from backbone.bus.memory import MemoryBus
from backbone.iglu.registries import FolderRegistry, Place
from backbone.iglu.resolver import Resolver
from backbone.selfdescribing import SelfDescribing
from benchmarks.loader import _FAMILIES, _TEXT, EVENTS, _line, _write_schema
from loader.app import Loader
from loader.settings import LoaderSettings
from loader.warehouses.ducklake import DuckLake
from loader.warehouses.ducklake_catalog import open_writer

ROWS = int(os.environ.get("SNOWMELT_BENCH_ROWS", "10000000"))
RUNS = 5
_PORTION = 500_000
_BUSES: dict[str, MemoryBus] = {}
"""One for each warehouse, which remembers how far it has read it."""
_READER = """
import sys, time, json
from pathlib import Path
from loader.warehouses.ducklake_catalog import open_reader
took = []
with open_reader(Path(sys.argv[1])) as connection:
    print("ready", flush=True)
    while not Path(sys.argv[2]).exists():
        begun = time.perf_counter()
        connection.execute("SELECT count(*) FROM events").fetchone()
        took.append(time.perf_counter() - begun)
        time.sleep(0.05)
print(json.dumps(took))
"""


def measure() -> dict[str, Any]:
    """Rates in rows a second, times in milliseconds."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("SNOWMELT_BENCH_DIR")) as name:
        folder = Path(name)
        keys = {name: _write_schema(folder / "schemas", name, properties) for name, properties in _FAMILIES.items()}
        lines = [_line(number, keys) for number in range(EVENTS)]
        _load(_fresh(lines), folder, "large")
        _fill(folder / "large" / "warehouse")
        rates: dict[str, list[float]] = {"empty": [], "large": []}
        with _Reader(folder / "large", folder / "stop") as reader:
            for run in range(RUNS):
                rates["empty"].append(_load(_fresh(lines), folder, f"empty-{run}"))
                rates["large"].append(_load(_fresh(lines), folder, "large"))
        return {
            "rows": ROWS,
            "rows_per_second": {size: [round(rate) for rate in values] for size, values in rates.items()},
            "large_to_empty": round(statistics.median(rates["large"]) / statistics.median(rates["empty"]), 3),
            "reader_count_ms": {
                "median": _ms(statistics.median(reader.took)),
                "longest": _ms(max(reader.took)),
                "asked": len(reader.took),
            },
            "evolution_ms": _evolution(folder, lines),
            "start_seconds": round(_start(folder / "large" / "warehouse"), 2),
        }


def _fresh(lines: list[bytes]) -> list[bytes]:
    """The same events under new ids."""
    fresh = []
    for line in lines:
        cells = line.split(b"\t")
        cells[6], cells[-2] = str(uuid.uuid4()).encode(), uuid.uuid4().hex.encode()
        fresh.append(b"\t".join(cells))
    return fresh


def _load(lines: list[bytes], folder: Path, name: str) -> float:
    """Rows a second, opening the warehouse left out."""
    bus = _BUSES.setdefault(name, MemoryBus())
    bus.publisher("enricher").commit([("enriched", line) for line in lines])
    resolver = Resolver([FolderRegistry(Place("benchmark"), folder / "schemas")])
    loader = Loader(bus, DuckLake(folder / name / "warehouse", 10_000_000), resolver, LoaderSettings(drain_seconds=600))
    try:
        started = time.perf_counter()
        loader.run(lambda: True)
        return len(lines) / (time.perf_counter() - started)
    finally:
        loader.close()
        resolver.close()


def _fill(warehouse: Path) -> None:
    connection, lock = open_writer(warehouse)
    again = "SELECT * REPLACE (uuid()::VARCHAR AS event_id, md5(uuid()::VARCHAR) AS event_fingerprint) FROM events"
    connection.execute(f"CREATE TEMP TABLE sample AS {again}")
    (rows,) = connection.execute("SELECT count(*) FROM events").fetchone() or (0,)
    while rows < ROWS:
        portion = min(_PORTION, ROWS - rows)
        copies = f"{again.replace('FROM events', 'FROM sample')} s, range({-(-portion // EVENTS)}) r(i)"
        connection.execute(f"INSERT INTO events {copies.replace('SELECT * REPLACE', 'SELECT s.* REPLACE')} LIMIT {portion}")
        rows += portion
    connection.close()
    os.close(lock)


def _evolution(folder: Path, lines: list[bytes]) -> dict[str, float]:
    """How much longer a small batch takes when the table must change first."""
    usual, changed = [], []
    for run in range(RUNS):
        usual.append(_seconds(_fresh(lines[:100]), folder))
        key = _write_schema(folder / "schemas", f"novelty_{run}", {"id": _TEXT, "amount": {"type": "number"}})
        changed.append(_seconds([_with_novelty(line, key) for line in _fresh(lines[:100])], folder))
    return {"usual": _ms(statistics.median(usual)), "with a new column": _ms(statistics.median(changed))}


def _seconds(lines: list[bytes], folder: Path) -> float:
    return len(lines) / _load(lines, folder, "large")


def _with_novelty(line: bytes, key: Any) -> bytes:
    cells = line.decode().split("\t")
    entity = SelfDescribing(key, {"id": "a", "amount": 1.5})
    cells[-9] = tsv.contexts_text([entity])
    return "\t".join(cells).encode()


def _start(warehouse: Path) -> float:
    started = time.perf_counter()
    DuckLake(warehouse, 10_000_000).close()
    return time.perf_counter() - started


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


class _Reader:
    """Another process that counts rows until the block ends."""

    def __init__(self, data: Path, stop: Path) -> None:
        self._stop = stop
        command = [sys.executable, "-c", _READER, str(data), str(stop)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.took: list[float] = []

    def __enter__(self) -> "_Reader":
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.touch()
        said, _ = self._process.communicate(timeout=60)
        self.took = json.loads(said)


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
