"""The collector as a process: what it imports, how it starts, how it stops."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backbone.bus.log import LogBus
from backbone.errors import BusUnavailable, ConfigurationError
from backbone.settings import load
from collector.main import run
from collector.settings import CollectorSettings

HEAVY = {
    "duckdb",
    "jsonschema",
    "jsonschema_rs",
    "rich",
    "typer",
    "maxminddb",
    "geoip2",
    "ua_parser",
    "zstandard",
    "Crypto",
    "jsonpath_ng",
    "referencing",
    "requests",
    "enricher",
    "loader",
    "registry",
    "snowmelt",
    "google",
    "httpx",
    "jinja2",
}
START = """
import logging, sys
from pathlib import Path
from backbone.settings import load
from collector.main import run
from collector.settings import CollectorSettings
logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
file, data = map(Path, sys.argv[1:])
sys.exit(run(load(file, {"collector": CollectorSettings}, flags={"data.folder": data, "collector.port": 0})))
"""


class Process:
    """A collector in a process of its own."""

    def __init__(self, folder: Path, toml: str = "") -> None:
        file = folder / "snowmelt.toml"
        file.write_text(toml)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SNOWMELT_")}
        self.popen = subprocess.Popen(
            [sys.executable, "-c", START, file, folder / "data"], stderr=subprocess.PIPE, text=True, env=environment
        )
        self.lines: list[str] = []
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            self.lines.append(line)
            if "listening on" in line:
                self.port = int(line.rsplit(":", 1)[1])
                break
        self._reader = threading.Thread(target=lambda: self.lines.extend(self.popen.stderr or ()), daemon=True)
        self._reader.start()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.popen.send_signal(number)
        return self.popen.wait(20)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Any]:
    made: list[Process] = []

    def make(toml: str = "") -> Process:
        made.append(Process(tmp_path, toml))
        return made[-1]

    yield make
    for each in made:
        each.popen.kill()
        each.popen.wait()


def stored(folder: Path) -> int:
    return len(LogBus(folder / "data" / "bus").subscribe(None, ["raw"]).pull(10_000, 100_000_000, 0))


def test_it_imports_little() -> None:
    program = "import sys, collector.main; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) & HEAVY == set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_drains_and_exits_with_0(process: Any, tmp_path: Path, number: int) -> None:
    collector = process()
    under_way = socket.create_connection(("127.0.0.1", collector.port))
    under_way.sendall(b"POST /a/b HTTP/1.1\r\nContent-Length: 3\r\n\r\nab")
    idle = collector.connect()
    idle.request("GET", "/i")
    assert idle.getresponse().read()
    collector.popen.send_signal(number)
    time.sleep(0.4)
    under_way.sendall(b"c")
    assert under_way.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
    assert collector.popen.wait(20) == 0
    assert stored(tmp_path) == 2


def test_health_fails_at_once_while_requests_are_still_served(process: Any, tmp_path: Path) -> None:
    collector = process("[collector.timeouts]\npre_stop = 1.5\n")
    before = collector.connect()
    before.request("GET", "/health")
    assert before.getresponse().status == 200
    collector.popen.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    for path, status in (("/health", 503), ("/sink-health", 503), ("/i", 200)):
        connection = collector.connect()
        connection.request("GET", path)
        assert connection.getresponse().status == status
    assert collector.popen.wait(20) == 0
    assert stored(tmp_path) == 1


def test_a_client_that_never_finishes_does_not_keep_it_alive(process: Any) -> None:
    collector = process("[collector.timeouts]\ndrain = 1\n")
    stuck = socket.create_connection(("127.0.0.1", collector.port))
    stuck.sendall(b"POST /a/b HTTP/1.1\r\nContent-Length: 3\r\n\r\nab")
    time.sleep(0.2)
    assert collector.stop() == 0


def test_killed_at_any_moment_it_has_what_it_answered_for(process: Any, tmp_path: Path) -> None:
    collector = process()
    answered = 0
    threading.Timer(0.5, collector.popen.kill).start()
    connection = collector.connect()
    try:
        while True:
            connection.request("POST", "/a/b", b"{}")
            answered += connection.getresponse().read() == b"ok"
    except (OSError, http.client.HTTPException):
        pass
    assert answered > 10
    assert answered <= stored(tmp_path) <= answered + 1


def test_the_stored_name_is_version_and_bus(process: Any, tmp_path: Path) -> None:
    from importlib.metadata import version

    from backbone import thrift

    collector = process()
    connection = collector.connect()
    connection.request("GET", "/i")
    connection.getresponse().read()
    (record,) = LogBus(tmp_path / "data" / "bus").subscribe(None, ["raw"]).pull(10, 10_000, 1)
    assert thrift.decode(record.data).collector == f"snowmelt-{version('snowmelt')}-log"


def settings(folder: Path, **flags: Any) -> Any:
    (folder / "empty.toml").touch()
    models = {"collector": CollectorSettings}
    return load(folder / "empty.toml", models, environment={}, flags={"data.folder": folder / "data", **flags})


def test_a_taken_port_is_a_fault_that_names_the_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"collector.port: cannot listen on 127.0.0.1:{port}"):
            run(settings(tmp_path, **{"collector.port": port}))


def test_an_unusable_host_or_certificate_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot listen"):
        run(settings(tmp_path, **{"collector.host": "no.such.host.invalid"}))
    with pytest.raises(ConfigurationError, match=r"collector.tls"):
        run(settings(tmp_path, **{"collector.port": 0, "collector.tls.certificate": str(tmp_path / "none.pem")}))


def test_on_cloud_run_the_embedded_log_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K_SERVICE", "collector")
    with pytest.raises(ConfigurationError, match="Cloud Run"):
        run(settings(tmp_path, **{"collector.port": 0}))


def test_two_collectors_do_not_share_a_log(process: Any, tmp_path: Path) -> None:
    process()
    with pytest.raises(BusUnavailable, match="another process"):
        run(settings(tmp_path, **{"collector.port": 0}))
