"""The bus reaches its disk limit: a 503 that browsers may read, nothing lost, service again once consumers caught up."""

import http.client
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pipeline import Pipeline, eventually
from tracker import PAYLOAD_DATA, TP2, call, event

pytestmark = pytest.mark.fault
LIMITS = "[bus]\nmax_bytes = 8000000\nsegment_bytes = 200000\n[enricher]\nbatch_bytes = 300000\n"


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    fresh = Pipeline(tmp_path, LIMITS, bus="log")
    yield fresh
    fresh.close()


@pytest.fixture
def running(pipeline: Pipeline) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Services started by the test; all must end well."""
    services: list[subprocess.Popen[bytes]] = []
    yield services
    for service in services:
        service.send_signal(signal.SIGTERM)
    assert [service.wait(60) for service in services] == [0] * len(services)


def post(pipeline: Pipeline, one: dict[str, str]) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection(urlsplit(pipeline.url).netloc, timeout=30)
    body = json.dumps({"schema": PAYLOAD_DATA, "data": [one]})
    connection.request("POST", TP2, body, {"Content-Type": "application/json", "Origin": "https://shop.example"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def test_full_then_drained(pipeline: Pipeline, running: list["subprocess.Popen[bytes]"]) -> None:
    running.append(pipeline.service("collector"))
    eventually(lambda: answers(pipeline), 20, 0.05)
    accepted: list[str] = []
    status, headers = 200, {}
    while status == 200 and len(accepted) < 2000:
        one = event("pv", page="x" * 10_000)
        status, headers = post(pipeline, one)
        accepted += [one["eid"]] * (status == 200)
    assert status == 503, "the limit is reached long before 2000 requests of 10 kB"
    assert headers["access-control-allow-origin"] == "https://shop.example"
    assert headers["access-control-allow-credentials"] == "true"
    assert int(headers["retry-after"]) > 0
    size = sum(file.stat().st_size for file in (pipeline.data / "bus").rglob("*") if file.is_file())
    assert size < 10_000_000

    running.append(pipeline.service("enricher"))
    time.sleep(4)  # long enough for the enricher to fill files that the loader, never here before, must still find
    running.append(pipeline.service("loader"))
    refused = event("pv")
    eventually(lambda: post(pipeline, refused)[0] == 200, 60, what="200 again, the consumers having caught up")
    everything = "(select event_id from events union all select event_id from failed_events)"
    wanted = sorted([*accepted, refused["eid"]])
    statement = f"select event_id from {everything} order by 1"
    assert eventually(lambda: [row["event_id"] for row in pipeline.try_sql(statement)] == wanted, 60, what="each exactly once")


def answers(pipeline: Pipeline) -> bool:
    try:
        return call(pipeline.url, "GET", "/health")[0] == 200
    except OSError:
        return False
