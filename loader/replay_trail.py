"""What is known to have been sent again: marks on the bus that the loader has not read, and what it wrote down of the others."""

from collections.abc import Iterator
from contextlib import closing

import duckdb

from backbone.bus.protocol import Bus
from loader import replay_messages
from loader.replay_messages import Mark


def on_the_way(bus: Bus, connection: duckdb.DuckDBPyConnection, patching: bool) -> set[str]:
    """Keys of failures sent again of which the loader has not heard.

    With a patch also those whose outcome it has not heard: a changed event is not the one it was, and could not be told to be
    the same if both landed.
    """
    keys = {mark.failure_key for mark in _unread(bus, connection)}
    if patching and _has_trail(connection):
        query = "SELECT failure_key FROM replayed_events JOIN failed_events USING (failure_key) WHERE sent_tstamp > load_tstamp"
        keys.update(key for (key,) in connection.execute(query).fetchall())
    return keys


def sent_by(replay_id: str, bus: Bus, connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Keys of all failures one replay has sent."""
    keys = {mark.failure_key for mark in _unread(bus, connection) if mark.replay_id == replay_id}
    if _has_trail(connection):
        query = "SELECT failure_key FROM replayed_events WHERE replay_id = ?"
        keys.update(key for (key,) in connection.execute(query, [replay_id]).fetchall())
    return keys


def _unread(bus: Bus, connection: duckdb.DuckDBPyConnection) -> Iterator[Mark]:
    found = connection.execute("SELECT log, position FROM loader_positions").fetchall()
    with closing(bus.subscribe(None, ["replayed"], dict(found))) as subscription:
        while records := subscription.pull(10_000, 32_000_000, 0.0):
            for record in records:
                yield from (message for message in replay_messages.read(record.data) if isinstance(message, Mark))


def _has_trail(connection: duckdb.DuckDBPyConnection) -> bool:
    """Not before a loader of this version has run."""
    query = "SELECT 1 FROM duckdb_tables() WHERE database_name = 'lake' AND table_name = 'replayed_events'"
    return connection.execute(query).fetchone() is not None
