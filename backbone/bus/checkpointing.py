"""Folding write-ahead logs into their files beside the commits, so that no commit waits for it.

SQLite would do this inside a commit, which then takes tens of milliseconds. A passive checkpoint on a connection of its own
never holds up the writer; what it cannot fold yet, the next one or the sealing of the file does.
"""

import logging
import queue
import sqlite3
import threading
from pathlib import Path

from backbone.bus.segment import Segment

log = logging.getLogger("snowmelt.bus")


class Checkpointer:
    """One thread for one writer. A failure here loses nothing: the records are durable in the write-ahead log."""

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[Path | Segment | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="checkpoint", daemon=True)
        self._thread.start()

    def fold(self, path: Path) -> None:
        """What is committed to the file being written."""
        self._tasks.put(path)

    def seal(self, segment: Segment) -> None:
        """The file will not be written again; it is closed here."""
        self._tasks.put(segment)

    def close(self) -> None:
        self._tasks.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                if isinstance(task, Segment):
                    task.seal()
                else:
                    _fold(task)
            except sqlite3.Error as problem:
                log.warning("checkpoint: %s", problem)
            finally:
                if isinstance(task, Segment):
                    task.close()


def _fold(path: Path) -> None:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=10)
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    finally:
        connection.close()
