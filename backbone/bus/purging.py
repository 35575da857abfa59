"""Removing from the embedded log, now and for good, what every consumer has read; else it stays until its whole file is read.

The offsets of what is left do not change, and what was removed stays counted (table `purged` of a file). Producers and
consumers may run meanwhile: records go in portions, between which others write.
"""

import itertools
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from backbone.bus import segment
from backbone.bus.log_folder import LogFolder
from backbone.bus.protocol import Record, Stream
from backbone.bus.segment import STREAMS, Segment
from backbone.errors import BusUnavailable

Readers = Mapping[str, Collection[Stream]]
"""Consumer → the streams it reads; every other record is nothing to it."""

_PORTION = 5_000
_PAUSE = 0.02
_PATIENCE, _GAP = 30.0, 0.001
_READ = 500
_READ_BYTES = 8_000_000
_PURGED = (
    "CREATE TABLE IF NOT EXISTS purged"
    " (stream TEXT PRIMARY KEY, records INTEGER NOT NULL, through INTEGER NOT NULL) WITHOUT ROWID"
)


class Purged(NamedTuple):
    """What was removed, by stream, and which files still hold copies of it because somebody would not let go of them."""

    records: Mapping[Stream, int]
    uncleaned: tuple[Path, ...]


def ends(root: LogFolder) -> dict[str, int]:
    """Log → its last offset; of a log that never held a record, the one before its first."""
    found: dict[str, int] = {}
    for log in root.logs():
        with _newest(root.path / log) as newest:
            if newest is not None:
                found[log] = newest.last()
    return found


def read_through(root: LogFolder, readers: Readers) -> dict[str, dict[str, int]]:
    """Consumer → log → offset up to which it has nothing left to read; all consumers the bus knows, and all of `readers`.

    A consumer is done with records of streams it does not read, whatever it has acknowledged.
    """
    acknowledged = root.acknowledged()
    result: dict[str, dict[str, int]] = {}
    for consumer in root.consumers | acknowledged.keys() | readers.keys():
        streams = readers.get(consumer, STREAMS)
        given = acknowledged.get(consumer, {})
        result[consumer] = {log: _read_through(root.path / log, given.get(log, 0), streams) for log in root.logs()}
    return result


def _read_through(folder: Path, acknowledged: int, streams: Collection[Stream]) -> int:
    done = acknowledged
    paths = segment.listed(folder)
    for path, following in zip(paths, [*paths[1:], None], strict=True):
        if following is not None and segment.first_offset(following) - 1 <= done:
            continue
        with _opened(path) as found:
            if found is None:
                break
            # One look: what is appended after it has higher offsets than any it saw.
            last, first_unread = found.last(), found.next_after(streams, done)
            if first_unread is not None:
                return max(done, first_unread - 1)
            done = max(done, last)
    return done


def stored(root: LogFolder, through: Mapping[str, int], streams: Collection[Stream] = STREAMS) -> Iterator[Record]:
    """Every record there still is, up to these offsets."""
    for log, end in through.items():
        for path in segment.listed(root.path / log):
            with _opened(path) as found:
                after = 0
                while found is not None and after < end:
                    rows, after = found.read(streams, after, _READ, _READ_BYTES)
                    yield from (Record(log, offset, stream, data) for offset, stream, data in rows if offset <= end)
                    if not rows:
                        break


def purge(root: LogFolder, through: Mapping[str, int]) -> Purged:
    """Removes every record up to these offsets, and every trace of it in the files. May be run again after a kill.

    The caller sees to it that nobody wants them any more (`read_through`). Raises BusUnavailable.
    """
    removed: dict[Stream, int] = dict.fromkeys(STREAMS, 0)
    uncleaned: list[Path] = []
    for log, end in through.items():
        _delete_files(root.path / log, end, removed)
        for path in segment.listed(root.path / log):
            if segment.first_offset(path) <= end:
                try:
                    if not _purge_file(path, end, removed):
                        uncleaned.append(path)
                except sqlite3.Error as problem:
                    raise BusUnavailable(f"{path} cannot be purged: {problem}") from None
    return Purged({stream: count for stream, count in removed.items() if count}, tuple(uncleaned))


def _delete_files(folder: Path, end: int, removed: dict[Stream, int]) -> None:
    """Whole files, as the producer would; not the one before a file whose making was cut off, which is needed to make it."""
    for path, following in itertools.pairwise(segment.listed(folder)):
        with _opened(following) as next_file:
            if next_file is None or next_file.first - 1 > end:
                return
        with _opened(path) as found:
            if found is not None:
                for stream in STREAMS:
                    removed[stream] += found.count((stream,), 0)
        segment.delete(path)


def _purge_file(path: Path, end: int, removed: dict[Stream, int]) -> bool:
    """Whether the file is clean now."""
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_PATIENCE)) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if not version:
            return True
        db.execute("PRAGMA secure_delete=ON")
        db.execute("PRAGMA temp_store=MEMORY")
        db.execute("PRAGMA wal_autocheckpoint=0")
        db.execute("PRAGMA synchronous=FULL")
        for bound in _bounds(db, end):
            _remove(db, bound, removed)
            time.sleep(_PAUSE)
        return _clean(db)


def _bounds(db: sqlite3.Connection, end: int) -> Iterator[int]:
    """Offsets up to which one portion goes."""
    while True:
        oldest = [db.execute(f"SELECT min(offset) FROM {stream} WHERE offset <= ?", (end,)).fetchone()[0] for stream in STREAMS]
        present = [offset for offset in oldest if offset is not None]
        if not present:
            return
        yield min(end, min(present) + _PORTION - 1)


def _remove(db: sqlite3.Connection, bound: int, removed: dict[Stream, int]) -> None:
    if not _patiently(db, "BEGIN IMMEDIATE"):
        raise sqlite3.OperationalError("its producer leaves no gap to write")
    try:
        db.execute(_PURGED)
        for stream in STREAMS:
            count = db.execute(f"DELETE FROM {stream} WHERE offset <= ?", (bound,)).rowcount
            db.execute(
                "INSERT INTO purged VALUES (?, ?, ?)"
                " ON CONFLICT (stream) DO UPDATE SET records = records + excluded.records, through = excluded.through",
                (stream, count, bound),
            )
            removed[stream] += count
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _clean(db: sqlite3.Connection) -> bool:
    """Rewrites the file: pages keep old copies of records where trees were split, which only this takes out."""
    return _patiently(db, "VACUUM") and _patiently(db, "PRAGMA wal_checkpoint(TRUNCATE)")


def _patiently(db: sqlite3.Connection, statement: str) -> bool:
    """Whether it was done in time. SQLite's own waiting looks ten times a second, and a busy producer is always there before."""
    deadline = time.monotonic() + _PATIENCE
    db.execute("PRAGMA busy_timeout=0")
    try:
        while not _done(db, statement):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_GAP)
        return True
    finally:
        db.execute(f"PRAGMA busy_timeout={int(1000 * _PATIENCE)}")


def _done(db: sqlite3.Connection, statement: str) -> bool:
    try:
        answer = db.execute(statement).fetchone()
    except sqlite3.OperationalError as problem:
        if "locked" not in str(problem):
            raise
        return False
    return answer is None or not answer[0]


@contextmanager
def _opened(path: Path) -> Iterator[Segment | None]:
    """None where the file is being made, or was deleted meanwhile."""
    try:
        found = Segment(path, writable=False)
    except sqlite3.OperationalError:
        yield None
        return
    try:
        yield found if found.ready else None
    finally:
        found.close()


@contextmanager
def _newest(folder: Path) -> Iterator[Segment | None]:
    """The newest complete file."""
    for path in reversed(segment.listed(folder)):
        with _opened(path) as found:
            if found is not None:
                yield found
                return
    yield None
