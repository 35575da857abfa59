"""The trail replays leave: the tables `replays` (one row a replay) and `replayed_events` (one row for each failure it sent)."""

from collections.abc import Sequence
from typing import Any

import duckdb

from backbone import jsontext
from loader.failed_events import is_typed
from loader.replay_messages import Account, Mark, Message
from loader.warehouses.ducklake_rows import RowReader
from loader.warehouses.ducklake_types import identifier, type_text
from loader.warehouses.protocol import Leaf, Row, Shape

_TEXT, _COUNT, _TIME = Leaf("VARCHAR"), Leaf("BIGINT"), Leaf("TIMESTAMP WITH TIME ZONE")
REPLAYS, EVENTS = "replays", "replayed_events"
_REPLAYS: dict[str, Shape] = {
    "replay_id": _TEXT,
    "started": _TIME,
    "finished": _TIME,
    "who": _TEXT,
    "filters": Leaf("JSON"),
    "patch_name": _TEXT,
    "patch_digest": _TEXT,
    "selected": _COUNT,
    "sent_to_enricher": _COUNT,
    "sent_to_loader": _COUNT,
    "not_sent": _COUNT,
}
_EVENTS: dict[str, Shape] = {
    "replay_id": _TEXT,
    "failure_key": _TEXT,
    "event_id": _TEXT,
    "sent_tstamp": _TIME,
    "attempts": _COUNT,
}
"""`attempts`: of the failure when it was sent, if its row went with that; else 0."""


class ReplayTables:
    """Its methods run inside the caller's transaction."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, reader: RowReader) -> None:
        self._run = connection.execute
        self._reader = reader
        for table, shapes in ((REPLAYS, _REPLAYS), (EVENTS, _EVENTS)):
            columns = ", ".join(f"{identifier(name)} {type_text(shape)}" for name, shape in shapes.items())
            self._run(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
        found = self._run(f"SELECT count(*) FROM {EVENTS}").fetchone()
        self._any = bool(found and found[0])

    def store(self, messages: Sequence[Message]) -> list[tuple[str, int]]:
        """Keeps what the messages tell. (failure key, attempts) of what was sent again."""
        accounts = {message.replay_id: message for message in messages if isinstance(message, Account)}
        marks = [message for message in messages if isinstance(message, Mark)]
        self._store_accounts(list(accounts.values()))
        self._store_marks({(mark.replay_id, mark.failure_key): mark for mark in marks if mark.replay_id is not None})
        return [(mark.failure_key, mark.attempts) for mark in marks]

    def counted(self, failed: Sequence[Row]) -> Sequence[Row]:
        """Failures whose row went when they were sent again go on counting their attempts."""
        told = [row for row in failed if not is_typed(row)]
        before = self._attempts(told) if self._any and told else {}
        result = []
        for row in failed:
            more = 0 if is_typed(row) else before.pop(row["failure_key"], 0)
            result.append({**row, "attempts": row["attempts"] + more} if more else row)
        return result

    def _attempts(self, rows: Sequence[Row]) -> dict[str, int]:
        """Failure key → attempts, for those the table `failed_events` does not know."""
        keys: list[Row] = [{name: row[name] for name in ("failure_key", "event_id") if name in row} for row in rows]
        self._put("failed_again", keys, _EVENTS)
        names = sorted(set().union(*keys))
        matches = " UNION ALL ".join(
            f"SELECT b.failure_key, e.attempts FROM failed_again b JOIN {EVENTS} e ON e.{name} = b.{name}" for name in names
        )
        query = (
            f"SELECT failure_key, max(attempts) FROM ({matches}) WHERE attempts > 0 AND failure_key NOT IN "
            "(SELECT failure_key FROM failed_events WHERE kind IS NOT NULL) GROUP BY ALL"
        )
        return dict(self._run(query).fetchall())

    def _store_accounts(self, accounts: Sequence[Account]) -> None:
        """The last word on a replay is that it is finished."""
        if not accounts:
            return
        known = dict(self._run(f"SELECT replay_id, finished IS NOT NULL FROM {REPLAYS}").fetchall())
        fresh = [account for account in accounts if account.finished is not None or not known.get(account.replay_id)]
        for account in fresh:
            self._run(f"DELETE FROM {REPLAYS} WHERE replay_id = ?", [account.replay_id])
        self._insert(REPLAYS, [_row(account) for account in fresh], _REPLAYS)

    def _store_marks(self, marks: dict[tuple[str | None, str], Mark]) -> None:
        if not marks:
            return
        rows = [_row(mark) for mark in marks.values()]
        self._put("marks", rows, _EVENTS)
        kept = f"SELECT replay_id, failure_key FROM {EVENTS} SEMI JOIN marks USING (replay_id, failure_key)"
        known = set(self._run(kept).fetchall())
        self._insert(EVENTS, [row for row in rows if (row["replay_id"], row["failure_key"]) not in known], _EVENTS)
        self._any = True

    def _put(self, table: str, rows: Sequence[Row], shapes: dict[str, Shape]) -> None:
        _, select = self._reader.select(rows, shapes)
        self._run(f"CREATE OR REPLACE TEMP TABLE {table} AS {select()}")

    def _insert(self, table: str, rows: Sequence[Row], shapes: dict[str, Shape]) -> None:
        if rows:
            names, select = self._reader.select(rows, shapes)
            self._run(f"INSERT INTO {table} ({', '.join(map(identifier, names))}) {select()}")


def _row(message: Message) -> Row:
    about: dict[str, Any] = {name: value for name, value in message._asdict().items() if value is not None}
    if "filters" in about:
        about["filters"] = jsontext.dumps(about["filters"])
    return about
