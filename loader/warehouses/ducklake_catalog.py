"""Opening the embedded warehouse: DuckDB with DuckLake, its catalog in SQLite, its data in Parquet files.

One process writes (a lock file sees to that), any number read at the same time. The catalog uses SQLite's write-ahead log and
waits for locks, so that neither side disturbs the other.
"""

import fcntl
import importlib.util
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from backbone.errors import ConfigurationError, Fault, TransientError
from backbone.locks import WRITER

LAKE = "lake"
_BUSY_MILLISECONDS = 20_000
_ATTEMPTS = 8
_OUTSIDE = re.compile(
    r"database (?:is|table is) locked|No space left|disk is full|disk I/O error|Too many open files|[Qq]uota|[Cc]onflict", re.I
)
_PATIENCE, _FORGOTTEN = 10.0, 60.0
"""Seconds."""
_LOCK_ATTEMPTS, _LOCK_PAUSE = 5, 0.05
_EXTENSIONS = ("sqlite_scanner", "ducklake")


class WarehouseUnavailable(TransientError):
    """The warehouse did not answer, is locked, or has no disk left. Nothing of the batch was stored."""


class NoWarehouse(TransientError):
    """Nothing has been loaded into this data folder yet."""


def open_writer(folder: Path) -> tuple[duckdb.DuckDBPyConnection, int]:
    """(connection whose default schema is the warehouse, lock to be closed last). Raises ConfigurationError if another writes."""
    lock = writer_lock(folder)
    try:
        return attached(folder, read_only=False), lock
    except BaseException:
        os.close(lock)
        raise


def writer_lock(folder: Path) -> int:
    """Held by the one process that may write, until it is closed. Raises ConfigurationError if another has it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / WRITER, os.O_CREAT | os.O_RDWR, 0o644)
    if not _locked(lock):
        os.close(lock)
        raise ConfigurationError([Fault(str(folder), "data.folder", "another loader is writing this warehouse")])
    return lock


def _locked(lock: int) -> bool:
    """Tried for a moment: who asks whether a loader runs holds it for an instant."""
    for _ in range(_LOCK_ATTEMPTS):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            time.sleep(_LOCK_PAUSE)
    return False


def open_again(folder: Path) -> duckdb.DuckDBPyConnection:
    """For the process that holds the lock. Raises WarehouseUnavailable."""
    return attached(folder, read_only=False)


class Doubt:
    """Tells trouble from outside (locks, disk: trying the same again may help) from a batch that will never be taken."""

    def __init__(self) -> None:
        self._first = self._last = -_FORGOTTEN

    def is_transient(self, problem: duckdb.Error) -> bool:
        if isinstance(problem, duckdb.IOException | duckdb.ConnectionException | duckdb.InterruptException):
            return True
        commit = isinstance(problem, duckdb.TransactionException) or type(problem) is duckdb.Error
        if commit or isinstance(problem, duckdb.InternalError | duckdb.FatalException):
            return _OUTSIDE.search(str(problem)) is not None or (commit and self._patient())
        return False

    def _patient(self) -> bool:
        """A commit that fails for no known reason is tried again for some seconds, but not for ever."""
        now = time.monotonic()
        if now - self._last > _FORGOTTEN:
            self._first = now
        self._last = now
        return now - self._first < _PATIENCE


def open_reader(folder: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the warehouse of a data folder (`DataSettings.folder`), usable while the loader writes.

    Tables: `events`, `failed_events`, `waiting_events`. Times are UTC. Raises NoWarehouse, WarehouseUnavailable.
    """
    warehouse = folder / "warehouse"
    if not (warehouse / "catalog.sqlite").exists():
        raise NoWarehouse(f"no warehouse in {folder} yet: nothing has been loaded")
    return attached(warehouse, read_only=True)


def attached(folder: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
    """A DuckDB instance of its own. Raises WarehouseUnavailable.

    Attaching takes the catalog's lock for a moment: tried again for some seconds.
    """
    for attempt in range(_ATTEMPTS):
        connection = _connected()
        try:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"SET threads = {len(os.sched_getaffinity(0))}")  # more than there are would wait for each other
            connection.execute(f"SET temp_directory = {_quoted(tempfile.gettempdir())}")
            load_extensions(connection)
            connection.execute(_attach_statement(folder, read_only))
            connection.execute(f"USE {LAKE}")
            return connection
        except duckdb.Error as problem:
            connection.close()
            if attempt + 1 == _ATTEMPTS:
                raise WarehouseUnavailable(f"cannot open the warehouse in {folder}: {_first_line(problem)}") from problem
            time.sleep(0.05 * 2**attempt)
    raise AssertionError


def apart(folder: Path, statement: str) -> list[tuple[Any, ...]]:
    """Rows of a statement that moves data between files, run in an instance that is thrown away. For who holds the lock.

    DuckLake (of DuckDB 1.5.5) remembers the catalogue by schema version, and flushing inlined rows makes it remember one that is
    too old: files merged after that in the same instance lose the columns it does not have, values included. So each has an
    instance of its own, and the loader's never does any of it.
    """
    with attached(folder, read_only=False) as connection:
        return connection.execute(statement).fetchall()


@contextmanager
def catalog_alone(connection: duckdb.DuckDBPyConnection, folder: Path) -> Iterator[Path]:
    """The writer lets go of its catalogue, so that SQLite itself can work on the file; afterwards it is attached anew.

    Two copies of SQLite in one process would not see each other's locks, and DuckLake remembers statistics of what it has
    attached. For the writer, between transactions. Raises WarehouseUnavailable.
    """
    connection.execute("USE memory")
    connection.execute(f"DETACH {LAKE}")
    try:
        yield folder / "catalog.sqlite"
    finally:
        _attach_again(connection, folder)


def see_to_attachment(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """After something failed half-way: no transaction is open, the catalogue is attached. Raises WarehouseUnavailable."""
    with suppress(duckdb.Error):
        connection.execute("ROLLBACK")
    if not connection.execute("SELECT 1 FROM duckdb_databases() WHERE database_name = ?", [LAKE]).fetchone():
        _attach_again(connection, folder)


def _attach_again(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            connection.execute(_attach_statement(folder, read_only=False))
            connection.execute(f"USE {LAKE}")
            return
        except duckdb.Error as problem:
            if attempt + 1 == _ATTEMPTS:
                raise WarehouseUnavailable(f"cannot open the warehouse in {folder}: {_first_line(problem)}") from problem
            time.sleep(0.05 * 2**attempt)


def _attach_statement(folder: Path, read_only: bool) -> str:
    """The data path is given each time, so that a copied or moved folder opens."""
    catalog = _quoted(f"ducklake:sqlite:{(folder / 'catalog.sqlite').absolute()}")
    data = _quoted(f"{(folder / 'data').absolute()}/")
    options = f"DATA_PATH {data}, OVERRIDE_DATA_PATH true, META_BUSY_TIMEOUT {_BUSY_MILLISECONDS}"
    # Inlined rows are off: reading back lists of JSON from them fails in this version.
    extra = "READ_ONLY" if read_only else "META_JOURNAL_MODE 'WAL', DATA_INLINING_ROW_LIMIT 0"
    return f"ATTACH {catalog} AS {LAKE} ({options}, {extra})"


_mapped: set[str] = set()
"""Extensions that this process has loaded: DuckDB has checked their signatures, and the system does not read them anew."""


def _connected() -> duckdb.DuckDBPyConnection:
    """Checking signatures is most of what opening costs; once in a process is enough."""
    return duckdb.connect(config={"allow_unsigned_extensions": "true"} if _mapped.issuperset(_EXTENSIONS) else {})


def load_extensions(connection: duckdb.DuckDBPyConnection) -> None:
    """From the installed packages (their signature is checked by DuckDB), else by download."""
    for name in _EXTENSIONS:
        file = _extension_file(name)
        if file is None:
            connection.execute(f"INSTALL {name}")
            connection.execute(f"LOAD {name}")
        else:
            connection.execute(f"LOAD {_quoted(str(file))}")
            _mapped.add(name)


def _extension_file(name: str) -> Path | None:
    package = importlib.util.find_spec(f"duckdb_extension_{name}")
    for folder in (package.submodule_search_locations or ()) if package else ():
        file = Path(folder) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if file.exists():
            return file
    return None


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _first_line(problem: Exception) -> str:
    return str(problem).split("\n", 1)[0][:300]
