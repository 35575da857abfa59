"""Opening the embedded warehouse: DuckDB with DuckLake, its catalog in SQLite, its data in Parquet files.

One process writes (a lock file sees to that), any number read at the same time. The catalog uses SQLite's write-ahead log and
waits for locks, so that neither side disturbs the other.
"""

import fcntl
import importlib.util
import os
import tempfile
import time
from pathlib import Path

import duckdb

from backbone.errors import ConfigurationError, Fault, TransientError

LAKE = "lake"
_BUSY_MILLISECONDS = 20_000
_ATTEMPTS = 8
_EXTENSIONS = ("sqlite_scanner", "ducklake")


class WarehouseUnavailable(TransientError):
    """The warehouse did not answer, is locked, or has no disk left. Nothing of the batch was stored."""


class NoWarehouse(TransientError):
    """Nothing has been loaded into this data folder yet."""


def open_writer(folder: Path) -> tuple[duckdb.DuckDBPyConnection, int]:
    """(connection whose default schema is the warehouse, lock to be closed last). Raises ConfigurationError if another writes."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "writer.lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise ConfigurationError([Fault(str(folder), "data.folder", "another loader is writing this warehouse")]) from None
    return attached(folder, read_only=False), lock


def open_reader(folder: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the warehouse of a data folder (`DataSettings.folder`), usable while the loader writes.

    Tables: `events`, `failed_events`. Times are UTC. Raises NoWarehouse, WarehouseUnavailable.
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
        connection = duckdb.connect()
        try:
            connection.execute("SET TimeZone = 'UTC'")
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


def _attach_statement(folder: Path, read_only: bool) -> str:
    """The data path is given each time, so that a copied or moved folder opens."""
    catalog = _quoted(f"ducklake:sqlite:{(folder / 'catalog.sqlite').absolute()}")
    data = _quoted(f"{(folder / 'data').absolute()}/")
    options = f"DATA_PATH {data}, OVERRIDE_DATA_PATH true, META_BUSY_TIMEOUT {_BUSY_MILLISECONDS}"
    # Inlined rows are off: reading back lists of JSON from them fails in this version.
    extra = "READ_ONLY" if read_only else "META_JOURNAL_MODE 'WAL', DATA_INLINING_ROW_LIMIT 0"
    return f"ATTACH {catalog} AS {LAKE} ({options}, {extra})"


def load_extensions(connection: duckdb.DuckDBPyConnection) -> None:
    """From the installed packages (their signature is checked by DuckDB), else by download."""
    for name in _EXTENSIONS:
        file = _extension_file(name)
        if file is None:
            connection.execute(f"INSTALL {name}")
            connection.execute(f"LOAD {name}")
        else:
            connection.execute(f"LOAD {_quoted(str(file))}")


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
