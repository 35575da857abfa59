"""The table `loader_removals` in BigQuery: how many rows were deleted on purpose, so that an account of all events still adds up.

It is also how a running loader learns that rows it remembers are gone: it looks now and then whether the table has changed,
which costs nothing.
"""

import logging
import time
from typing import Any

from backbone.errors import TransientError
from loader.warehouses.bigquery_client import BigQueryRefused, Session
from loader.warehouses.bigquery_schema import field_of
from loader.warehouses.protocol import Leaf, Shape

log = logging.getLogger("snowmelt.loader")

REMOVALS = "loader_removals"
_TEXT, _TIME = Leaf("STRING"), Leaf("TIMESTAMP")
_SHAPES: dict[str, Shape] = {
    "tstamp": _TIME,
    "why": _TEXT,
    "table_name": _TEXT,
    "hour": _TIME,
    "app_id": _TEXT,
    "rows": Leaf("INT64"),
}
"""`why`: `erased` or `expired`. `table_name`: of the view. `hour`: in which the collector got the events, or else in which they
failed or were loaded."""
_MOMENT = {
    "events": "collector_tstamp",
    "failed_events": "COALESCE(collector_tstamp, failed_tstamp, load_tstamp)",
    "waiting_events": "collector_tstamp",
}
_LOOK = 5.0
"""Seconds between two looks."""


def create(session: Session) -> None:
    session.create({"tableId": REMOVALS, "schema": {"fields": [field_of(name, shape) for name, shape in _SHAPES.items()]}})


def noting(session: Session, why: str, table: str, rows: str) -> str:
    """The statement that notes the removal of `rows` (`FROM …`) of a table; for the transaction that deletes them.

    Its parameter `@tstamp`: now, microseconds since 1970.
    """
    return (
        f"INSERT INTO {session.quoted(REMOVALS)} (tstamp, why, table_name, hour, app_id, `rows`) "
        f"SELECT TIMESTAMP_MICROS(@tstamp), '{why}', '{table}', hour, app_id, COUNT(*) "
        f"FROM (SELECT TIMESTAMP_TRUNC({_MOMENT[table]}, HOUR) AS hour, app_id {rows}) GROUP BY hour, app_id"
    )


class Removals:
    """The loader's side."""

    def __init__(self, session: Session) -> None:
        create(session)
        self._session = session
        self._seen = self._state()
        self._next = time.monotonic() + _LOOK

    def changed(self, at_once: bool = False) -> bool:
        """Whether rows were removed since the last time this was true; looks every few seconds, or `at_once`."""
        if time.monotonic() < self._next and not at_once:
            return False
        self._next = time.monotonic() + _LOOK
        try:
            state = self._state()
        except (BigQueryRefused, TransientError) as problem:
            log.info("whether rows were removed cannot be told: %s", problem)
            return False
        before, self._seen = self._seen, state
        return bool(before != state)

    def _state(self) -> Any:
        table = self._session.table(REMOVALS)
        return None if table is None else (table.modified, table.num_rows)
