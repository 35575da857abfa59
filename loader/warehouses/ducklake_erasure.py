"""A person's rows out of the embedded warehouse: first deleted, then out of every file that still held them.

DuckLake keeps what was deleted, for readers of older snapshots: data files and their deletion marks, files no catalogue names any
more, rows inside the catalogue, smallest and largest values of columns, free pages of the SQLite file. All of it is renewed.
"""

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

import duckdb

from backbone.belonging import in_bad_row, in_line
from backbone.person import COLUMNS, Person
from loader.enriched import parse_leniently
from loader.warehouses.ducklake_catalog import apart, catalog_alone
from loader.warehouses.ducklake_expiry import expire_snapshots
from loader.warehouses.ducklake_removals import Removed, hours_of, note_removed

EVENTS, FAILED, WAITING = "events", "failed_events", "waiting_events"
REPLAYS, REPLAYED = "replays", "replayed_events"
PLAIN = r"^[A-Za-z0-9_.@+:-]+$"
"""Ids that stand in any text as they are."""
WHOLE_EVENTS = ("schema_violations", "enrichment_failures", "loader_iglu_error", "loader_runtime_error")
"""Kinds of bad rows that quote the values of an event as they are, so that a row without the id's letters need not be read."""
_CHUNK = 200
_PATIENCE = 20.0


def tables(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {
        name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'").fetchall()
    }


def counted(connection: duckdb.DuckDBPyConnection, person: Person) -> dict[str, int]:
    """Table → rows that are the person's."""
    present = tables(connection)
    condition, parameters = _condition(person)
    counts = {}
    for table in (EVENTS, WAITING):
        if table in present:
            (counts[table],) = connection.execute(f"SELECT count(*) FROM {table} WHERE {condition}", parameters).fetchone() or (
                0,
            )
    if FAILED in present:
        counts[FAILED] = len(_failed_keys(connection, person))
    return counts


def erase(connection: duckdb.DuckDBPyConnection, folder: Path, person: Person) -> list[str]:
    """Deletes the rows for good; answers what could not be cleaned (empty: nothing). May be run again after a kill."""
    connection.execute("BEGIN")
    try:
        note_removed(connection, _delete(connection, person), "erased")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return _make_physical(connection, folder)


def _delete(connection: duckdb.DuckDBPyConnection, person: Person) -> list[Removed]:
    run, present = connection.execute, tables(connection)
    condition, parameters = _condition(person)
    removed: list[Removed] = []
    if EVENTS in present:
        removed += hours_of(connection, EVENTS, condition, parameters)
        if REPLAYED in present:
            run(f"DELETE FROM {REPLAYED} WHERE event_id IN (SELECT event_id FROM {EVENTS} WHERE {condition})", parameters)
        run(f"DELETE FROM {EVENTS} WHERE {condition}", parameters)
    if FAILED in present and (keys := _failed_keys(connection, person)):
        listed = "failure_key IN (SELECT unnest(?::VARCHAR[]))"
        removed += hours_of(connection, FAILED, listed, [keys])
        if REPLAYED in present:
            run(f"DELETE FROM {REPLAYED} WHERE event_id IN (SELECT event_id FROM {FAILED} WHERE {listed})", [keys])
        run(f"DELETE FROM {FAILED} WHERE {listed}", [keys])
    if WAITING in present:
        lines = run(f"SELECT line FROM {WAITING} WHERE {condition}", parameters).fetchall()
        removed += _of_lines([line for (line,) in lines])
        run(f"DELETE FROM {WAITING} WHERE {condition}", parameters)
    if REPLAYS in present:
        for value in sorted(set().union(*person.ids.values())):
            run(f"UPDATE {REPLAYS} SET filters = NULL WHERE contains(filters::VARCHAR, ?)", [value])
    return removed


def _of_lines(lines: Sequence[str]) -> list[Removed]:
    hours = Counter(map(_hour_and_app, lines))
    return [(WAITING, hour, app_id, count) for (hour, app_id), count in hours.items()]


def _hour_and_app(line: str) -> tuple[datetime | None, str | None]:
    event = parse_leniently(line.encode("utf-8", "replace"))
    moment = event.row.get("collector_tstamp") if event is not None else None
    app_id = event.row.get("app_id") if event is not None else None
    return (datetime.fromisoformat(f"{moment[:13]}:00:00+00:00") if moment else None), app_id


def _condition(person: Person) -> tuple[str, list[list[str]]]:
    """Of the typed columns. UUIDs are compared without regard to capitals."""
    parts = [f"{name} IN (SELECT unnest(?::VARCHAR[]))" for name in COLUMNS]
    values = [sorted(person.ids[name]) for name in COLUMNS]
    for name in COLUMNS[1:]:
        parts.append(f"lower({name}) IN (SELECT unnest(?::VARCHAR[]))")
        values.append(sorted(value for value in person.ids[name] if len(value) == 36 and value.count("-") == 4))
    return f"({' OR '.join(parts)})", values


def _failed_keys(connection: duckdb.DuckDBPyConnection, person: Person) -> list[str]:
    """Keys of failed events whose columns, original or line hold an id of the person."""
    condition, parameters = _condition(person)
    found = {key for (key,) in connection.execute(f"SELECT failure_key FROM {FAILED} WHERE {condition}", parameters).fetchall()}
    for key, original, line in _suspects(connection, person):
        if key not in found and ((original and in_bad_row(person, original)) or (line and in_line(person, line))):
            found.add(key)
    return sorted(found)


def _suspects(connection: duckdb.DuckDBPyConnection, person: Person) -> Iterator[tuple[str, str | None, str | None]]:
    """Failed events that must be read: those with an id's letters anywhere, and those that keep their text encoded."""
    ids = sorted(set().union(*person.ids.values()))
    plain = "NOT EXISTS (SELECT 1 FROM (SELECT unnest(?::VARCHAR[]) AS id) WHERE NOT regexp_matches(id, ?))"
    letters = (
        "EXISTS (SELECT 1 FROM (SELECT unnest(?::VARCHAR[]) AS id)"
        " WHERE contains(lower(original), lower(id)) OR contains(lower(enriched_line), lower(id)))"
    )
    kinds = ", ".join(f"'{kind}'" for kind in WHOLE_EVENTS)
    query = (
        f"SELECT failure_key, original, enriched_line FROM {FAILED}"
        f" WHERE coalesce(kind NOT IN ({kinds}), true) OR {letters} OR NOT ({plain})"
    )
    cursor = connection.execute(query, [ids, ids, PLAIN])
    while rows := cursor.fetchmany(_CHUNK):
        yield from rows


def _make_physical(connection: duckdb.DuckDBPyConnection, folder: Path) -> list[str]:
    run = connection.execute
    # Rows inside the catalogue first: flushed, they are rows of files like any other, deleted ones too.
    apart(folder, "CALL ducklake_flush_inlined_data('lake')")
    apart(folder, "CALL ducklake_rewrite_data_files('lake', delete_threshold => 0)")
    expire_snapshots(connection, None)
    run("CALL ducklake_cleanup_old_files('lake', cleanup_all => true)").fetchall()
    # What a killed transaction left behind. Nobody else writes here.
    run("CALL ducklake_delete_orphaned_files('lake', cleanup_all => true)").fetchall()
    for name in ("suspects", "probe", "wanted", "unwanted"):
        run(f"DROP TABLE IF EXISTS temp.{name}")
    incoming = folder / "incoming.ndjson"
    if incoming.exists():
        os.truncate(incoming, 0)
    with catalog_alone(connection, folder) as catalog:
        return _renew(catalog)


def _renew(catalog: Path) -> list[str]:
    """The SQLite file without anything that is no longer in use."""
    deadline = time.monotonic() + _PATIENCE
    with closing(sqlite3.connect(catalog, isolation_level=None, timeout=_PATIENCE)) as db:
        db.execute("PRAGMA secure_delete=ON")
        db.execute("PRAGMA temp_store=MEMORY")
        while True:
            try:
                _renew_statistics(db)
                db.execute("VACUUM")
                (busy, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except sqlite3.OperationalError as problem:
                if "locked" not in str(problem):
                    raise
                busy = 1
            if not busy:
                return []
            if time.monotonic() >= deadline:
                return ["old pages of the catalogue, for a reader does not let go of them"]
            time.sleep(0.2)


def _renew_statistics(db: sqlite3.Connection) -> None:
    """Smallest and largest texts of each column, from those of its files; unknown where a file does not tell."""
    files = (
        "FROM ducklake_file_column_stats f JOIN ducklake_data_file d ON d.data_file_id = f.data_file_id"
        " WHERE d.end_snapshot IS NULL AND f.table_id = s.table_id AND f.column_id = s.column_id"
    )
    silent = f"EXISTS (SELECT 1 {files} AND f.min_value IS NULL AND coalesce(f.null_count, 0) < d.record_count)"
    texts = (
        "EXISTS (SELECT 1 FROM ducklake_column c WHERE c.table_id = s.table_id AND c.column_id = s.column_id"
        " AND lower(c.column_type) IN ('varchar', 'json', 'blob', 'uuid'))"
    )
    for bound in ("min", "max"):
        db.execute(
            f"UPDATE ducklake_table_column_stats AS s SET {bound}_value ="
            f" CASE WHEN {silent} THEN NULL ELSE (SELECT {bound}(f.{bound}_value) {files}) END WHERE {texts}"
        )
