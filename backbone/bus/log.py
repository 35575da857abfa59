"""The embedded durable log: a folder per producer, in it bounded SQLite files; consumers keep their own positions.

Crash and power-loss safety are SQLite's (WAL, `synchronous=FULL`); anyone can inspect the files with the sqlite3 tool.
One process writes a producer's log (a lock file sees to it); any number read it.
"""

import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TypeVar

from backbone.bus import segment
from backbone.bus.cursors import Cursors
from backbone.bus.log_folder import LogFolder
from backbone.bus.log_reader import LogSubscription
from backbone.bus.log_writer import LogPublisher
from backbone.bus.protocol import Extent, Positions, Progress, Stream
from backbone.bus.segment import Segment

T = TypeVar("T")
_ATTEMPTS = 5


class LogBus:
    """See `backbone.bus.log_folder.LogFolder` for the bounds."""

    commits_at_once = 1
    largest_record = None

    def __init__(
        self,
        folder: Path,
        max_bytes: int = 10_000_000_000,
        segment_bytes: int = 64_000_000,
        consumers: Collection[str] = (),
    ) -> None:
        self._folder = LogFolder(folder, max_bytes, segment_bytes, consumers)

    def publisher(self, producer: str) -> LogPublisher:
        """Raises BusUnavailable while another process writes this producer's log, BusCorrupt."""
        self._folder.path.mkdir(parents=True, exist_ok=True)
        return LogPublisher(self._folder, producer)

    def subscribe(self, consumer: str | None, streams: Collection[Stream], start: Positions | None = None) -> LogSubscription:
        cursors = None
        if consumer is not None:
            self._folder.path.mkdir(parents=True, exist_ok=True)
            cursors = Cursors(self._folder.path)
        return LogSubscription(self._folder, consumer, cursors, streams, start)

    def backlog(self, consumer: str, streams: Collection[Stream]) -> int:
        acknowledged = self._folder.acknowledged().get(consumer, {})
        total = 0
        for log in self._folder.logs():
            after = acknowledged.get(log, 0)
            segments = segment.listed(self._folder.path / log)
            for path, following in zip(segments, [*segments[1:], None], strict=True):
                if following is None or segment.first_offset(following) - 1 > after:
                    total += self._count(path, streams, after)
        return total

    def totals(self) -> dict[Stream, int]:
        result: dict[Stream, int] = dict.fromkeys(segment.STREAMS, 0)
        for log in self._folder.logs():
            for path in reversed(segment.listed(self._folder.path / log)):
                found = _of(path, lambda opened: opened.totals())
                if found is not None:
                    for stream, number in found.items():
                        result[stream] += number
                    break
        return result

    def extents(self) -> dict[str, Extent]:
        found = ((log, self._extent(log)) for log in self._folder.logs())
        return {log: extent for log, extent in found if extent is not None}

    def _extent(self, log: str) -> Extent | None:
        for paths in self._listed(log):
            before = _of(paths[0], lambda opened: sum(opened.before().values()))
            last = next((last for path in reversed(paths) if (last := _of(path, Segment.last)) is not None), None)
            if before is not None and last is not None:
                first = segment.first_offset(paths[0])
                _, purged = _of(paths[0], Segment.purged) or ({}, 0)
                return Extent(first - before, max(first, purged + 1), last)
        return None

    def counted(self, log: str, through: int) -> dict[Stream, int] | None:
        for paths in self._listed(log):
            holding = [path for path in paths if segment.first_offset(path) <= through + 1]
            if not holding:
                return None
            found = _of(holding[-1], lambda opened: opened.totals(through))
            if found is None and len(holding) > 1:
                # The newest may be one that is just being made: then the one before holds it all.
                found = _of(holding[-2], lambda opened: opened.totals(through) if opened.last() >= through else None)
            if found is not None:
                return found
        return None

    def progress(self, producer: str) -> Progress | None:
        for paths in self._listed(producer):
            for path in reversed(paths):
                found = _of(path, Segment.progress)
                if found is not None:
                    return found
        return None

    def _listed(self, log: str) -> Iterator[list[Path]]:
        """The log's files, again and again: one that is being made or deleted right now is another story a moment later."""
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(0.05)
            paths = segment.listed(self._folder.path / log)
            if paths:
                yield paths

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
