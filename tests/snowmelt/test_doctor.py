"""`snowmelt doctor`: how an event is followed, and what is said of one that does not arrive, fails, or has odd times."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from pipeline import free_port
from typer.testing import CliRunner

from backbone.bus.memory import MemoryBus
from backbone.errors import BusUnavailable, TransientError
from snowmelt import doctor_here
from snowmelt.cli import app
from snowmelt.doctor_check import Check
from snowmelt.doctor_event import APP_ID, Find, Journey, Landed


class Accepting(BaseHTTPRequestHandler):
    """A collector that takes everything, and keeps nothing but what it was sent."""

    bodies: list[bytes]

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def bodies() -> list[bytes]:
    return []


@pytest.fixture
def url(bodies: list[bytes]) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), type("Handler", (Accepting,), {"bodies": bodies}))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def followed(url: str, find: Find, patience: float = 0.3, bus: Any = None) -> list[Check]:
    return list(Journey(url, find, bus).checks(patience))


def wrong(checks: list[Check]) -> dict[str, str]:
    return {check.what: check.said for check in checks if check.outcome == "wrong"}


def row(collected: float = 0.0, enriched: float = 0.1, loaded: float = 0.2, why: str | None = None) -> Find:
    """Found at once, its times so many seconds from now."""
    now = time.time()
    return lambda _: Landed(now + collected, now + enriched, now + loaded, why)


def test_an_event_that_arrives_is_marked(url: str, bodies: list[bytes]) -> None:
    journey = Journey(url, row(), None)
    assert wrong(list(journey.checks(1))) == {}
    assert list(journey.stages) == ["accepted", "enriched", "loaded", "visible"]
    (body,) = bodies
    assert f'"aid":"{APP_ID}"'.encode() in body
    assert journey.event_id.encode() in body


def test_an_event_that_does_not_arrive_is_waited_for_so_long_only(url: str) -> None:
    began = time.monotonic()
    assert wrong(followed(url, lambda _: None)) == {"row visible": "not within 0 s"}
    assert 0.3 <= time.monotonic() - began < 5


def test_a_warehouse_that_cannot_be_asked_is_told(url: str) -> None:
    def find(_: str) -> Landed | None:
        raise TransientError("it is away")

    assert wrong(followed(url, find)) == {"row visible": "the warehouse cannot be asked: it is away"}


def test_an_event_that_failed_is_told_with_its_reason(url: str) -> None:
    assert wrong(followed(url, row(why="the schema is not there"))) == {"row of events": "it failed: the schema is not there"}


@pytest.mark.parametrize(
    ("times", "whose"),
    [
        ({"collected": -30.0, "enriched": -29.0, "loaded": -28.0}, ["clock of the collector"]),
        ({"collected": 30.0, "enriched": 31.0, "loaded": 32.0}, ["clock of the collector"]),
        ({"enriched": -5.0}, ["clock of the enricher"]),
        ({"loaded": -5.0}, ["clock of the loader"]),
    ],
)
def test_clocks_that_are_off_are_told(url: str, times: dict[str, float], whose: list[str]) -> None:
    assert list(wrong(followed(url, row(**times)))) == whose


def test_a_bus_shows_how_far_the_event_came(url: str) -> None:
    bus = MemoryBus()

    class Passing(Journey):
        def _send(self) -> Check:
            bus.publisher("collector").commit([("raw", b"other"), ("raw", b"..." + self.event_id.encode())])
            return super()._send()

    journey = Passing(url, lambda _: None, bus)
    (lost,) = [check for check in journey.checks(0.5) if check.outcome == "wrong"]
    assert list(journey.stages) == ["accepted", "on raw"]
    assert "does the enricher run?" in lost.remedy


def test_who_may_not_look_at_the_bus_follows_the_event_all_the_same(url: str) -> None:
    class Closed(MemoryBus):
        def subscribe(self, *_: Any, **__: Any) -> Any:
            raise BusUnavailable("no permission")

    checks = followed(url, row(), bus=Closed())
    assert (checks[0].what, checks[0].outcome) == ("seen on the bus", "unknown")
    assert wrong(checks) == {}
    assert checks[-1].what == "clock of the loader"


def test_a_folder_without_data_is_told(tmp_path: Path) -> None:
    from snowmelt import configuration

    settings = configuration.read(None, tmp_path / "none")
    (found,) = doctor_here.data_folder(settings)
    assert (found.outcome, found.said) == ("wrong", "does not exist")


@pytest.mark.parametrize("url", ["somewhere", "ftp://a.example", "http://a.example:x"])
def test_an_address_that_is_none_is_a_fault_of_the_command_line(url: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--collector-url", url, "--data", str(tmp_path)])
    assert "--collector-url" in str(result.exception)


def test_bigquery_without_a_dataset_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNOWMELT_WAREHOUSE_KIND", "bigquery")
    result = CliRunner().invoke(app, ["doctor", "--collector-url", f"http://127.0.0.1:{free_port()}", "--data", str(tmp_path)])
    assert "needs project and dataset" in str(result.exception)
