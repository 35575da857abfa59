"""`snowmelt send` against a collector that misbehaves on purpose: kept, retried with the same ids, counted, logged."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner

from snowmelt import send
from snowmelt.cli import app
from snowmelt.delivery import request
from snowmelt.generator import batches


class Collector:
    """Speaks HTTP; `script` says what to answer to the n-th request: a status, or None to hang up."""

    def __init__(self) -> None:
        self.script: Callable[[int], int | None] = lambda number: 200
        self.requests: list[list[dict[str, str]]] = []
        self.answered: list[int | None] = []
        lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.answer([{name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}])

            def do_POST(self) -> None:
                self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["data"])

            def answer(self, events: list[dict[str, str]]) -> None:
                with lock:
                    status = outer.script(len(outer.requests))
                    outer.requests.append(events)
                    outer.answered.append(status)
                if status is None:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def accepted(self) -> list[str]:
        answers = zip(self.requests, self.answered, strict=True)
        return [event["eid"] for events, status in answers if status == 200 for event in events]


@pytest.fixture
def collector() -> Iterator[Collector]:
    running = Collector()
    yield running
    running.server.shutdown()


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["send", *arguments])
    return result.exit_code, result.output


def wanted(seed: int, count: int) -> list[str]:
    return sorted(event["eid"] for batch in batches(seed, count) for event in batch.events)


def test_every_event_arrives_once(collector: Collector, tmp_path: Path) -> None:
    code, output = run("--url", collector.url, "--count", "200", "--seed", "5", "--log", str(tmp_path / "ids"))
    assert code == 0, output
    assert "accepted 200  refused 0  given up 0" in output
    assert sorted(collector.accepted()) == wanted(5, 200)
    assert sorted((tmp_path / "ids").read_text().split()) == wanted(5, 200)


@pytest.mark.parametrize("fault", [503, 500, 413, 404, None], ids=["503", "500", "413", "404", "hang-up"])
def test_refusals_and_broken_connections_are_retried_with_the_same_ids(collector: Collector, fault: int | None) -> None:
    collector.script = lambda number: 200 if number % 3 else fault
    code, output = run("--url", collector.url, "--count", "60", "--seed", "5")
    assert code == 0, output
    assert sorted(collector.accepted()) == wanted(5, 60)
    assert "retries 0" not in output


def test_a_retry_renews_the_sending_time_but_not_that_of_the_event(collector: Collector) -> None:
    collector.script = lambda number: 503 if number < 4 else 200
    run("--url", collector.url, "--count", "1", "--seed", "5")
    first, last = collector.requests[0][0], collector.requests[-1][0]
    assert (first["eid"], first["dtm"]) == (last["eid"], last["dtm"])
    assert int(last["stm"]) > int(first["stm"])


@pytest.mark.parametrize("status", [400, 401, 403, 410, 422])
def test_final_refusals_are_not_retried(collector: Collector, status: int) -> None:
    collector.script = lambda number: status
    code, output = run("--url", collector.url, "--count", "20", "--seed", "5")
    assert code == 1
    assert "accepted 0  refused 20  given up 0  retries 0" in output


def test_patience_ends(collector: Collector, tmp_path: Path) -> None:
    collector.script = lambda number: 503
    arguments = ("--url", collector.url, "--count", "3", "--seed", "5", "--patience", "0.2", "--log", str(tmp_path / "ids"))
    code, output = run(*arguments)
    assert code == 1
    assert "accepted 0  refused 0  given up 3" in output
    assert (tmp_path / "ids").read_text() == ""


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://a", "http://", "http://a:port"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    from backbone.errors import ConfigurationError

    result = CliRunner().invoke(app, ["send", "--url", url, "--count", "1"])
    assert isinstance(result.exception, ConfigurationError)
    assert "--url" in str(result.exception)


def test_pacing_spreads_events_over_time() -> None:
    import time

    began = time.monotonic()
    assert sum(len(batch.events) for batch in send.paced(batches(1, 60), 200)) == 60
    assert time.monotonic() - began >= 0.2, "60 events at 200 a second, but for the last batch"


def test_a_get_holds_the_event_in_its_query() -> None:
    batch = next(batch for batch in batches(1, 500) if batch.method == "GET")
    path, body, headers = request(batch)
    query = parse_qs(urlsplit(path).query)
    assert path.startswith("/i?")
    assert body is None
    assert query["eid"] == [batch.events[0]["eid"]]
    assert query["url"] == [batch.events[0]["url"]]
    assert headers["User-Agent"] == batch.agent
