"""Requests a second at the collector, one core for it, one for `wrk`: POST of one event, POST of ten, GET; 32 open connections.

Every case runs with the embedded log, where 200 means stored, and with a publisher that throws records away: the difference is
what durability costs. The latter exists only here. Runs are interleaved. `wrk` and `taskset` must be installed.

    python -m benchmarks.collector            prints the medians
"""

import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from backbone.bus.log import LogBus
from backbone.bus.protocol import Positions, Stream

KINDS = ("durable", "discarded")
CASES = ("POST 1", "POST 10", "GET")
CONNECTIONS = 32
TP2 = "/com.snowplowanalytics.snowplow/tp2"
HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-GB,en-US;q=0.9,en;q=0.8",
    "Content-Type": "application/json; charset=UTF-8",
    "Cookie": "_sp_id.1fff=5b4d2a0e-6f0b-4c53-9f3e-0d9f5d1c7a11; sp=8d6a5c1e-3a4b-4f6d-9c2e-1b7a0e5f4d3c",
    "Origin": "https://shop.example",
    "Referer": "https://shop.example/products/boots",
    "Sec-Fetch-Dest": "empty",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Site": "cross-site",
    "User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129 Safari/537.36",
    "X-Forwarded-For": "203.0.113.7",
}
EVENT = {
    "e": "pv",
    "url": "https://shop.example/products/boots?utm_source=newsletter&utm_medium=email&utm_campaign=autumn",
    "page": "Boots, walking shoes and sandals - Shop",
    "refr": "https://www.google.com/",
    "eid": "4a5b6c7d-0000-4000-8000-000000000000",
    "tv": "js-4.10.1",
    "tna": "sp",
    "aid": "shop",
    "p": "web",
    "cookie": "1",
    "cs": "UTF-8",
    "lang": "en-GB",
    "res": "1920x1080",
    "cd": "24",
    "tz": "Europe/Paris",
    "dtm": "1763700000000",
    "vp": "1280x900",
    "ds": "1280x3400",
    "vid": "3",
    "sid": "2f0b9d77-1c52-4e0e-8a41-6b3d9c8e7f10",
    "duid": "5b4d2a0e-6f0b-4c53-9f3e-0d9f5d1c7a11",
    "stm": "1763700000100",
}


class Discarding:
    """A publisher without a bus behind it: what the collector costs apart from storing."""

    def commit(self, records: Sequence[tuple[Stream, bytes]], consumed: Positions | None = None) -> None:
        pass

    def consumed(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        pass


def measure(runs: int = 5, seconds: int = 2) -> dict[str, Any]:
    """`{"POST 1 durable": {"requests_per_second": […], "p50_ms": […], "p99_ms": […], "cpu_us": […]}, …}`, one number a run; of
    each kind `"cold start durable"` (seconds to the first 200) and `"rss durable"` (MB at start and after load).
    """
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        for run in range(runs):
            for kind in KINDS:
                with _server(kind, Path(name) / f"{kind}{run}") as (process, port, cold):
                    results.setdefault(f"cold start {kind}", []).append(round(cold, 3))
                    before = _rss(process)
                    for case in CASES:
                        figures = _load(process, port, _script(case, Path(name)), seconds)
                        for figure, value in figures.items():
                            results.setdefault(f"{case} {kind}", {}).setdefault(figure, []).append(value)
                    results.setdefault(f"rss {kind}", []).append([before, _rss(process)])
    return results


def _body(events: int) -> str:
    data = [EVENT] * events
    return json.dumps({"schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4", "data": data})


def _script(case: str, folder: Path) -> Path:
    """What wrk sends, and how it reports."""
    lines = [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in HEADERS.items()]
    if case == "GET":
        lines.append(f"wrk.path = {json.dumps('/i?' + urlencode(EVENT))}")
    else:
        lines += ['wrk.method = "POST"', f"wrk.path = {json.dumps(TP2)}", f"wrk.body = {json.dumps(_body(int(case.split()[1])))}"]
    lines += [
        "function done(summary, latency, requests)",
        "  local errors = summary.errors",
        '  io.write(string.format("\\nRESULT %d %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(50),',
        "    latency:percentile(99), errors.connect + errors.read + errors.write + errors.status + errors.timeout))",
        "end",
    ]
    path = folder / f"{case.replace(' ', '')}.lua"
    path.write_text("\n".join(lines))
    return path


def _load(process: "subprocess.Popen[bytes]", port: int, script: Path, seconds: int) -> dict[str, float]:
    command = [*_on_core(1), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{port}"]
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


@contextmanager
def _server(kind: str, folder: Path) -> "Iterator[tuple[subprocess.Popen[bytes], int, float]]":
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    began = time.perf_counter()
    process = subprocess.Popen([*_on_core(0), sys.executable, "-m", "benchmarks.collector", kind, str(port), str(folder)])
    try:
        cold = _first_answer(port, began, process)
        yield process, port, cold
    finally:
        process.terminate()
        process.wait(30)


def _first_answer(port: int, began: float, process: "subprocess.Popen[bytes]") -> float:
    while time.perf_counter() - began < 20 and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/i?e=pv")
            if connection.getresponse().status == 200:
                return time.perf_counter() - began
        except OSError:
            time.sleep(0.002)
        finally:
            connection.close()
    raise RuntimeError("the collector does not answer")


def _on_core(number: int) -> list[str]:
    return ["taskset", "-c", str(number)] if shutil.which("taskset") and (os.cpu_count() or 1) > 1 else []


def _cpu(process: "subprocess.Popen[bytes]") -> float:
    """Seconds of user and system time so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss(process: "subprocess.Popen[bytes]") -> float:
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def _serve(kind: str, port: int, folder: Path) -> None:
    from collector.app import Collector
    from collector.main import serve
    from collector.settings import CollectorSettings

    options = CollectorSettings(port=port)
    publisher = Discarding() if kind == "discarded" else LogBus(folder, 10**11).publisher("collector")
    serve(options, Collector(options, "snowmelt-0.0.0-log", publisher), socket.create_server(("127.0.0.1", port), backlog=1024))


def _median(values: list[Any]) -> Any:
    return (
        [round(statistics.median(column), 1) for column in zip(*values, strict=True)]
        if isinstance(values[0], list)
        else (statistics.median(values))
    )


if __name__ == "__main__":
    if len(sys.argv) == 4:
        _serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    else:
        for name, figures in measure().items():
            shown = {key: _median(values) for key, values in figures.items()} if isinstance(figures, dict) else _median(figures)
            print(f"{name:22} {shown}")
