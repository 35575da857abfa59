"""The collector on Pub/Sub: 256 connections, an emulator that takes 5 ms for each call on the other core.

    python -m benchmarks.pubsub [runs [seconds]]

With what else a machine does, the collector's CPU time is steadier: so many microseconds a request, of the million that its core
has a second; so many seconds until it answers first.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.collector import _cpu, _first_answer, _median, _on_core, _rss, _script

CONNECTIONS = 256
SERVICE_TIME = 0.005
CASES = ("POST 1", "POST 10", "GET")


def measure(runs: int = 5, seconds: int = 3) -> dict[str, Any]:
    """As `benchmarks.collector.measure`."""
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        for run in range(runs):
            for case in CASES:
                with _emulator() as endpoint, _collector(endpoint, 19_190 + run) as (process, port, cold):
                    results.setdefault("cold start", []).append(round(cold, 3))
                    results.setdefault("cold start cpu", []).append(_cpu(process))
                    for figure, value in _load(process, port, _script(case, Path(name)), seconds).items():
                        results.setdefault(case, {}).setdefault(figure, []).append(value)
                    results.setdefault("rss", []).append(_rss(process))
    return results


@contextmanager
def _emulator() -> Iterator[str]:
    command = [*_on_core(1), sys.executable, "-m", "backbone.bus.emulator", "0", str(SERVICE_TIME)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip().partition("=")[2]
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def _collector(endpoint: str, port: int) -> "Iterator[tuple[subprocess.Popen[bytes], int, float]]":
    command = [*_on_core(0), sys.executable, "-m", "snowmelt", "collect", "--port", str(port)]
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env={**os.environ, "SNOWMELT_BUS_KIND": "pubsub", "PUBSUB_EMULATOR_HOST": endpoint}, stderr=subprocess.DEVNULL
    )
    try:
        yield process, port, _first_answer(port, began, process)
    finally:
        process.terminate()
        process.wait(30)


def _load(process: "subprocess.Popen[bytes]", port: int, script: Path, seconds: int) -> dict[str, float]:
    url = f"http://127.0.0.1:{port}"
    command = [*_on_core(1), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script), url]
    before = _cpu(process)
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    spent = _cpu(process) - before
    line = next(line for line in output.splitlines() if line.startswith("RESULT "))
    requests, duration, median, high, errors = map(int, line.split()[1:])
    if errors:
        raise RuntimeError(f"{errors} requests of {requests} failed")
    return {
        "requests_per_second": round(requests / duration * 1e6),
        "p50_ms": round(median / 1000, 2),
        "p99_ms": round(high / 1000, 2),
        "cpu_us": round(spent / requests * 1e6, 1),
    }


if __name__ == "__main__":
    for name, figures in measure(*map(int, sys.argv[1:])).items():
        shown = {key: _median(values) for key, values in figures.items()} if isinstance(figures, dict) else _median(figures)
        print(f"{name:12} {shown}")
