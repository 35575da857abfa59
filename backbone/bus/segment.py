"""One file of the embedded log: a SQLite database in WAL mode, named after its first offset.

A table per stream, all sharing one numbering of offsets, so that a reader of a rare stream never walks over a frequent one.
`consumed` holds the input positions the records were made from, `counters` what the producer counted on the way, `totals`
how many records each stream had before this file. Files of format 1 have no counters; they get the table when written on.
A file of which the beginning was removed (`backbone.bus.purging`) has a further table, `purged`: how many of each stream, and
the last offset that was removed.
"""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from backbone.bus.protocol import Progress, Stream
from backbone.errors import BusCorrupt

STREAMS: tuple[Stream, ...] = ("raw", "enriched", "failed", "bad", "replayed")
SUFFIX = ".sqlite"
_VERSION = 2
_PAGE = 8192
_COUNTERS = "CREATE TABLE counters (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID"
_SCHEMA = "".join(f"CREATE TABLE {stream} (offset INTEGER PRIMARY KEY, data BLOB NOT NULL);" for stream in STREAMS) + (
    "CREATE TABLE consumed (log TEXT PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE totals (stream TEXT PRIMARY KEY, records INTEGER NOT NULL) WITHOUT ROWID;"
    f"{_COUNTERS};"
)


def first_offset(path: Path) -> int:
    return int(path.name.removesuffix(SUFFIX))


def listed(folder: Path) -> list[Path]:
    """Segments of one log, oldest first; none where the folder is missing."""
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIX) and path.name[:-7].isdigit())
    except FileNotFoundError:
        return []


def size(path: Path) -> int:
    """Bytes on disk with the write-ahead log."""
    total = 0
    for name in (path, path.with_name(path.name + "-wal")):
        try:
            total += name.stat().st_size
        except FileNotFoundError:
            continue
    return total


def delete(path: Path) -> None:
    for name in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        name.unlink(missing_ok=True)


class Segment:
    """An open file. One writer at a time; any number of readers, in other processes too."""

    def __init__(self, path: Path, *, writable: bool) -> None:
        self.path = path
        self.first = first_offset(path)
        mode = "rwc" if writable else "rw"
        self._db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=10, check_same_thread=False
        )
        if writable:
            self._db.execute(f"PRAGMA page_size={_PAGE}")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA wal_autocheckpoint=0")
            self._db.execute("PRAGMA journal_size_limit=0")
        else:
            self._db.execute("PRAGMA query_only=ON")
        self._check_version()

    def _check_version(self) -> None:
        try:
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
        except sqlite3.DatabaseError as problem:
            self.close()
            raise BusCorrupt(f"{self.path}: {problem}") from None
        if version > _VERSION:
            self.close()
            raise BusCorrupt(f"{self.path}: written by a newer version of Snowmelt (format {version})")
        self.ready = version > 0
        self._counts = version > 1

    def upgrade(self) -> None:
        """Gives a file of format 1 its counters."""
        if self.ready and not self._counts:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(_COUNTERS)
            self._db.execute(f"PRAGMA user_version={_VERSION}")
            self._db.execute("COMMIT")
            self._counts = True

    def initialise(self, consumed: Mapping[str, int], totals: Mapping[Stream, int], counters: Mapping[str, int]) -> None:
        """All or nothing: a file found without its tables was cut off here and is initialised again."""
        self._db.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA.split(";"):
            self._db.execute(statement)
        self._db.executemany("INSERT INTO consumed VALUES (?, ?)", list(consumed.items()))
        self._db.executemany("INSERT INTO totals VALUES (?, ?)", list(totals.items()))
        self._db.executemany("INSERT INTO counters VALUES (?, ?)", list(counters.items()))
        self._db.execute(f"PRAGMA user_version={_VERSION}")
        self._db.execute("COMMIT")
        self.ready = self._counts = True

    def append(
        self,
        rows: Mapping[Stream, Sequence[tuple[int, bytes]]],
        consumed: Mapping[str, int],
        counted: Mapping[str, int],
    ) -> None:
        """One durable transaction. Raises sqlite3.Error, after which nothing of it is stored as far as SQLite knows."""
        execute = self._db.execute
        execute("BEGIN IMMEDIATE")
        try:
            for stream, records in rows.items():
                self._db.executemany(f"INSERT INTO {stream} VALUES (?, ?)", records)
            for log, offset in consumed.items():
                execute("INSERT OR REPLACE INTO consumed VALUES (?, ?)", (log, offset))
            for name, number in counted.items():
                execute(
                    "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET number = number + excluded.number",
                    (name, number),
                )
            execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                execute("ROLLBACK")
            raise

    def consumed(self) -> dict[str, int]:
        return dict(self._db.execute("SELECT log, offset FROM consumed"))

    def counters(self) -> dict[str, int]:
        return dict(self._db.execute("SELECT name, number FROM counters")) if self._counts else {}

    def progress(self) -> Progress:
        self._db.execute("BEGIN")
        try:
            return Progress(self.consumed(), self.counters(), self._totals(None))
        finally:
            self._db.execute("ROLLBACK")

    def before(self) -> dict[Stream, int]:
        """Records of each stream in the files before this one."""
        result: dict[Stream, int] = dict.fromkeys(STREAMS, 0)
        result.update(self._db.execute("SELECT stream, records FROM totals"))
        return result

    def totals(self, through: int | None = None) -> dict[Stream, int]:
        """Records of each stream in the files before this one, and in this one up to an offset."""
        self._db.execute("BEGIN")
        try:
            return self._totals(through)
        finally:
            self._db.execute("ROLLBACK")

    def _totals(self, through: int | None) -> dict[Stream, int]:
        """Offsets are consecutive, so the frequent stream (nearly all of the file) need not be counted."""
        result = self.before()
        last = self.last() if through is None else min(through, self.last())
        frequent = next((s for s in STREAMS if self._db.execute(f"SELECT 1 FROM {s} LIMIT 1").fetchone()), STREAMS[0])
        others = {s: self._db.execute(f"SELECT count(*) FROM {s} WHERE offset <= ?", (last,)) for s in STREAMS if s != frequent}
        purged, _ = self.purged()
        numbers = {stream: found.fetchone()[0] + purged.get(stream, 0) for stream, found in others.items()}
        for stream, number in numbers.items():
            result[stream] += number
        result[frequent] += last - self.first + 1 - sum(numbers.values())
        return result

    def last(self) -> int:
        """Highest offset that was ever stored here; `first - 1` when there was none."""
        query = "SELECT max(last) FROM (" + " UNION ALL ".join(f"SELECT max(offset) AS last FROM {s}" for s in STREAMS) + ")"
        (last,) = self._db.execute(query).fetchone()
        _, through = self.purged()
        return max(self.first - 1, through, last or 0)

    def purged(self) -> tuple[dict[Stream, int], int]:
        """(how many records of each stream were removed from this file, offset up to which all of them were)."""
        if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'purged'").fetchone():
            return {}, 0
        rows = self._db.execute("SELECT stream, records, through FROM purged").fetchall()
        return {stream: records for stream, records, _ in rows}, max((through for *_, through in rows), default=0)

    def read(
        self, streams: Collection[Stream], after: int, max_records: int, max_bytes: int
    ) -> tuple[list[tuple[int, Stream, bytes]], int]:
        """(rows in order, offset up to which this file is now known): at least one row if there is any."""
        query = (
            " UNION ALL ".join(f"SELECT offset, '{s}', data FROM {s} WHERE offset > :after" for s in streams)
            + " ORDER BY offset LIMIT :limit"
        )
        rows: list[tuple[int, Stream, bytes]] = []
        taken = 0
        self._db.execute("BEGIN")
        try:
            for row in self._db.execute(query, {"after": after, "limit": max_records}):
                taken += len(row[2])
                if rows and taken > max_bytes:
                    break
                rows.append(row)
            else:
                if len(rows) < max_records:
                    return rows, max(after, self.last())
        finally:
            self._db.execute("ROLLBACK")
        return rows, rows[-1][0]

    def count(self, streams: Collection[Stream], after: int) -> int:
        return sum(self._db.execute(f"SELECT count(*) FROM {s} WHERE offset > ?", (after,)).fetchone()[0] for s in streams)

    def next_after(self, streams: Collection[Stream], after: int) -> int | None:
        """Offset of the first record of these streams beyond `after`."""
        found = [self._db.execute(f"SELECT min(offset) FROM {s} WHERE offset > ?", (after,)).fetchone()[0] for s in streams]
        return min((offset for offset in found if offset is not None), default=None)

    def seal(self) -> None:
        """Folds the write-ahead log into the file: it will not be written again."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._db.close()
