"""Copies of the embedded warehouse: dated catalogues that share the data files, which never change once written.

DIR/catalog-20261122T103000Z.sqlite    one for each copy; there when everything it needs is
DIR/data/…                             data files, as in the warehouse
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import duckdb

from backbone.errors import ConfigurationError, Fault, TerminalError
from loader.warehouses.ducklake_catalog import catalog_alone

_NAME = "catalog-%Y%m%dT%H%M%SZ.sqlite"
_PARTIAL = ".partial"
_FILES = (
    "SELECT CASE WHEN s.path_is_relative AND t.path_is_relative AND f.path_is_relative THEN s.path || t.path || f.path END"
    " FROM {table} f JOIN (SELECT DISTINCT table_id, schema_id, path, path_is_relative FROM ducklake_table) t USING (table_id)"
    " JOIN (SELECT DISTINCT schema_id, path, path_is_relative FROM ducklake_schema) s USING (schema_id)"
)


class CannotCopy(TerminalError):
    """The copy is incomplete; what was there before is as it was."""


class Copied(NamedTuple):
    """`files` and `bytes` are what was added; `removed` the older copies that were dropped."""

    catalog: Path
    files: int
    bytes: int
    removed: int


class Restored(NamedTuple):
    catalog: Path
    taken: datetime
    files: int


def back_up(connection: duckdb.DuckDBPyConnection, folder: Path, target: Path, kept: int) -> Copied:
    """Copies the warehouse in `folder`; for its writer, between transactions. Raises ConfigurationError, CannotCopy, OSError."""
    _check_target(folder, target)
    data = target / "data"
    data.mkdir(parents=True, exist_ok=True)
    final = target / datetime.now(UTC).strftime(_NAME)
    partial = final.with_name(final.name + _PARTIAL)
    with catalog_alone(connection, folder) as catalog:
        _copy_catalog(catalog, partial)
        added = [size for name in needed(partial) if (size := _place(folder / "data" / name, data / name)) is not None]
    os.replace(partial, final)
    _synchronise(target)
    return Copied(final, len(added), sum(added), _remove_old(target, kept))


def copies(target: Path) -> list[tuple[datetime, Path]]:
    """Complete copies, oldest first."""
    found = []
    for path in target.glob("catalog-*.sqlite") if target.is_dir() else ():
        try:
            found.append((datetime.strptime(path.name, _NAME).replace(tzinfo=UTC), path))
        except ValueError:
            continue
    return sorted(found)


def restore(source: Path, folder: Path, at: datetime | None, before_it_counts: Callable[[], None]) -> Restored:
    """The newest copy, or the newest not after `at`, becomes the warehouse in `folder`. Its writer's lock is the caller's.

    `before_it_counts` is called when all is there but the catalogue. Raises ConfigurationError where there is a warehouse
    already or no such copy; CannotCopy. May be run again after a kill.
    """
    if (folder / "catalog.sqlite").exists():
        raise ConfigurationError([Fault(str(folder), "", "there is a warehouse already; move it away first")])
    suited = [copy for copy in copies(source) if at is None or copy[0] <= at]
    if not suited:
        raise ConfigurationError(
            [Fault(str(source), "", "holds no copy of a warehouse" + (" of that time or before" if at else ""))]
        )
    taken, catalog = suited[-1]
    folder.mkdir(parents=True, exist_ok=True)
    names = needed(catalog)
    for name in names:
        _place(source / "data" / name, folder / "data" / name)
    for leftover in ("catalog.sqlite-wal", "catalog.sqlite-shm"):
        (folder / leftover).unlink(missing_ok=True)
    before_it_counts()
    _copy(catalog, folder / "catalog.sqlite")
    return Restored(catalog, taken, len(names))


def needed(catalog: Path) -> set[str]:
    """Data files a catalogue names, relative to its data folder."""
    with closing(sqlite3.connect(f"{catalog.absolute().as_uri()}?mode=ro", uri=True)) as db:
        rows = [
            name for table in ("ducklake_data_file", "ducklake_delete_file") for (name,) in db.execute(_FILES.format(table=table))
        ]
    if None in rows:
        raise CannotCopy("a data file lies outside the warehouse's folder")
    return set(rows)


def _check_target(folder: Path, target: Path) -> None:
    inside = target.absolute().resolve(), folder.absolute().resolve()
    if inside[0] == inside[1] or inside[1] in inside[0].parents:
        raise ConfigurationError([Fault(str(target), "", "a copy of the warehouse cannot lie in the warehouse")])


def _copy_catalog(catalog: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    with closing(sqlite3.connect(catalog, timeout=20)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")
        # Files that wait to be deleted are not copied.
        new.execute("DELETE FROM ducklake_files_scheduled_for_deletion")
        new.commit()
    with target.open("rb+") as written:
        os.fsync(written.fileno())


def _place(source: Path, target: Path) -> int | None:
    """Bytes of a file that was not there yet: a second name for it on the same disk, else a copy."""
    try:
        size = source.stat().st_size
    except FileNotFoundError:
        raise CannotCopy(f"{source} is missing") from None
    if target.exists() and target.stat().st_size == size:
        return None
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.unlink(missing_ok=True)
        os.link(source, target)
    except OSError:
        _copy(source, target)
    return size


def _copy(source: Path, target: Path) -> None:
    partial = target.with_name(target.name + _PARTIAL)
    shutil.copyfile(source, partial)
    with partial.open("rb+") as written:
        os.fsync(written.fileno())
    os.replace(partial, target)
    _synchronise(target.parent)


def _synchronise(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_old(target: Path, kept: int) -> int:
    """Copies beyond the newest `kept`, and data files that none of these needs."""
    found = copies(target)
    for _, catalog in found[:-kept]:
        catalog.unlink()
    wanted = {name for _, catalog in found[-kept:] for name in needed(catalog)}
    for path in _data_files(target / "data"):
        if str(path.relative_to(target / "data")) not in wanted:
            path.unlink()
    for unfinished in target.glob(f"catalog-*{_PARTIAL}*"):
        unfinished.unlink()
    return len(found[:-kept])


def _data_files(folder: Path) -> Iterator[Path]:
    yield from (path for path in folder.rglob("*") if path.is_file() and path.name.endswith((".parquet", _PARTIAL)))
