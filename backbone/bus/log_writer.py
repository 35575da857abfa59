"""Writing a producer's log: group commits, new files, deletion of what everybody has read, the disk limit."""

import fcntl
import itertools
import logging
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from backbone.bus import segment
from backbone.bus.checkpointing import Checkpointer
from backbone.bus.log_folder import LogFolder
from backbone.bus.protocol import Positions, Stream
from backbone.bus.segment import SUFFIX, Segment
from backbone.errors import BusFull, BusUnavailable
from backbone.locks import WRITER

log = logging.getLogger("snowmelt.bus")
_RECORD_OVERHEAD = 24
_MEASURE_EVERY = 1.0
_FOLD_EVERY = 2_000_000
"""Much less keeps the disk busy with small writes, much more makes a commit that falls into one wait for tens of milliseconds."""


class LogPublisher:
    """One per producer and machine. Not for several threads at once."""

    def __init__(self, root: LogFolder, producer: str) -> None:
        self._root = root
        self._folder = root.path / producer
        self._producer = producer
        self._folder.mkdir(exist_ok=True)
        self._lock = self._locked()
        self._used = self._unmeasured = self._unfolded = 0
        self._measured = 0.0
        try:
            self._open_newest()
        except BaseException:
            os.close(self._lock)
            raise
        self._checkpointer = Checkpointer()

    def _locked(self) -> int:
        handle = os.open(self._folder / WRITER, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise BusUnavailable(f"another process is writing {self._folder}") from None
        return handle

    def _open_newest(self) -> None:
        """The newest file is written on; one that was cut off while it was made is made again."""
        paths = segment.listed(self._folder)
        self._consumed: dict[str, int] = {}
        self._counters: Counter[str] = Counter()
        if not paths:
            # Microseconds since 1970: a log made anew never reuses offsets that some consumer remembers.
            self._begin(time.time_ns() // 1000, {})
            return
        newest = Segment(paths[-1], writable=True)
        if not newest.ready:
            totals: dict[Stream, int] = {}
            if len(paths) > 1:
                before = Segment(paths[-2], writable=False)
                self._consumed, totals, self._counters = before.consumed(), before.totals(), Counter(before.counters())
                before.close()
            newest.initialise(self._consumed, totals, self._counters)
        newest.upgrade()
        self._segment = newest
        self._consumed, self._counters = newest.consumed(), Counter(newest.counters())
        self._next = newest.last() + 1
        self._segment_used = segment.size(newest.path)

    def _begin(self, offset: int, totals: dict[Stream, int]) -> None:
        opened = Segment(self._folder / f"{offset:020d}{SUFFIX}", writable=True)
        opened.initialise(self._consumed, totals, self._counters)
        directory = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        self._segment = opened
        self._next = offset
        self._segment_used = 0

    def commit(
        self,
        records: Sequence[tuple[Stream, bytes]],
        consumed: Positions | None = None,
        counted: Mapping[str, int] | None = None,
    ) -> None:
        """Durable on return, all or nothing. Raises BusFull, BusUnavailable."""
        if not records and not consumed and not counted:
            return
        rows: dict[Stream, list[tuple[int, bytes]]] = {}
        offset, weight = self._next, 0
        for stream, data in records:
            rows.setdefault(stream, []).append((offset, data))
            offset += 1
            weight += len(data) + _RECORD_OVERHEAD
        if records:
            self._make_room(weight, self._root.max_bytes if consumed else self._root.head_bytes)
        try:
            self._segment.append(rows, consumed or {}, counted or {})
        except sqlite3.Error as problem:
            self._recover(problem)
        self._next = offset
        self._consumed.update(consumed or {})
        self._counters.update(counted or {})
        self._used += weight
        self._unmeasured += weight
        self._segment_used += weight
        self._unfolded += weight
        if self._segment_used >= self._root.segment_bytes:
            self._roll()
        elif self._unfolded >= min(_FOLD_EVERY, self._root.segment_bytes // 4):
            self._unfolded = 0
            self._checkpointer.fold(self._segment.path)

    def _recover(self, problem: sqlite3.Error) -> None:
        """After a failed commit nothing in memory is trusted: the file is opened anew, its content decides."""
        log.error("commit to log %s failed: %s", self._producer, problem)
        self._segment.close()
        full = "full" in str(problem)
        try:
            self._open_newest()
        except (sqlite3.Error, OSError) as again:
            raise BusUnavailable(f"log {self._producer} cannot be reopened: {again}") from None
        raise (BusFull if full else BusUnavailable)(f"log {self._producer}: {problem}") from None

    def _roll(self) -> None:
        sealed = self._segment
        try:
            self._begin(self._next, sealed.totals())
        except (sqlite3.Error, OSError) as problem:
            log.error("log %s cannot begin a new file: %s", self._producer, problem)
            return
        self._checkpointer.seal(sealed)
        self._collect()

    def _make_room(self, weight: int, limit: int) -> None:
        now = time.monotonic()
        if now - self._measured > _MEASURE_EVERY or self._unmeasured > self._root.segment_bytes // 4:
            self._measure(now)
        if self._used + weight <= limit:
            return
        self._collect()
        self._measure(time.monotonic())
        if self._used + weight > limit:
            raise BusFull(
                f"the log takes {self._used:,} bytes and may take {limit:,}: consumers must catch up, or raise bus.max_bytes"
            )

    def _measure(self, now: float) -> None:
        self._used, self._measured, self._unmeasured = self._root.used_bytes(), now, 0

    def _collect(self) -> None:
        """Deletes files that every registered or expected consumer has read to the end. Without any nothing is deleted."""
        acknowledged = self._root.acknowledged()
        consumers = self._root.consumers | acknowledged.keys()
        if not consumers:
            return
        done = min(acknowledged.get(consumer, {}).get(self._producer, 0) for consumer in consumers)
        paths = segment.listed(self._folder)
        for path, following in itertools.pairwise(paths):
            if segment.first_offset(following) - 1 > done:
                break
            segment.delete(path)

    def consumed(self) -> dict[str, int]:
        return dict(self._consumed)

    def close(self) -> None:
        self._checkpointer.close()
        self._segment.close()
        os.close(self._lock)
