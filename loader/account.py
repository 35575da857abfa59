"""The books of a warehouse: the ledger, what the tables hold, where reading the bus stands. What an audit compares."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from backbone.settings import Settings
from loader.ledger import COUNTERS
from loader.settings import WarehouseSettings

TABLES = ("events", "failed_events", "waiting_events")


@dataclass(slots=True)
class Entry:
    """One cell. `rows`, `removed`: by table. `arriving`: rows of `events` among them whose batch is not counted yet."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    rows: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    removed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    arriving: int = 0


@dataclass(slots=True)
class Reading:
    """`read`: (log, stream) → records there before counting, records read since. `unlogged`: read from no log of today."""

    positions: dict[str, int]
    read: dict[tuple[str, str], tuple[int, int]]
    unlogged: int


@dataclass(slots=True)
class Account:
    """`cells`: (hour, app id) → entry, oldest first. `counted`: records in the whole ledger, whatever the range.

    `incomplete`: rows of `failed_events` without reason, known from a line of the stream `failed` only. `notes`: what could not
    be compared.
    """

    cells: dict[tuple[str, str], Entry]
    counted: int
    incomplete: int
    reading: Reading
    notes: list[str] = field(default_factory=list)


class Books(Protocol):
    """Read while the loader writes; each answer is of one moment."""

    def account(self, since: datetime | None) -> Account | None:
        """`since`: cells of that hour and later. None: nothing was counted yet."""

    def reading(self) -> Reading:
        """As it is by now."""

    def close(self) -> None: ...


@contextmanager
def books(settings: Settings) -> Iterator[Books]:
    """Of the warehouse that the settings name. Raises TransientError when there is none."""
    opened = _opened(settings)
    try:
        yield opened
    finally:
        opened.close()


def _opened(settings: Settings) -> Books:
    keeping = settings.section("warehouse", WarehouseSettings)
    if keeping.kind == "bigquery":
        from loader.warehouses.bigquery_account import Books as OfBigQuery

        return OfBigQuery(keeping)
    from loader.warehouses.ducklake_account import Books as OfDuckLake

    return OfDuckLake(settings.data.folder)
