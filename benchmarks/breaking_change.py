"""A schema breaks in the middle of a steady stream: how much longer do the other events take until they can be queried?

Events of `benchmarks.loader`, SNOWMELT_BENCH_RATE (3,000) a second and all with a cart, are published on the embedded log, each
with the moment of its publication in `dvce_created_tstamp`. The loader is a process of its own; another asks the warehouse all
the time which batches it sees. From the middle on, one event in ten has a cart of a version whose property changed its type,
which gets a recovery column. Delays are from publication to the end of the query that saw the row.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backbone import tsv
from backbone.bus.log import LogBus
from backbone.bus.protocol import Stream
from backbone.event import COLUMNS
from backbone.selfdescribing import SchemaKey, SchemaVer, SelfDescribing
from benchmarks.loader import _FAMILIES, _line, _write_schema
from loader.warehouses.ducklake_catalog import open_reader

RATE = int(os.environ.get("SNOWMELT_BENCH_RATE", "3000"))
RUNS = 5
_WARM_UP, _BEFORE, _AFTER = 3.0, 8.0, 12.0
"""Seconds; of the first nothing is told."""
_DURING = (-0.5, 2.0)
"""Seconds around the change whose events count as published during it."""
_EVERY = 0.05
_BROKEN_VERSION = SchemaVer(1, 0, 1)
_CART = {"id": {"type": "string"}, "total": {"type": "string"}}
_BROKEN_CART = {**_CART, "total": {"type": "number"}}
_RECOVERY = "contexts_com_acme_cart_1_recovered_1_0_1_"
_ID, _CREATED, _CONTEXTS = (COLUMNS.index(name) for name in ("event_id", "dvce_created_tstamp", "contexts"))
_LOADER = """
import sys
from backbone.settings import load
from loader.main import run
from loader.settings import LoaderSettings, WarehouseSettings
flags = {"data.folder": sys.argv[1], "iglu.schemas": [sys.argv[2]]}
sys.exit(run(load(None, {"loader": LoaderSettings, "warehouse": WarehouseSettings}, environment={}, flags=flags)))
"""
_OBSERVER = """
import sys, time, json
from pathlib import Path
from loader.warehouses.ducklake_catalog import open_reader
seen, last = {}, "2000-01-01"
with open_reader(Path(sys.argv[1])) as connection:
    print("ready", flush=True)
    while not Path(sys.argv[2]).exists():
        query = f"SELECT DISTINCT load_tstamp::VARCHAR FROM events WHERE load_tstamp > TIMESTAMPTZ '{last}' ORDER BY 1"
        for (batch,) in connection.execute(query).fetchall():
            seen[batch] = time.time()
            last = batch
        time.sleep(0.01)
print(json.dumps(seen))
"""


def measure() -> dict[str, Any]:
    """Milliseconds, of each run: of the events before, during and after the change, and of those that broke."""
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: {"median_ms": [], "longest_ms": []})
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            for period, delays in _run(Path(folder)).items():
                figures[period]["median_ms"].append(round(statistics.median(delays) * 1000, 1))
                figures[period]["longest_ms"].append(round(max(delays) * 1000, 1))
    return {"events_per_second": RATE, **figures}


def _run(folder: Path) -> dict[str, list[float]]:
    """Delays in seconds by period."""
    keys = {name: _write_schema(folder / "schemas", name, properties) for name, properties in _FAMILIES.items()}
    cart = _write_schema(folder / "schemas", "cart", _CART)
    data = folder / "data"
    publisher = LogBus(data / "bus", 10_000_000_000, 64_000_000).publisher("enricher")
    templates = [_with_cart(_line(number, keys), cart, "12.50") for number in range(100)]
    with _process(_LOADER, data, folder / "schemas"):
        publisher.commit([("enriched", _fresh(template)) for template in templates])
        _wait_for_rows(data, len(templates))
        with _process(_OBSERVER, data, folder / "stop", stdout=subprocess.PIPE, text=True) as observer:
            assert observer.stdout is not None
            assert observer.stdout.readline() == "ready\n"
            sent = _publish(publisher, templates, _WARM_UP + _BEFORE)
            change = time.time()
            broken = cart._replace(version=_BROKEN_VERSION)
            _write_version(folder / "schemas", broken)
            breaking = [_with_cart(cells, broken, 12.5) if at % 10 == 0 else cells for at, cells in enumerate(templates)]
            sent += _publish(publisher, breaking, _AFTER)
            publisher.close()
            _wait_for_rows(data, len(templates) + sent)
            time.sleep(0.5)
            (folder / "stop").touch()
            said, _ = observer.communicate(timeout=60)
    return _delays(data, json.loads(said), change)


def _publish(publisher: Any, templates: list[list[bytes]], seconds: float) -> int:
    """Number of events. At a steady rate: what could not be sent in time is sent as soon as possible, with its own time."""
    started, sent = time.monotonic(), 0
    while (passed := time.monotonic() - started) < seconds:
        due = int(passed * RATE) - sent
        records: list[tuple[Stream, bytes]] = [("enriched", _fresh(templates[(sent + at) % len(templates)])) for at in range(due)]
        publisher.commit(records)
        sent += due
        time.sleep(max(0.0, started + passed + _EVERY - time.monotonic()))
    return sent


def _delays(data: Path, seen: dict[str, float], change: float) -> dict[str, list[float]]:
    with open_reader(data) as connection:
        recovery = next(name for name in connection.table("events").columns if name.startswith(_RECOVERY))
        query = (
            f"SELECT load_tstamp::VARCHAR, epoch(dvce_created_tstamp), {recovery} IS NOT NULL, count(*) FROM events GROUP BY ALL"
        )
        rows = connection.execute(query).fetchall()
    delays: dict[str, list[float]] = defaultdict(list)
    begin = change - _BEFORE
    for batch, published, broke, number in rows:
        if published >= begin:
            delays["broken" if broke else _period(published - change)] += [seen[batch] - published] * number
    return delays


def _period(since_change: float) -> str:
    earliest, latest = _DURING
    return "before" if since_change < earliest else "during" if since_change < latest else "after"


def _fresh(cells: list[bytes]) -> bytes:
    """Under a new id and fingerprint, published now."""
    fresh = list(cells)
    fresh[_ID], fresh[-2] = str(uuid.uuid4()).encode(), uuid.uuid4().hex.encode()
    fresh[_CREATED] = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3].encode()
    return b"\t".join(fresh)


def _with_cart(line: bytes | list[bytes], key: SchemaKey, total: Any) -> list[bytes]:
    cells = line.split(b"\t") if isinstance(line, bytes) else list(line)
    cells[_CONTEXTS] = tsv.contexts_text([SelfDescribing(key, {"id": "c-1", "total": total})]).encode()
    return cells


def _write_version(folder: Path, key: SchemaKey) -> None:
    about = {"vendor": key.vendor, "name": key.name, "format": key.format, "version": str(key.version)}
    partial = folder / "partial.json"
    partial.write_text(json.dumps({"self": about, "type": "object", "properties": _BROKEN_CART}))
    partial.replace(folder / key.path)


@contextmanager
def _process(program: str, *arguments: Path, **options: Any) -> Iterator["subprocess.Popen[Any]"]:
    process = subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def _wait_for_rows(data: Path, number: int) -> None:
    deadline = time.monotonic() + 120
    while not (data / "warehouse" / "catalog.sqlite").exists():
        time.sleep(0.1)
    time.sleep(0.5)
    with open_reader(data) as connection:
        while time.monotonic() < deadline:
            (found,) = connection.execute("SELECT count(*) FROM events").fetchone() or (0,)
            if found == number:
                return
            time.sleep(0.2)
    raise AssertionError(f"not {number} rows in {data} in time")


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
