"""`snowmelt work`: enricher and loader live and end together."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline import ROOT, eventually

READY = {"enricher": "enricher started", "loader": "loading into"}


class Work:
    def __init__(self, folder: Path) -> None:
        self._log = folder / "work.log"
        with self._log.open("wb") as log:
            command = [sys.executable, "-m", "snowmelt", "work", "--data", str(folder / "data")]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, start_new_session=True)

    def said(self) -> str:
        return self._log.read_text("utf-8")

    def wait_until_ready(self) -> None:
        eventually(lambda: all(text in self.said() for text in READY.values()), 30, 0.05)

    def children(self) -> dict[str, int]:
        """Process ids by role."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("utf-8").split()
        return {Path(f"/proc/{pid}/cmdline").read_text("utf-8").split("\0")[4]: int(pid) for pid in listed}


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    running = Work(tmp_path)
    yield running
    running.process.kill()
    running.process.wait()


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        return False


def test_both_drain_when_it_is_told_to_stop(work: Work) -> None:
    work.wait_until_ready()
    work.process.send_signal(signal.SIGTERM)
    assert work.process.wait(30) == 0
    assert "enricher stopped" in work.said()
    assert "stopped after 0 events" in work.said()


@pytest.mark.parametrize(("role", "other"), [("enrich", "stopped after 0 events"), ("load", "enricher stopped")])
def test_when_one_is_killed_the_other_drains_and_it_fails(work: Work, role: str, other: str) -> None:
    work.wait_until_ready()
    os.kill(work.children()[role], signal.SIGKILL)
    assert work.process.wait(30) == 1
    assert other in work.said()


def test_none_is_left_when_it_is_killed_itself(work: Work) -> None:
    work.wait_until_ready()
    children = work.children().values()
    work.process.kill()
    work.process.wait()
    eventually(lambda: not any(alive(pid) for pid in children), 20, 0.1)


def test_wrong_settings_are_told_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "snowmelt.toml").write_text("[loader]\nnonsense = 1\n")
    command = [sys.executable, "-m", "snowmelt", "work", "--config", str(tmp_path / "snowmelt.toml")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30)
    assert done.returncode == 2
    assert "loader.nonsense: unknown key" in done.stderr
    assert done.stderr.count("\n") == 1
