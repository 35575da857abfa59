"""Waiting until enricher and loader have read everything the bus holds at this moment; running them for that where they are not.

An event that is still on its way belongs to somebody, and would become a row after an erasure: it has to arrive first.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from backbone.bus import CONSUMERS
from backbone.bus.log_folder import LogFolder
from backbone.bus.protocol import Stream
from backbone.bus.purging import ends, read_through
from backbone.errors import TransientError
from backbone.locks import WRITER, held
from backbone.settings import Settings
from snowmelt.supervisor import Service

READS: Mapping[str, tuple[Stream, ...]] = {"enricher": ("raw",), "loader": ("enriched", "failed", "bad", "replayed")}
_POLL = 0.1
_STOP = 30.0


class Unread(TransientError):
    """There are records nobody has read yet."""


class Backlog:
    """What was on the bus when it was made, and who still has to read it."""

    def __init__(self, settings: Settings) -> None:
        self.root = LogFolder(settings.data.bus, settings.bus.max_bytes, settings.bus.segment_bytes, CONSUMERS)
        self._locks = {
            "enricher": settings.data.bus / "enricher" / WRITER,
            "loader": settings.data.warehouse / WRITER,
        }

    def unread_by(self, ends: Mapping[str, int]) -> list[str]:
        """Services that have not read so far, in the order of the flow."""
        done = read_through(self.root, READS)
        return [name for name in READS if any(done[name].get(log, 0) < end for log, end in ends.items())]

    def read_by_all(self) -> dict[str, int]:
        """Log → offset up to which nobody wants anything any more."""
        done = list(read_through(self.root, READS).values())
        return {log: min(positions.get(log, 0) for positions in done) for log in self.root.logs()}

    def stopped(self) -> list[str]:
        return [name for name, lock in self._locks.items() if not held(lock)]

    def wait(self, patience: float, watch: Callable[[], None], note: Callable[[str], None]) -> None:
        """Until everything is read that is on the bus now, and what comes of it. Raises Unread."""
        deadline = time.monotonic() + patience
        for name in READS:
            goal = ends(self.root)  # the loader's holds what the enricher has made meanwhile
            told = False
            while name in self.unread_by(goal):
                if not told:
                    note(f"waiting until the {name} has read what is on the bus")
                    told = True
                if time.monotonic() >= deadline:
                    raise Unread(
                        f"the {name} has not read what is on the bus within {patience:.0f} s: see its log, then try again"
                    )
                watch()
                time.sleep(_POLL)


@contextmanager
def running(names: Sequence[str], flags: Sequence[str], logs: Path, note: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """These services, for as long as the block lasts; yields what is to be called now and then. They are drained at its end."""
    commands = {"enricher": "enrich", "loader": "load"}
    services = [
        Service(name, [commands[name], *flags], logs / f"{name}.log", lambda who, what: note(f"{who}: {what}")) for name in names
    ]

    def watch() -> None:
        for service in services:
            service.watch()

    try:
        for service in services:
            note(f"running the {service.name} for as long as this takes")
            service.start()
        yield watch
    finally:
        for service in services:
            service.stop(_STOP, threading.Event(), lambda: None)
