"""The housekeeping of a BigQuery warehouse, and what each step of it did. It may run beside the loader, which needs not know.

Deleted are rows that are too old by the settings, and rows of logs that say nothing any more. Never touched are rows that
BigQuery does not let go of yet, and those that a loader which starts now may need to take back an interrupted batch: all after
the last batch that was noted.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from loader.ledger import COUNTERS
from loader.settings import WarehouseSettings
from loader.warehouses.bigquery_access import Access
from loader.warehouses.bigquery_fresh import changeable_before, micros
from loader.warehouses.bigquery_removals import create, noting
from loader.warehouses.bigquery_settled import settled
from loader.warehouses.bigquery_state import BATCHES, OPENINGS
from loader.warehouses.maintained import Step

_LOGS = {"failed_events": "failure_key", "waiting_events": "number", "replays": "replay_id", "replayed_events": "mark"}
_DAY = 86_400_000_000
"""Microseconds: age at which rows of logs that say nothing any more go, and batches are summed up."""


def maintain(access: Access, settings: WarehouseSettings) -> Iterator[Step]:
    """Raises BigQueryRefused, BigQueryUnavailable. May be run again after a kill."""
    work = _Maintenance(access, settings)
    create(access)
    yield work.retention()
    yield work.compaction()
    yield work.ledger()
    yield work.size()
    work.note()


def last_maintained(access: Access) -> datetime | None:
    query = f"SELECT MAX(written) FROM {access.quoted(BATCHES)} WHERE kind = 'maintained'"
    ((when,),) = access.pages(query)
    found: datetime | None = when
    return found


class _Maintenance:
    def __init__(self, access: Access, settings: WarehouseSettings) -> None:
        self._access = access
        self._settings = settings
        self._now = datetime.now(UTC)
        self._batches = access.quoted(BATCHES)
        self._settled = settled(access)

    def retention(self) -> Step:
        events, failed = self._settings.event_days, self._settings.failed_days
        counts = {
            "events": 0 if events is None else self._expire_events(min(self._before(events), self._settled.loaded + 1)),
            "failed_events": 0 if failed is None else self._expire_failures(self._before(failed)),
        }
        return Step("retention", ", ".join(f"{count} rows of {table}" for table, count in counts.items()))

    def compaction(self) -> Step:
        until = min(self._settled.change, micros(self._now) - _DAY)
        counts = {f"{view}_log": self._compact(view, key, until) for view, key in _LOGS.items()}
        return Step("compact", ", ".join(f"{count} rows of {table}" for table, count in counts.items()))

    def ledger(self) -> Step:
        """Rows of batches become one a day of their events (`kind`: `summary`).

        Those of the day before the last batch stay as they are, those from which on an interrupted batch may have something to
        come, and which loaders came last.
        """
        until = min(self._settled.change - _DAY, self._settled.loaded)
        number = self._number(f"SELECT COUNT(*) FROM {self._batches} WHERE kind = 'batch' AND change <= @until", until=until)
        if number:
            cell = ", ".join(("hour", "app_id", *COUNTERS))
            sums = ", ".join(f"SUM(c.{name}) AS {name}" for name in COUNTERS)
            cells = (
                f"SELECT c.hour AS hour, c.app_id AS app_id, {sums} FROM {self._batches} b, UNNEST(b.cells) c"
                " WHERE b.change <= @until GROUP BY c.hour, c.app_id"
            )
            summing = (
                f"INSERT INTO {self._batches} (written, change, session, kind, cells) SELECT TIMESTAMP_MICROS(@tstamp), @until,"
                f" '', 'summary', ARRAY_AGG(STRUCT({cell})) FROM ({cells}) GROUP BY TIMESTAMP_TRUNC(hour, DAY)"
            )
            clearing = (
                f"DELETE FROM {self._batches} WHERE change <= @until AND written < TIMESTAMP_MICROS(@tstamp)"
                " AND NOT (kind = 'opening' AND change >= @openings)"
            )
            self._access.transaction(summing, clearing, until=until, tstamp=micros(self._now), openings=self._openings())
        return Step("ledger", f"{number} batches summed up")

    def size(self) -> Step:
        tables = ("events", *(f"{view}_log" for view in _LOGS), BATCHES)
        total = sum(table.num_bytes or 0 for name in tables if (table := self._access.table(name)) is not None)
        return Step("size", f"{total:,} bytes, without what BigQuery got lately and what it keeps of deleted rows")

    def note(self) -> None:
        now = micros(self._now)
        statement = (
            f"INSERT INTO {self._batches} (written, change, session, kind) SELECT TIMESTAMP_MICROS(@now), @now, '', 'maintained'"
        )
        self._access.change(statement, now=now)

    def _expire_events(self, before: int) -> int:
        rows = f"FROM {self._access.quoted('events')} WHERE load_tstamp < TIMESTAMP_MICROS(@before)"
        number = self._number(f"SELECT COUNT(*) {rows}", before=before)
        if number:
            note = noting(self._access, "expired", "events", rows)
            self._access.transaction(note, f"DELETE {rows}", before=before, tstamp=micros(self._now))
        return number

    def _expire_failures(self, before: int) -> int:
        """With older versions; a failure counts from when its last version was loaded."""
        log = self._access.quoted("failed_events_log")
        loaded = "MAX(COALESCE(load_tstamp, TIMESTAMP_MICROS(change)))"
        old = (
            f"failure_key IN (SELECT failure_key FROM {log} GROUP BY failure_key"
            f" HAVING {loaded} < TIMESTAMP_MICROS(@before) AND MAX(change) <= @noted)"
        )
        shown = f"FROM {self._access.quoted('failed_events')} WHERE {old}"
        number = self._number(f"SELECT COUNT(*) {shown}", before=before, noted=self._settled.change)
        if number:
            note, delete = noting(self._access, "expired", "failed_events", shown), f"DELETE FROM {log} WHERE {old}"
            self._access.transaction(note, delete, before=before, noted=self._settled.change, tstamp=micros(self._now))
        return number

    def _compact(self, view: str, key: str, until: int) -> int:
        """Rows in whose place a later one stands, and what says that something is gone."""
        log = self._access.quoted(f"{view}_log")
        row = f"CONCAT(CAST({key} AS STRING), ':', CAST(change AS STRING))"
        latest = f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY change DESC) = 1 AND NOT removed"
        needed = f"SELECT {row} FROM {log} WHERE change <= @until {latest}"
        return self._access.change(f"DELETE FROM {log} WHERE change <= @until AND {row} NOT IN ({needed})", until=until)

    def _before(self, days: float) -> int:
        return min(micros(self._now - timedelta(days=days)), changeable_before())

    def _openings(self) -> int:
        """Change of the earliest loader whose streams one that starts still has to end."""
        query = f"SELECT change FROM {self._batches} WHERE kind = 'opening' ORDER BY change DESC LIMIT {OPENINGS}"
        return min((change for (change,) in self._access.pages(query)), default=0)

    def _number(self, query: str, **values: Any) -> int:
        ((number,),) = self._access.pages(query, **values)
        return int(number or 0)
