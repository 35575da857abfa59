"""Reading the embedded log: every producer's log from a position of its own, new records within milliseconds."""

import sqlite3
import time
from collections.abc import Collection
from pathlib import Path

from backbone.bus import segment
from backbone.bus.cursors import Cursors
from backbone.bus.log_folder import LogFolder
from backbone.bus.protocol import Positions, Record, Stream
from backbone.bus.segment import Segment

_SHORTEST_WAIT, _LONGEST_WAIT = 0.002, 0.02
_LOOK_FOR_LOGS_EVERY = 0.25
_SAVE_PROGRESS_EVERY = 1.0


class LogSubscription:
    """Records of some streams over all logs. Not for several threads at once."""

    def __init__(
        self,
        folder: LogFolder,
        consumer: str | None,
        cursors: Cursors | None,
        streams: Collection[Stream],
        start: Positions | None,
    ) -> None:
        self._folder = folder
        self._consumer = consumer
        self._cursors = cursors
        self._streams = tuple(dict.fromkeys(streams))
        saved: dict[str, int] = {}
        if cursors is not None and consumer is not None:
            cursors.register(consumer)
            saved = cursors.of(consumer)
        self._read = dict(saved if start is None else start)
        self._acked = dict(self._read)
        self._pulled = dict(self._read)
        self._logs: dict[str, _LogReader] = {}
        self._looked = self._saved = 0.0
        self._turn = 0

    def pull(self, max_records: int, max_bytes: int, timeout: float) -> list[Record]:
        """Records after the last pulled one, in order for each log; empty when none came within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        wait = _SHORTEST_WAIT
        while True:
            self._look_for_logs()
            records = self._pull_now(max_records, max_bytes)
            if records:
                return records
            self._save_progress()
            left = deadline - time.monotonic()
            if left <= 0:
                return []
            time.sleep(min(wait, left))
            wait = min(wait * 1.5, _LONGEST_WAIT)

    def _look_for_logs(self) -> None:
        now = time.monotonic()
        if now - self._looked < _LOOK_FOR_LOGS_EVERY:
            return
        self._looked = now
        for name in self._folder.logs():
            if name not in self._logs:
                self._logs[name] = _LogReader(self._folder.path / name)

    def _pull_now(self, max_records: int, max_bytes: int) -> list[Record]:
        records: list[Record] = []
        self._turn += 1
        names = list(self._logs)
        for index in range(len(names)):
            name = names[(index + self._turn) % len(names)]
            reader = self._logs[name]
            if len(records) >= max_records or max_bytes <= 0:
                break
            rows, known = reader.read(self._streams, self._read.get(name, 0), max_records - len(records), max_bytes)
            self._read[name] = known
            if rows:
                self._pulled[name] = rows[-1][0]
                max_bytes -= sum(len(data) for _, _, data in rows)
                records += [Record(name, offset, stream, data) for offset, stream, data in rows]
        return records

    def ack(self, consumed: Positions) -> None:
        """What was pulled up to these offsets is done with, and with it what other streams hold in between."""
        for name, offset in consumed.items():
            self._acked[name] = max(self._acked.get(name, 0), offset)
        self._step_over()
        self._save()

    def _step_over(self) -> bool:
        """Records of streams not asked for must not keep files alive: they are passed while nothing before is outstanding."""
        moved = False
        for name, known in self._read.items():
            acked = self._acked.get(name, 0)
            if acked >= self._pulled.get(name, 0) and known > acked:
                self._acked[name] = known
                moved = True
        return moved

    def _save_progress(self) -> None:
        now = time.monotonic()
        if now - self._saved >= _SAVE_PROGRESS_EVERY:
            self._saved = now
            if self._step_over():
                self._save()

    def _save(self) -> None:
        if self._cursors is not None and self._consumer is not None:
            self._cursors.save(self._consumer, self._acked)

    def close(self) -> None:
        for reader in self._logs.values():
            reader.close()
        if self._cursors is not None:
            self._cursors.close()


class _LogReader:
    """One log: finds the file that holds the next record and keeps it open."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: Segment | None = None
        self._following: int | None = None

    def read(
        self, streams: Collection[Stream], after: int, max_records: int, max_bytes: int
    ) -> tuple[list[tuple[int, Stream, bytes]], int]:
        """Rows of one file at most, and the offset up to which the log is known."""
        while True:
            if self._open is None or self._exhausted(after):
                self._turn_to(after)
            if self._open is None:
                return [], after
            after = max(after, self._open.first - 1)
            # Whether a newer file exists is asked before reading: if so, this one is complete.
            if self._following is None:
                self._following = self._first_beyond(self._open.first)
            rows, known = self._open.read(streams, after, max_records, max_bytes)
            if rows or self._following is None:
                return rows, known
            after = self._following - 1

    def _exhausted(self, after: int) -> bool:
        return self._following is not None and after >= self._following - 1

    def _turn_to(self, after: int) -> None:
        self.close()
        paths = segment.listed(self._folder)
        chosen = next((path for path in reversed(paths) if segment.first_offset(path) <= after + 1), paths[0] if paths else None)
        if chosen is None:
            return
        try:
            opened = Segment(chosen, writable=False)
        except sqlite3.OperationalError:
            return
        if not opened.ready:
            opened.close()
            return
        self._open = opened

    def _first_beyond(self, first: int) -> int | None:
        return next((number for path in segment.listed(self._folder) if (number := segment.first_offset(path)) > first), None)

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
        self._open = self._following = None
