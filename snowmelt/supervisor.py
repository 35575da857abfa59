"""Child processes: started, restarted with back-off when they crash, their logs kept in files and their warnings surfaced."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from backbone.errors import TerminalError

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_HEALTHY_AFTER = 3.0
"""Seconds a child must have run for its next crash to count as the first again."""
_SETTLED_AFTER = 5.0
"""A child that ends by itself sooner than this, at its very first start, is not restarted: something is wrong for good."""
_LARGEST_LOG = 5_000_000
_ONE_FOR_ALL = ("SNOWMELT_SERVICE_HEALTH_PORT", "PORT")
_SURFACED = (" WARNING ", " ERROR ", " CRITICAL ")

Note = Callable[[str, str], None]
"""Told (service, what happened)."""


class CannotStart(TerminalError):
    """A service ended at its first start; the text says what it wrote."""

    def __init__(self, name: str, code: int, said: str) -> None:
        self.code = 2 if code == 2 else 1
        super().__init__(f"{name} could not start\n{said}".strip())


def environment(with_ports: bool) -> dict[str, str]:
    """Of one process of several: a port that is meant for a single service is that of one of them."""
    return {name: value for name, value in os.environ.items() if with_ports or name not in _ONE_FOR_ALL}


class Service:
    """One child. `watch` is called a few times a second."""

    def __init__(self, name: str, arguments: Sequence[str], log: Path, note: Note) -> None:
        self.name = name
        self.log = log
        self.starts = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._arguments = list(arguments)
        self._note = note
        self._pause = _FIRST_PAUSE
        self._began = self._due = 0.0
        self._read = self._own = 0
        self._wanted = False

    @property
    def state(self) -> str:
        if self.process is not None:
            return "running"
        return "restarting" if self._wanted else "stopped"

    def start(self) -> None:
        self._wanted = True
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._read = self._own = self.log.stat().st_size if self.log.exists() else 0
        command = [sys.executable, "-m", "snowmelt.child", str(os.getpid()), *self._arguments]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=environment(with_ports=self.name == "collector"),
            )
        self._began = time.monotonic()
        self.starts += 1
        if self.starts > 1:
            self._note(self.name, f"running again (pid {self.process.pid})")

    def watch(self) -> None:
        """Notices a crash, restarts when due, surfaces warnings. Raises CannotStart."""
        self._surface()
        if self.process is None:
            if self._wanted and time.monotonic() >= self._due:
                self.start()
            return
        code = self.process.poll()
        if code is not None:
            self.process = None
            if self._wanted:
                self._crashed(code)

    def _crashed(self, code: int) -> None:
        ran = time.monotonic() - self._began
        if self.starts == 1 and code >= 0 and ran < _SETTLED_AFTER:
            raise CannotStart(self.name, code, self._said())
        if ran >= _HEALTHY_AFTER:
            self._pause = _FIRST_PAUSE
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        self._note(self.name, f"{how}; starting again in {self._pause:.1f} s (its log: {self.log})")
        self._due = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def _said(self) -> str:
        """What it wrote since its last start, without our log prefix lines of information."""
        with self.log.open("rb") as written:
            written.seek(self._own)
            lines = written.read(100_000).decode("utf-8", "replace").splitlines()
        return "\n".join(line for line in lines if " INFO " not in line)

    def _surface(self) -> None:
        """New warnings and errors of its log go to the user; a log grown large is kept as one old file."""
        size = self.log.stat().st_size
        if size <= self._read:
            return
        with self.log.open("rb") as written:
            written.seek(self._read)
            text = written.read(1_000_000)
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole) if whole or len(text) < 1_000_000 else len(text)
        for line in whole.decode("utf-8", "replace").splitlines():
            if any(level in line for level in _SURFACED):
                self._note(self.name, line.split(" ", 2)[-1][:300])
        if self._read > _LARGEST_LOG:
            shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)
            self._read = self._own = 0

    def stop(self, patience: float, hurry: threading.Event, meanwhile: Callable[[], None]) -> None:
        """SIGTERM; SIGKILL after `patience` seconds, or one second into a hurry (what was accepted is safe on disk)."""
        self._wanted = False
        process = self.process
        if process is None:
            return
        process.terminate()
        deadline = time.monotonic() + patience
        while process.poll() is None and time.monotonic() < deadline and not hurry.is_set():
            meanwhile()
            time.sleep(0.02)
        try:
            process.wait(1.0 if hurry.is_set() else 0.1)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self._note(self.name, "did not end in time and was killed")
        self.process = None
