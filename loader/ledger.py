"""What became of everything the loader read, counted by hour and app while it is stored.

A cell is the hour an event was collected in and its app. For each cell, over all batches:

    received + unparked = loaded + failed + duplicates + parked

and, `removed` being what retention and erasure took away (they say so in a table of their own):

    rows of events         = loaded - removed
    rows of failed_events  = failed + incomplete - replaced - completed - recovered - removed
    rows of waiting_events = parked - unparked - removed

Over all cells, `received + twins` is the number of records read from the bus: every record is either received or the twin of one.

| Counter | Counts |
|---|---|
| `received` | enriched lines and bad rows read from the bus |
| `loaded` | rows added to `events` |
| `failed` | failures stored, one of the same event or payload counted again |
| `duplicates` | events dropped since they are there already, and failures of events that have landed |
| `parked`, `unparked` | events that began to wait for a schema; that ended it, and are now loaded, failed or duplicates |
| `twins` | lines of the `failed` stream: each tells once more of an event whose bad row is received |
| `incomplete` | rows of `failed_events` made of such a line, alone or joined to the row of its bad row |
| `completed` | rows that gave way to one joined of both |
| `replaced` | failures that gave way to a newer one of the same event or payload |
| `recovered` | rows that left `failed_events` since their event landed or their payload was sent again |

A failure counts in the cell its row has when it is stored; so does its removal.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from loader.instants import instant_micros, instant_text

Cell = tuple[str, str]
"""(hour, app id or nothing). The hour is `2026-01-01 10`, or a whole timestamp that ends in `+00`; UTC."""

NOWHERE: Cell = ("", "")
_HOUR = 3_600_000_000
COUNTERS = (
    "received",
    "loaded",
    "failed",
    "duplicates",
    "parked",
    "unparked",
    "twins",
    "incomplete",
    "completed",
    "replaced",
    "recovered",
)


def event_cell(row: Mapping[str, Any]) -> Cell:
    """Of a row for `events`. Called for every event: hence no check, and the hour as the line spells it."""
    return row["collector_tstamp"][:13], row.get("app_id", "")


def failure_cell(row: Mapping[str, Any], load_tstamp: str) -> Cell:
    """Of a row for `failed_events`: the hour of collection, else of failure, else of loading."""
    app_id = row.get("app_id", "")
    if collected := row.get("collector_tstamp"):
        return collected[:13], app_id
    failed = instant_micros(row["failed_tstamp"]) if "failed_tstamp" in row else None
    if failed is None:
        # Written by the loader itself, in the warehouse's own form.
        return row.get("failed_tstamp", load_tstamp)[:13], app_id
    return instant_text(failed - failed % _HOUR), app_id


class Tally:
    """The counts of one batch. Made anew when a batch is tried again."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[Cell]] = {name: Counter() for name in COUNTERS}

    def landed(self, offered: Iterable[Cell], loaded: Iterable[Cell]) -> None:
        """Events offered to the table, and those of them that were new to it."""
        received, new = Counter(offered), Counter(loaded)
        self._counts["received"].update(received)
        self._counts["loaded"].update(new)
        received.subtract(new)
        self._counts["duplicates"].update(received)

    def dropped(self, cells: Collection[Cell]) -> None:
        """Failures of events that have landed."""
        self._counts["received"].update(cells)
        self._counts["duplicates"].update(cells)

    def failed(self, cell: Cell, times: int) -> None:
        """One row, for a failure that the batch told of so many times."""
        self._counts["received"][cell] += times
        self._counts["failed"][cell] += times
        self._counts["replaced"][cell] += times - 1

    def parked(self, cells: Collection[Cell]) -> None:
        """Events that wait from now on."""
        self._counts["received"].update(cells)
        self._counts["parked"].update(cells)

    def unparked(self, cells: Collection[Cell]) -> None:
        """Events that wait no longer, which were received when they began to and are in this batch as if they were new."""
        self._counts["received"].subtract(cells)
        self._counts["unparked"].update(cells)

    def count(self, counter: str, cells: Iterable[Cell]) -> None:
        """For counters that go with no other."""
        self._counts[counter].update(cells)

    @property
    def received(self) -> int:
        return self._counts["received"].total() + self._counts["twins"].total()

    def rows(self) -> Iterator[dict[str, Any]]:
        """`hour`, `app_id` and every counter, without cells where nothing happened."""
        for cell in sorted(set().union(*self._counts.values())):
            numbers = {name: self._counts[name][cell] for name in COUNTERS}
            if any(numbers.values()):
                hour, app_id = cell
                yield {"hour": hour if hour.endswith("+00") else f"{hour}:00:00+00", "app_id": app_id, **numbers}
