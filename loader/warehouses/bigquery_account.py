"""The books of a BigQuery warehouse, as of its last batch. There is no snapshot over several tables, and none is needed.

Whatever a batch stores says to which it belongs: changes and counts by a number that grows (`loader.warehouses.bigquery_state`),
rows of `events` by their `load_tstamp`. So what later batches have added is left out, and rows of `events` whose batch is not
noted are told apart: one that is being stored, or one that was interrupted and comes again.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from backbone import jsontext
from backbone.errors import TransientError
from loader.account import Account, Entry, Reading
from loader.ledger import COUNTERS
from loader.settings import WarehouseSettings
from loader.warehouses.bigquery_access import Access, open_access
from loader.warehouses.bigquery_client import BigQueryRefused, BigQueryUnavailable, Parameter
from loader.warehouses.bigquery_proto import moment_text

_LOG_CELL = {"failed_events": "COALESCE(collector_tstamp, failed_tstamp, load_tstamp)", "waiting_events": "collector_tstamp"}
_LOG_KEY = {"failed_events": "failure_key", "waiting_events": "number"}
_ARRIVING_HOURS = 1
"""Of a batch that was interrupted so long before the last one, nothing comes any more."""
_REMOVALS = "loader_removals"


class NothingLoaded(TransientError):
    """There is no warehouse in the dataset yet."""


class _Moment(NamedTuple):
    """The last batch. `opening`: rows of `events` that were loaded until then were there before anything was counted."""

    change: int
    load_tstamp: str
    opening: str
    reading: Reading


class Books:
    """As `loader.account.Books`."""

    def __init__(self, settings: WarehouseSettings) -> None:
        """Raises NothingLoaded, BigQueryUnavailable, ConfigurationError."""
        self._access: Access = open_access(settings)
        self._batches = self._access.quoted("loader_batches")
        if not self._access.exists("loader_batches"):
            self.close()
            raise NothingLoaded(f"no warehouse in {self._access.place} yet: nothing has been loaded")

    def account(self, since: datetime | None) -> Account | None:
        moment = self._moment()
        if moment is None:
            return None
        cells: dict[tuple[str, str], Entry] = {}
        known: dict[str, Parameter] = {"high": moment.change}
        hours = ""
        if since is not None:
            known["since"] = f"{since.astimezone(UTC):%Y-%m-%d %H}:00:00+00"
            hours = "HAVING hour >= UNIX_MICROS(TIMESTAMP(@since))"
        counted = self._add_ledger(cells, known, hours)
        self._add_events(cells, known, hours, moment)
        incomplete = self._add_logs(cells, known, hours)
        self._add_removals(cells, known, hours)
        return Account(dict(sorted(cells.items())), counted, incomplete, moment.reading)

    def reading(self) -> Reading:
        moment = self._moment()
        return Reading({}, {}, 0) if moment is None else moment.reading

    def close(self) -> None:
        self._access.close()

    def _moment(self) -> _Moment | None:
        columns = "change, load_tstamp, positions, `read`, opening"
        query = f"SELECT {columns} FROM {self._batches} WHERE kind = 'batch' ORDER BY change DESC LIMIT 1"
        for change, load_tstamp, positions, read, opening in self._ask(query, {}):
            rows = [(log, stream, before, number) for log, stream, before, number in jsontext.loads(read.encode())[0]]
            logged = {(log, stream): (before, number) for log, stream, before, number in rows if log}
            unlogged = sum(number for log, _, _, number in rows if not log)
            return _Moment(change, load_tstamp, opening, Reading(jsontext.loads(positions.encode())[0], logged, unlogged))
        return None

    def _add_ledger(self, cells: dict[tuple[str, str], Entry], known: dict[str, Parameter], hours: str) -> int:
        """Number of records in the whole ledger."""
        sums = ", ".join(f"SUM(c.{name}) AS {name}" for name in COUNTERS)
        ledger = f"{self._batches} b, UNNEST(b.cells) c WHERE b.change <= @high"
        query = f"SELECT UNIX_MICROS(c.hour) AS hour, c.app_id, {sums} FROM {ledger} GROUP BY hour, c.app_id {hours}"
        for hour, app_id, *numbers in self._ask(query, known):
            _entry(cells, hour, app_id).counts.update(zip(COUNTERS, numbers, strict=True))
        ((counted,),) = self._ask(f"SELECT COALESCE(SUM(c.received + c.twins), 0) FROM {ledger}", known)
        return int(counted)

    def _add_events(self, cells: dict[tuple[str, str], Entry], known: dict[str, Parameter], hours: str, moment: _Moment) -> None:
        """A row whose batch is not noted is looked for among the latest only: to name all batches would read them all."""
        latest = datetime.fromisoformat(moment.load_tstamp) if moment.load_tstamp else datetime(1970, 1, 2)
        recent = f"{latest - timedelta(hours=_ARRIVING_HOURS):%Y-%m-%d %H:%M:%S}"
        noted = (
            f"SELECT TIMESTAMP(CONCAT(load_tstamp, '+00')) FROM {self._batches} WHERE change <= @high AND load_tstamp >= @recent"
        )
        fresh = f"load_tstamp > TIMESTAMP(CONCAT(@recent, '+00')) AND load_tstamp NOT IN ({noted})"
        columns = f"{_hour('collector_tstamp')}, COALESCE(app_id, '') AS app, COUNT(*), COUNTIF({fresh})"
        counted = "load_tstamp > TIMESTAMP(CONCAT(@opening, '+00'))"
        query = f"SELECT {columns} FROM {self._access.quoted('events')} WHERE {counted} GROUP BY hour, app {hours}"
        for hour, app_id, number, arriving in self._ask(query, {**known, "recent": recent, "opening": moment.opening}):
            entry = _entry(cells, hour, app_id)
            entry.rows["events"], entry.arriving = number, arriving

    def _add_logs(self, cells: dict[tuple[str, str], Entry], known: dict[str, Parameter], hours: str) -> int:
        """Number of failed events without a reason."""
        incomplete = 0
        for table, key in _LOG_KEY.items():
            latest = f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY change DESC) = 1"
            log = f"SELECT * FROM {self._access.quoted(f'{table}_log')} WHERE change <= @high {latest}"
            without = "COUNTIF(kind IS NULL)" if table == "failed_events" else "0"
            columns = f"{_hour(_LOG_CELL[table])}, COALESCE(app_id, '') AS app, COUNT(*), {without}"
            query = f"SELECT {columns} FROM ({log}) WHERE NOT removed GROUP BY hour, app {hours}"
            for hour, app_id, number, halves in self._ask(query, known):
                _entry(cells, hour, app_id).rows[table] = number
                incomplete += halves
        return incomplete

    def _add_removals(self, cells: dict[tuple[str, str], Entry], known: dict[str, Parameter], hours: str) -> None:
        if not self._access.exists(_REMOVALS):
            return
        columns = "UNIX_MICROS(hour) AS hour, COALESCE(app_id, '') AS app, table_name, SUM(`rows`)"
        query = f"SELECT {columns} FROM {self._access.quoted(_REMOVALS)} GROUP BY hour, app, table_name {hours}"
        for hour, app_id, table, number in self._ask(query, {key: value for key, value in known.items() if key != "high"}):
            removed: Counter[str] = Counter({table: number})
            _entry(cells, hour, app_id).removed.update(removed)

    def _ask(self, query: str, known: dict[str, Parameter]) -> list[Any]:
        try:
            return self._access.query(query, **known)
        except BigQueryRefused as problem:
            raise BigQueryUnavailable(f"the books of the warehouse cannot be read: {problem}") from problem


def _hour(moment: str) -> str:
    return f"UNIX_MICROS(TIMESTAMP_TRUNC({moment}, HOUR)) AS hour"


def _entry(cells: dict[tuple[str, str], Entry], hour: int, app_id: str) -> Entry:
    return cells.setdefault((moment_text(hour), app_id), Entry())
