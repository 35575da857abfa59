"""The books of a BigQuery warehouse, as of its last batch. There is no snapshot over several tables, and none is needed.

Whatever a batch stores says to which it belongs: changes and counts by a number that grows (`loader.warehouses.bigquery_state`),
rows of `events` by their `load_tstamp`. So what later batches have added is left out, and rows of `events` whose batch is not
noted are told apart: one that is being stored, or one that was interrupted and comes again.
"""

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
from loader.warehouses.bigquery_removals import REMOVALS
from loader.warehouses.bigquery_state import BATCHES

_LOG_MOMENT = {"failed_events": "COALESCE(collector_tstamp, failed_tstamp, load_tstamp)", "waiting_events": "collector_tstamp"}
_LOG_KEY = {"failed_events": "failure_key", "waiting_events": "number"}
_ARRIVING = timedelta(hours=1)
"""Of a batch that was interrupted so long before the last one, nothing comes any more."""
_LOOKS = 5


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
        self._batches = self._access.quoted(BATCHES)
        if not self._access.exists(BATCHES):
            self.close()
            raise NothingLoaded(f"no warehouse in {self._access.place} yet: nothing has been loaded")

    def account(self, since: datetime | None) -> Account | None:
        notes: list[str] = []
        if (kept := self._kept_since()) is not None and (since is None or since < kept):
            since = kept
            notes.append(
                f"BigQuery deletes old partitions of these tables: hours before {since:%Y-%m-%d %H:%M} are not compared."
            )
        for _ in range(_LOOKS):
            moment, removals = self._moment(), self._removals(since)
            if moment is None:
                return None
            counting = _Counting(self._access, moment, since)
            incomplete = counting.add_all()
            if removals == self._removals(since):
                break
        else:
            raise BigQueryUnavailable("rows are being removed all the time: try again later")
        for hour, app_id, table, number in removals:
            counting.entry(hour, app_id).removed[table] = number
        return Account(dict(sorted(counting.cells.items())), counting.records, incomplete, moment.reading, notes)

    def reading(self) -> Reading:
        moment = self._moment()
        return Reading({}, {}, 0) if moment is None else moment.reading

    def close(self) -> None:
        self._access.close()

    def _kept_since(self) -> datetime | None:
        """What is older may be gone: the tables have an expiration of partitions."""
        ages = []
        for name in ("events", "failed_events_log"):
            table = self._access.table(name)
            partitioning = None if table is None else table.time_partitioning
            if partitioning is not None and partitioning.expiration_ms:
                ages.append(timedelta(milliseconds=int(partitioning.expiration_ms)))
        return datetime.now(UTC) - min(ages) + timedelta(days=1) if ages else None

    def _moment(self) -> _Moment | None:
        columns = "change, load_tstamp, positions, `read`, opening"
        query = f"SELECT {columns} FROM {self._batches} WHERE kind = 'batch' ORDER BY change DESC LIMIT 1"
        for change, load_tstamp, positions, read, opening in asked(self._access, query):
            rows = [(log, stream, before, number) for log, stream, before, number in jsontext.loads(read.encode())[0]]
            logged = {(log, stream): (before, number) for log, stream, before, number in rows if log}
            unlogged = sum(number for log, _, _, number in rows if not log)
            return _Moment(change, load_tstamp, opening, Reading(jsontext.loads(positions.encode())[0], logged, unlogged))
        return None

    def _removals(self, since: datetime | None) -> list[Any]:
        """Read before and after the rest: rows that go in between are noted in the same moment, but seen in another."""
        if not self._access.exists(REMOVALS):
            return []
        columns = "UNIX_MICROS(hour) AS cell_hour, COALESCE(app_id, '') AS cell_app, table_name, SUM(`rows`)"
        having, known = _from(since)
        query = f"SELECT {columns} FROM {self._access.quoted(REMOVALS)} GROUP BY cell_hour, cell_app, table_name {having}"
        return sorted(asked(self._access, query, **known))


class _Counting:
    """`cells`: as in `Account`; `records`: in the whole ledger."""

    def __init__(self, access: Access, moment: _Moment, since: datetime | None) -> None:
        self._access = access
        self._moment = moment
        self._batches = access.quoted(BATCHES)
        self._having, self._since = _from(since)
        self.cells: dict[tuple[str, str], Entry] = {}
        self.records = 0

    def add_all(self) -> int:
        """Number of failed events without a reason."""
        self._add_ledger()
        self._add_events()
        incomplete = 0
        for table in _LOG_KEY:
            incomplete += self._add_log(table)
        return incomplete

    def entry(self, hour: int, app_id: str) -> Entry:
        return self.cells.setdefault((moment_text(hour), app_id), Entry())

    def _add_ledger(self) -> None:
        sums = ", ".join(f"SUM(c.{name}) AS {name}" for name in COUNTERS)
        ledger = f"{self._batches} b, UNNEST(b.cells) c WHERE b.change <= @high"
        columns = "UNIX_MICROS(c.hour) AS cell_hour, c.app_id AS cell_app"
        for hour, app_id, *numbers in self._grouped(f"SELECT {columns}, {sums} FROM {ledger}"):
            self.entry(hour, app_id).counts.update(zip(COUNTERS, numbers, strict=True))
        query = f"SELECT COALESCE(SUM(c.received + c.twins), 0) FROM {ledger}"
        ((self.records,),) = asked(self._access, query, high=self._moment.change)

    def _add_events(self) -> None:
        """A row whose batch is not noted is looked for among the latest only: to name all batches would read them all."""
        latest = datetime.fromisoformat(self._moment.load_tstamp)
        recent = f"{latest - _ARRIVING:%Y-%m-%d %H:%M:%S}" if latest.year > 1 else self._moment.load_tstamp
        times = f"SELECT TIMESTAMP(CONCAT(load_tstamp, '+00')) FROM {self._batches} WHERE load_tstamp >= @recent"
        fresh = f"load_tstamp > TIMESTAMP(CONCAT(@recent, '+00')) AND load_tstamp NOT IN ({times} AND change <= @high)"
        condition = "load_tstamp > TIMESTAMP(CONCAT(@opening, '+00'))"
        if self._since:  # nothing is loaded before it was collected, but for clocks that differ
            condition += " AND load_tstamp >= TIMESTAMP_SUB(TIMESTAMP(@since), INTERVAL 1 DAY)"
        rows = f"SELECT {_cell('collector_tstamp')}, {fresh} AS fresh FROM {self._access.quoted('events')} WHERE {condition}"
        query = f"SELECT cell_hour, cell_app, COUNT(*), COUNTIF(fresh) FROM ({rows})"
        for hour, app_id, number, arriving in self._grouped(query, recent=recent, opening=self._moment.opening):
            entry = self.entry(hour, app_id)
            entry.rows["events"], entry.arriving = number, arriving

    def _add_log(self, table: str) -> int:
        """As its view shows it, but without the changes of later batches."""
        half = "kind IS NULL" if table == "failed_events" else "FALSE"
        latest = f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {_LOG_KEY[table]} ORDER BY change DESC) = 1"
        rows = (
            f"SELECT {_cell(_LOG_MOMENT[table])}, removed, {half} AS half "
            f"FROM {self._access.quoted(f'{table}_log')} WHERE change <= @high {latest}"
        )
        incomplete = 0
        for hour, app_id, number, halves in self._grouped(
            f"SELECT cell_hour, cell_app, COUNT(*), COUNTIF(half) FROM ({rows}) WHERE NOT removed"
        ):
            self.entry(hour, app_id).rows[table] = number
            incomplete += halves
        return incomplete

    def _grouped(self, query: str, **known: Parameter) -> list[Any]:
        grouped = f"{query} GROUP BY cell_hour, cell_app {self._having}"
        return asked(self._access, grouped, **known, **self._since, high=self._moment.change)


def asked(access: Access, query: str, **known: Parameter) -> list[Any]:
    """Rows. Raises BigQueryUnavailable."""
    try:
        return [tuple(row) for row in access.query(query, **known)]
    except BigQueryRefused as problem:
        raise BigQueryUnavailable(f"the books of the warehouse cannot be read: {problem}") from problem


def _from(since: datetime | None) -> tuple[str, dict[str, Parameter]]:
    """(condition on groups, its parameter)."""
    if since is None:
        return "", {}
    return "HAVING cell_hour >= UNIX_MICROS(TIMESTAMP(@since))", {"since": f"{since.astimezone(UTC):%Y-%m-%d %H}:00:00+00"}


def _cell(moment: str) -> str:
    return f"UNIX_MICROS(TIMESTAMP_TRUNC({moment}, HOUR)) AS cell_hour, COALESCE(app_id, '') AS cell_app"
