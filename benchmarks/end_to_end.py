"""The whole pipeline as `snowmelt up` runs it: from the first request to the last row, all on this machine's cores.

`events_per_second` counts from the first request to the moment all rows can be queried; `seconds_to_row` is the delay of a single
event while nothing else happens; `cold_start_s` from the command to the first 200, `first_row_s` to the first row; memory is that
of each process after the load, the supervisor's too.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from backbone.errors import SnowmeltError
from snowmelt import configuration
from snowmelt.generator import Batch, batches
from snowmelt.sql import query

ROOT = Path(__file__).parents[1]
CONNECTIONS = 8
TP2 = "/com.snowplowanalytics.snowplow/tp2"
TIMEOUT = 300.0


def measure(runs: int = 5, events: int = 10_000) -> dict[str, Any]:
    """One number a run for each figure; memory by process."""
    found: dict[str, Any] = {name: [] for name in ("events_per_second", "seconds_to_row", "cold_start_s", "first_row_s")}
    memory: dict[str, list[float]] = {}
    for run in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            pipeline = Pipeline(Path(folder))
            try:
                found["cold_start_s"].append(round(pipeline.cold_start, 2))
                found["first_row_s"].append(round(pipeline.first_row(), 2))
                found["seconds_to_row"].append(round(pipeline.delay(), 2))
                found["events_per_second"].append(round(pipeline.throughput(run, events)))
                for name, megabytes in pipeline.memory().items():
                    memory.setdefault(name, []).append(megabytes)
            finally:
                pipeline.stop()
    return {**found, "rss_mb": memory}


class Pipeline:
    """`snowmelt up` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._data = folder / "data"
        config = folder / "snowmelt.toml"
        config.write_text(
            f'[iglu]\nschemas = ["{ROOT / "schemas"}"]\n[enricher]\nenrichments = "{ROOT / "enrichments"}"\n', "utf-8"
        )
        self._settings = configuration.read(config, self._data)
        command = [sys.executable, "-m", "snowmelt", "up", "--port", "0", "--data", str(self._data), "--config", str(config)]
        self._began = time.perf_counter()
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self._port, self._pids = self._announced()
        self.cold_start = time.perf_counter() - self._began
        threading.Thread(target=self._drain, daemon=True).start()

    def _announced(self) -> tuple[int, dict[str, int]]:
        pids = {"supervisor": self._process.pid}
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("Collector: "):
                return int(line.rsplit(":", 1)[1]), pids
            name, _, rest = line.partition(": started (pid ")
            if rest:
                pids[name] = int(rest.split(",")[0])
        raise RuntimeError("the pipeline did not start")

    def _drain(self) -> None:
        assert self._process.stdout is not None
        for _ in self._process.stdout:
            pass

    def first_row(self) -> float:
        self._send_one()
        return time.perf_counter() - self._began

    def delay(self) -> float:
        """Median of five single events."""
        return sorted(self._send_one() for _ in range(5))[2]

    def _send_one(self) -> float:
        event = {"e": "pv", "p": "web", "tv": "benchmark", "eid": str(uuid.uuid4())}
        began = time.perf_counter()
        self._post(_body([event]), http.client.HTTPConnection("127.0.0.1", self._port))
        self._wait(f"SELECT count(*) AS n FROM events WHERE event_id = '{event['eid']}'", 1, 0.02)
        return time.perf_counter() - began

    def throughput(self, seed: int, count: int) -> float:
        before = self._count("SELECT count(*) AS n FROM events")
        posts = [batch for batch in batches(seed, count) if batch.method == "POST"]
        expected = before + sum(len(batch.events) for batch in posts)
        began = time.perf_counter()
        shares = [threading.Thread(target=self._send, args=(posts[start::CONNECTIONS],)) for start in range(CONNECTIONS)]
        for share in shares:
            share.start()
        for share in shares:
            share.join()
        self._wait("SELECT count(*) AS n FROM events", expected, 0.1)
        return (expected - before) / (time.perf_counter() - began)

    def _send(self, posts: list[Batch]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        for batch in posts:
            self._post(_body(batch.events), connection)
        connection.close()

    def _post(self, body: bytes, connection: http.client.HTTPConnection) -> None:
        connection.request("POST", TP2, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"the collector answered {answer.status}")

    def _count(self, statement: str) -> int:
        try:
            return int(query(self._settings, statement)[0]["n"])
        except SnowmeltError:
            return 0

    def _wait(self, statement: str, expected: int, pause: float) -> None:
        deadline = time.perf_counter() + TIMEOUT
        while self._count(statement) < expected:
            if time.perf_counter() > deadline:
                raise RuntimeError(f"rows are missing after {TIMEOUT:.0f} s")
            time.sleep(pause)

    def memory(self) -> dict[str, float]:
        """MB resident, by process."""
        page = os.sysconf("SC_PAGE_SIZE")
        return {
            name: round(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page / 1e6) for name, pid in self._pids.items()
        }

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(120)


def _body(events: list[dict[str, str]]) -> bytes:
    now = str(int(time.time() * 1000))
    schema = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
    return json.dumps({"schema": schema, "data": [{"dtm": now, **event, "stm": now} for event in events]}).encode()
