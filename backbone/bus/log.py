"""The embedded durable log: a folder per producer, in it bounded SQLite files; consumers keep their own positions.

Crash and power-loss safety are SQLite's (WAL, `synchronous=FULL`); anyone can inspect the files with the sqlite3 tool.
One process writes a producer's log (a lock file sees to it); any number read it.
"""

import sqlite3
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from backbone.bus import segment
from backbone.bus.cursors import Cursors
from backbone.bus.log_reader import LogSubscription
from backbone.bus.log_writer import LogPublisher
from backbone.bus.protocol import Positions, Stream
from backbone.bus.segment import Segment

T = TypeVar("T")
_HEAD_SHARE = 0.8
"""Part of `max_bytes` that producers without input (collector, replay) may fill: the rest stays for those that drain them."""


class LogBus:
    """`max_bytes` bounds all logs together; `segment_bytes` is when a new file is begun (at most a twentieth of the bound).

    `consumers` will come: nothing is deleted before each of them has read it, even if it never was here yet.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int = 10_000_000_000,
        segment_bytes: int = 64_000_000,
        consumers: Collection[str] = (),
    ) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.consumers = frozenset(consumers)
        self.segment_bytes = max(1, min(segment_bytes, max_bytes // 20))

    def publisher(self, producer: str) -> LogPublisher:
        """Raises BusUnavailable while another process writes this producer's log, BusCorrupt."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return LogPublisher(self, producer, int(self.max_bytes * _HEAD_SHARE), self.max_bytes)

    def subscribe(self, consumer: str | None, streams: Collection[Stream], start: Positions | None = None) -> LogSubscription:
        cursors = None
        if consumer is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            cursors = Cursors(self.folder)
        return LogSubscription(self, consumer, cursors, streams, start)

    def backlog(self, consumer: str, streams: Collection[Stream]) -> int:
        acknowledged = self.acknowledged().get(consumer, {})
        total = 0
        for log in self.logs():
            after = acknowledged.get(log, 0)
            segments = segment.listed(self.folder / log)
            for path, following in zip(segments, [*segments[1:], None], strict=True):
                if following is None or segment.first_offset(following) - 1 > after:
                    total += self._count(path, streams, after)
        return total

    def totals(self) -> dict[Stream, int]:
        result: dict[Stream, int] = dict.fromkeys(segment.STREAMS, 0)
        for log in self.logs():
            for path in reversed(segment.listed(self.folder / log)):
                found = _of(path, lambda opened: opened.totals())
                if found is not None:
                    for stream, number in found.items():
                        result[stream] += number
                    break
        return result

    def logs(self) -> list[str]:
        try:
            return sorted(entry.name for entry in self.folder.iterdir() if entry.is_dir())
        except FileNotFoundError:
            return []

    def acknowledged(self) -> dict[str, dict[str, int]]:
        """Consumer → log → offset up to which it is done."""
        if not (self.folder / Cursors.FILE).exists():
            return {}
        cursors = Cursors(self.folder)
        try:
            return cursors.all()
        finally:
            cursors.close()

    def used_bytes(self) -> int:
        return sum(segment.size(path) for log in self.logs() for path in segment.listed(self.folder / log))

    def _count(self, path: Path, streams: Collection[Stream], after: int) -> int:
        return _of(path, lambda opened: opened.count(streams, after)) or 0


def _of(path: Path, question: Callable[[Segment], T]) -> T | None:
    """Answer of a segment; `None` where it is not initialised yet or was deleted meanwhile."""
    try:
        opened = Segment(path, writable=False)
    except sqlite3.OperationalError:
        return None
    try:
        return question(opened) if opened.ready else None
    finally:
        opened.close()
