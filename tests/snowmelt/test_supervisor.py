"""Children of `snowmelt up`: started, restarted, drained, killed when they must be; their logs bounded and surfaced."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline import eventually, free_port

from snowmelt.supervisor import CannotStart, Service


class Notes(list[tuple[str, str]]):
    def __call__(self, service: str, text: str) -> None:
        self.append((service, text))

    def texts(self) -> str:
        return "\n".join(text for _, text in self)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def service(tmp_path: Path, notes: Notes) -> Iterator[Service]:
    """A child that runs until it is told to stop."""
    waiting = Service("tail", ["tail", "raw", "--follow", "--data", str(tmp_path)], tmp_path / "logs/tail.log", notes)
    yield waiting
    waiting.stop(1, threading.Event(), lambda: None)


def pid_of(service: Service) -> int:
    assert service.process is not None
    return service.process.pid


def watched(service: Service) -> bool:
    service.watch()
    return service.process is not None


def test_a_child_runs_and_stops_when_told(service: Service, notes: Notes) -> None:
    service.start()
    assert service.state == "running"
    time.sleep(1)
    service.watch()
    service.stop(10, threading.Event(), lambda: None)
    assert service.state == "stopped"
    service.watch()
    assert service.process is None, "what was stopped is not started again"
    assert notes == []


def test_a_crashed_child_is_started_again_and_the_user_is_told(service: Service, notes: Notes) -> None:
    service.start()
    first = pid_of(service)
    os.kill(first, signal.SIGKILL)
    eventually(lambda: watched(service) and pid_of(service) != first, 10, 0.02)
    assert "was killed by signal 9" in notes.texts()
    assert f"running again (pid {pid_of(service)})" in notes.texts()


def test_pauses_grow_while_it_keeps_crashing(service: Service, notes: Notes) -> None:
    service.start()
    for _ in range(4):
        before = pid_of(service)
        os.kill(before, signal.SIGKILL)
        eventually(lambda old=before: watched(service) and pid_of(service) != old, 10, 0.02)  # type: ignore[misc]
    pauses = [text.split(" in ")[1].split(" s")[0] for _, text in notes if "starting again" in text]
    assert pauses == ["0.2", "0.4", "0.8", "1.6"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["tail", "raw", "--config", "no-such-file.toml"], 2, "no-such-file.toml"),
        (["sql", "select 1", "--data", "no-such-folder"], 1, "no-such-folder"),
    ],
    ids=["configuration", "failure"],
)
def test_a_child_that_cannot_start_at_all_is_an_error_with_its_words(
    tmp_path: Path, notes: Notes, arguments: list[str], code: int, said: str
) -> None:
    hopeless = Service("hopeless", arguments, tmp_path / "hopeless.log", notes)
    hopeless.start()
    with pytest.raises(CannotStart, match=said) as raised:
        eventually(lambda: not watched(hopeless), 10, 0.05)
    assert raised.value.code == code


@pytest.fixture
def stuck(tmp_path: Path, notes: Notes) -> Service:
    """A service that would drain on SIGTERM, frozen."""
    arguments = ["collect", "--port", str(free_port()), "--data", str(tmp_path)]
    collector = Service("collector", arguments, tmp_path / "logs/collector.log", notes)
    collector.start()
    eventually(lambda: "listening" in collector.log.read_text(), 20, 0.05)
    os.kill(pid_of(collector), signal.SIGSTOP)
    return collector


def test_a_child_that_does_not_listen_is_killed(stuck: Service, notes: Notes) -> None:
    stuck.stop(0.3, threading.Event(), lambda: None)
    assert stuck.state == "stopped"
    assert "was killed" in notes.texts()


def test_a_hurry_cuts_patience_short(stuck: Service, notes: Notes) -> None:
    hurry = threading.Event()
    hurry.set()
    began = time.monotonic()
    stuck.stop(60, hurry, lambda: None)
    assert time.monotonic() - began < 30
    assert "was killed" in notes.texts()


def test_warnings_and_errors_of_its_log_are_surfaced_others_not(service: Service, notes: Notes) -> None:
    service.start()
    with service.log.open("a") as log:
        log.write("2026-01-01 00:00:00,000 INFO x quiet\n2026-01-01 00:00:00,000 WARNING x the registry does not answer\n")
        log.write("2026-01-01 00:00:00,000 ERROR x half a li")
    service.watch()
    assert notes == [("tail", "WARNING x the registry does not answer")]
    with service.log.open("a") as log:
        log.write("ne\n")
    service.watch()
    assert notes[1:] == [("tail", "ERROR x half a line")]


def test_a_large_log_becomes_one_old_file(service: Service) -> None:
    service.start()
    with service.log.open("a") as log:
        log.write(("INFO filler " * 10 + "\n") * 60_000)
    for _ in range(20):
        service.watch()
    assert service.log.stat().st_size == 0
    assert service.log.with_suffix(".log.1").stat().st_size > 5_000_000


@pytest.mark.parametrize(("name", "has"), [("collector", True), ("enricher", False), ("loader", False)])
def test_a_port_that_is_meant_for_one_service_is_the_collectors(
    tmp_path: Path, notes: Notes, monkeypatch: pytest.MonkeyPatch, name: str, has: bool
) -> None:
    monkeypatch.setenv("SNOWMELT_SERVICE_HEALTH_PORT", "8080")
    child = Service(name, ["tail", "raw", "--follow", "--data", str(tmp_path)], tmp_path / "log", notes)
    child.start()
    try:
        environment = Path(f"/proc/{pid_of(child)}/environ").read_bytes().split(b"\0")
    finally:
        child.stop(1, threading.Event(), lambda: None)
    assert (b"SNOWMELT_SERVICE_HEALTH_PORT=8080" in environment) == has
