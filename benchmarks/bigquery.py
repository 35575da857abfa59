"""The loader on BigQuery: processor time of this process for each row, with the stand-in for BigQuery in a process of its own.

The same events as in `benchmarks.loader`. `store_us`: what the warehouse's client costs, that is duplicates, protocol buffers and
sending, from encoded rows to the batch that is noted; `loader_us`: all of it, from enriched lines on. Seconds by the clock would
be those of the stand-in, which reads every row in Python.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backbone.bus.memory import MemoryBus
from backbone.iglu.registries import FolderRegistry, Place
from backbone.iglu.resolver import Resolver
from benchmarks.loader import _FAMILIES, EVENTS, _line, _write_schema
from loader.app import Loader
from loader.settings import LoaderSettings
from loader.warehouses import bigquery_client
from loader.warehouses.bigquery import BigQuery
from loader.warehouses.protocol import Batch, Stored

_RIG = Path(__file__).parents[1] / "tests" / "rig"
_SERVE = """
import sys
from pathlib import Path
from bigquery_server import DATASET, PROJECT, BigQueryServer
server = BigQueryServer(Path(sys.argv[1]))
print(PROJECT, DATASET, server.endpoint, server.write_endpoint, flush=True)
sys.stdin.read()
"""


class _Timed(BigQuery):
    spent = 0.0

    def store(self, batch: Batch) -> Stored:
        began = time.process_time()
        try:
            return super().store(batch)
        finally:
            self.spent += time.process_time() - began


def measure(runs: int = 5, events: int = EVENTS) -> dict[str, Any]:
    """`store_us`, `loader_us`: medians, of all threads; the first batch, which makes the columns, included."""
    store, whole = [], []
    with tempfile.TemporaryDirectory() as name:
        schemas = Path(name) / "schemas"
        keys = {family: _write_schema(schemas, family, properties) for family, properties in _FAMILIES.items()}
        lines = [_line(number, keys) for number in range(events)]
        for run in range(runs):
            with _server(Path(name) / str(run)) as place:
                spent, total = _run(lines, schemas, place)
            store.append(spent / events * 1e6)
            whole.append(total / events * 1e6)
    return {
        "store_us": round(statistics.median(store), 1),
        "loader_us": round(statistics.median(whole), 1),
        "runs": {"store_us": [round(value, 1) for value in store], "loader_us": [round(value, 1) for value in whole]},
    }


@contextmanager
def _server(folder: Path) -> Iterator[bigquery_client.Place]:
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_RIG)},
    )
    assert process.stdout is not None
    try:
        project, dataset, endpoint, write_endpoint = process.stdout.readline().split()
        yield bigquery_client.Place(project, dataset, None, endpoint, write_endpoint)
    finally:
        process.kill()
        process.communicate()


def _run(lines: list[bytes], schemas: Path, place: bigquery_client.Place) -> tuple[float, float]:
    bus = MemoryBus()
    bus.publisher("enricher").commit([("enriched", line) for line in lines])
    resolver = Resolver([FolderRegistry(Place("benchmark"), schemas)])
    warehouse = _Timed(place, known_events=1_000_000)
    loader = Loader(bus, warehouse, resolver, LoaderSettings(drain_seconds=600))
    try:
        began = time.process_time()
        loader.run(lambda: True)
        total = time.process_time() - began
        assert loader.totals.loaded == len(lines)
    finally:
        loader.close()
        resolver.close()
    return warehouse.spent, total


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:])), indent=1))
