"""Failed events sent back to the stage that refused them, once whatever was wrong is mended.

Reads the warehouse, writes only to the bus, and may run while everything else does. Twice is as good as once: an event keeps
its id, and the loader recognises one it has; a whole payload is not sent again while it is still on its way, and its row goes
when the loader learns that it was sent. That message travels with the payload in one commit, so being killed does no harm.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import duckdb

from backbone import jsontext
from backbone.bus import open_bus
from backbone.bus.protocol import Bus, Publisher, Stream
from backbone.replayable import raw_payload
from backbone.settings import Settings
from loader.warehouses.ducklake_catalog import NoWarehouse, open_reader

PRODUCER = "replay"
_CHUNK = 500
_CHUNK_BYTES = 8_000_000


@dataclass(slots=True)
class Summary:
    """What a replay did, or would do. `not_replayable`: why → how many."""

    selected: int = 0
    to_enricher: int = 0
    to_loader: int = 0
    in_flight: int = 0
    """Sent by an earlier replay and not yet seen by the loader."""
    not_replayable: Counter[str] = field(default_factory=Counter)
    dry_run: bool = False

    @property
    def sent(self) -> int:
        return self.to_enricher + self.to_loader


class _Failure(NamedTuple):
    key: str
    event_id: str | None
    kind: str | None
    attempts: int
    original: str | None
    enriched_line: str | None


def replay(
    settings: Settings,
    since: datetime | None = None,
    schema: str | None = None,
    reason: str | None = None,
    dry_run: bool = False,
) -> Summary:
    """Sends failed events again.

    `since`: that failed then or later. `schema`: URI of the schema at fault, or its beginning. `reason`: the kind of failure
    (`schema_violations`), or words of its reason. Raises TransientError when bus or warehouse do not answer.
    """
    bus = open_bus(settings)
    summary = Summary(dry_run=dry_run)
    try:
        connection = open_reader(settings.data.folder)
    except NoWarehouse:
        return summary
    publisher = None if dry_run else bus.publisher(PRODUCER)
    try:
        # Only now: another replay that ran until a moment ago has committed all it was going to.
        on_the_way = in_flight(bus, _positions(connection))
        _send(publisher, _selected(connection, since, schema, reason), on_the_way, summary)
    finally:
        connection.close()
        if publisher is not None:
            publisher.close()
    return summary


def _send(publisher: Publisher | None, failures: Iterator[_Failure], on_the_way: set[str], summary: Summary) -> None:
    records: list[tuple[Stream, bytes]] = []
    size = 0
    for failure in failures:
        made = _records(failure, on_the_way, summary)
        records += made
        size += sum(len(data) for _, data in made)
        if publisher is not None and (len(records) >= _CHUNK or size >= _CHUNK_BYTES):
            publisher.commit(records)
            records, size = [], 0
    if publisher is not None and records:
        publisher.commit(records)


def _records(failure: _Failure, on_the_way: set[str], summary: Summary) -> list[tuple[Stream, bytes]]:
    summary.selected += 1
    if failure.key in on_the_way:
        summary.in_flight += 1
        return []
    if failure.enriched_line is not None:
        summary.to_loader += 1
        return [("enriched", failure.enriched_line.encode("utf-8", "replace")), ("replayed", _mark(failure))]
    payload = raw_payload(_bad_row(failure))
    if payload is None:
        summary.not_replayable[_why(failure.kind)] += 1
        return []
    summary.to_enricher += 1
    return [("raw", payload), ("replayed", _mark(failure))]


def _bad_row(failure: _Failure) -> dict[str, Any]:
    try:
        value, _ = jsontext.loads(failure.original or "")
    except jsontext.JsonError:
        return {}
    return value if type(value) is dict else {}


def _why(kind: str | None) -> str:
    if kind == "size_violation":
        return "too large: only its beginning was kept"
    if kind is None:
        return "its bad row has not arrived yet"
    return f"a row of kind {kind} does not hold the data to send"


def _mark(failure: _Failure) -> bytes:
    """Message to the loader; `attempts` 0 for an event, whose row goes only when it has landed."""
    attempts = 0 if failure.event_id is not None else failure.attempts
    return jsontext.dumps({"failure_key": failure.key, "attempts": attempts}).encode()


def replayed(data: bytes) -> tuple[str, int]:
    """(failure key, attempts) of such a message."""
    about, _ = jsontext.loads(data)
    return str(about["failure_key"]), int(about["attempts"])


def in_flight(bus: Bus, positions: dict[str, int]) -> set[str]:
    """Keys of failures sent again that the loader, being at `positions`, has not seen."""
    subscription = bus.subscribe(None, ["replayed"], positions)
    keys: set[str] = set()
    try:
        while records := subscription.pull(10_000, 32_000_000, 0.0):
            keys.update(replayed(record.data)[0] for record in records)
    finally:
        subscription.close()
    return keys


def _positions(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    return dict(connection.execute("SELECT log, position FROM loader_positions").fetchall())


def _selected(
    connection: duckdb.DuckDBPyConnection, since: datetime | None, schema: str | None, reason: str | None
) -> Iterator[_Failure]:
    conditions: list[str] = []
    parameters: list[Any] = []
    if since is not None:
        conditions.append("coalesce(failed_tstamp, load_tstamp) >= ?")
        parameters.append(since)
    if schema is not None:
        conditions.append("starts_with(schema, ?)")
        parameters.append(schema)
    if reason is not None:
        conditions.append("(kind = ? OR contains(lower(reason), lower(?)))")
        parameters += [reason, reason]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    query = f"SELECT failure_key, event_id, kind, attempts, original, enriched_line FROM failed_events{where}"
    cursor = connection.execute(query, parameters)
    while rows := cursor.fetchmany(_CHUNK):
        yield from _failures(rows)


def _failures(rows: Sequence[tuple[Any, ...]]) -> Iterator[_Failure]:
    for row in rows:
        yield _Failure(*row)
