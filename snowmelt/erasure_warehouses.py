"""The warehouse in an erasure: the embedded one, whose writer is asked to do it; or BigQuery, where it is done from here."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol

from backbone.errors import TransientError
from backbone.person import Person
from backbone.settings import Settings
from loader.maintenance import ERASE, commission
from loader.settings import WarehouseSettings
from loader.warehouses.ducklake_catalog import NoWarehouse, open_reader
from loader.warehouses.ducklake_erasure import counted
from loader.warehouses.gcp_extra import needing_gcp

if TYPE_CHECKING:
    from loader.warehouses.bigquery_erasure import Left

Note = Callable[[str], None]


class Remainder(NamedTuple):
    """What could not be erased. `when`: from then on it can be; None: another attempt may do."""

    place: str
    what: str
    when: datetime | None = None


_WHY = {
    False: "which BigQuery got too lately to let go of them",
    True: "which came just now, or whose batch no loader has completed yet",
}


class ErasedWarehouse(Protocol):
    def counted(self) -> dict[str, int]:
        """Table → rows that are the person's."""

    def erase(self, patience: float, note: Note) -> list[Remainder]:
        """What is left."""

    def remarks(self) -> list[str]:
        """What the user has to know afterwards."""


def warehouse_of(settings: Settings, person: Person) -> ErasedWarehouse:
    keeping = settings.section("warehouse", WarehouseSettings)
    return OfBigQuery(keeping, person) if keeping.kind == "bigquery" else Embedded(settings, keeping, person)


class Embedded:
    def __init__(self, settings: Settings, keeping: WarehouseSettings, person: Person) -> None:
        self._data = settings.data
        self._keeping = keeping
        self._person = person

    def counted(self) -> dict[str, int]:
        try:
            connection = open_reader(self._data.folder)
        except NoWarehouse:
            return {}
        try:
            return counted(connection, self._person)
        finally:
            connection.close()

    def erase(self, patience: float, note: Note) -> list[Remainder]:
        if not (self._data.warehouse / "catalog.sqlite").exists():
            return []
        said = commission(self._data.warehouse, self._keeping, ERASE, self._person.json(), patience, note)
        return [Remainder("", str(what)) for what in said["left"]]

    def remarks(self) -> list[str]:
        if self._keeping.backup is None:
            return []
        return [
            f"Copies of the warehouse in {self._keeping.backup} are as they were: the person is in them until they are removed."
        ]


class OfBigQuery:
    def __init__(self, keeping: WarehouseSettings, person: Person) -> None:
        with needing_gcp():
            from loader.warehouses.bigquery_access import open_access
            from loader.warehouses.bigquery_erasure import Erasure

        self._access = open_access(keeping)
        self._erasure = Erasure(self._access, person)

    def counted(self) -> dict[str, int]:
        with _refusals_told():
            return self._erasure.counted()

    def erase(self, patience: float, note: Note) -> list[Remainder]:
        """Waits for rows that BigQuery does not let go of yet, if that is possible within `patience`."""
        deadline = datetime.now(UTC) + timedelta(seconds=patience)
        while left := self._once():
            when = max((each.when for each in left if each.when is not None), default=None)
            if when is None or when > deadline:
                break
            note(f"waiting until {when:%H:%M:%S} UTC, when BigQuery lets go of rows it got only lately")
            time.sleep(max(0.0, (when - datetime.now(UTC)).total_seconds()))
        return [Remainder(each.place, f"{each.rows:,} in {each.place}, {_WHY[each.when is None]}", each.when) for each in left]

    def _once(self) -> "list[Left]":
        with _refusals_told():
            return self._erasure.erase()

    def remarks(self) -> list[str]:
        from loader.warehouses.bigquery_access import FAIL_SAFE_DAYS

        until = datetime.now(UTC) + self._access.recoverable()
        last = until + timedelta(days=FAIL_SAFE_DAYS)
        return [
            f"BigQuery shows deleted rows to who asks for an earlier state of a table until {until:%Y-%m-%d %H:%M} UTC (time"
            f" travel), and Google can bring them back until {last:%Y-%m-%d} (fail-safe). Snapshots and copies of tables are as"
            " they were."
        ]


@contextmanager
def _refusals_told() -> Iterator[None]:
    """What BigQuery refuses, such as a change while somebody else changes the same table, may be tried again."""
    from loader.warehouses.bigquery_client import BigQueryRefused

    try:
        yield
    except BigQueryRefused as problem:
        raise TransientError(f"{problem}; what is done stays done, run the command again") from None
