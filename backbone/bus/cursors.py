"""Where each consumer of the embedded log stands: one small SQLite file beside the logs.

A position may lag behind after a power loss, never run ahead: it is written after the work it stands for is durable.
"""

import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path


class Cursors:
    FILE = "consumers.db"

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(folder / self.FILE, isolation_level=None, timeout=30, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS cursors"
            " (consumer TEXT, log TEXT, offset INTEGER NOT NULL, PRIMARY KEY (consumer, log)) WITHOUT ROWID"
        )
        self._db.execute("CREATE TABLE IF NOT EXISTS consumers (consumer TEXT PRIMARY KEY) WITHOUT ROWID")

    def register(self, consumer: str) -> None:
        """From now on nothing is deleted that this consumer has not acknowledged."""
        with self._lock:
            self._db.execute("INSERT OR IGNORE INTO consumers VALUES (?)", (consumer,))

    def save(self, consumer: str, positions: Mapping[str, int]) -> None:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT OR REPLACE INTO cursors VALUES (?, ?, ?)", [(consumer, log, offset) for log, offset in positions.items()]
            )
            self._db.execute("COMMIT")

    def of(self, consumer: str) -> dict[str, int]:
        with self._lock:
            return dict(self._db.execute("SELECT log, offset FROM cursors WHERE consumer = ?", (consumer,)))

    def all(self) -> dict[str, dict[str, int]]:
        """Every registered consumer, those without a position too."""
        with self._lock:
            result: dict[str, dict[str, int]] = {name: {} for (name,) in self._db.execute("SELECT consumer FROM consumers")}
            for consumer, log, offset in self._db.execute("SELECT consumer, log, offset FROM cursors"):
                result.setdefault(consumer, {})[log] = offset
            return result

    def close(self) -> None:
        self._db.close()
