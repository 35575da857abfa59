"""Everything accounted for: is what the trackers sent what the warehouse holds?

Compares three things: the ledger (what the loader says it did), the tables (what is there) and the bus (what was sent). It may
run while everything else does: ledger, tables and the loader's place on the bus are read as one snapshot.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from backbone.bus import open_bus
from backbone.bus.protocol import Bus
from backbone.settings import Settings
from loader.account import Account, Entry, Reading, books
from loader.differences import Difference
from loader.stages import Chain, Stage, chain

_LOOKS = 5
_PAUSE = 0.4


@dataclass(frozen=True, slots=True)
class Hour:
    """`received` = `loaded` + `failed` + `duplicates` + `waiting`; `removed`: rows, by retention or erasure."""

    hour: str
    app_id: str
    received: int
    loaded: int
    failed: int
    duplicates: int
    waiting: int
    recovered: int
    removed: int


@dataclass(slots=True)
class Audit:
    hours: list[Hour] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        return not self.differences


def audit(settings: Settings, since: datetime | None = None) -> Audit:
    """`since`: hours shown and compared; the bus is compared as a whole. Raises TransientError when there is no warehouse."""
    bus = open_bus(settings)
    with books(settings) as kept:
        account = kept.account(since)
        if account is None:
            return Audit(notes=["Nothing is counted yet in this warehouse: its loader has to be started once by this version."])
        made = _of(account)
        found = _settled(bus, account.reading, kept.reading)
    made.stages = found.stages
    made.differences += found.differences
    made.notes += found.notes
    return made


def _settled(bus: Bus, reading: Reading, again: Callable[[], Reading]) -> Chain:
    """A difference that is gone at the next look was only a file being deleted while this one looked."""
    found = chain(bus, reading)
    for _ in range(_LOOKS - 1):
        if not found.differences and not found.unsettled:
            break
        time.sleep(_PAUSE)
        found = chain(bus, again())
    if found.unsettled:
        found.notes.append("Some records of the bus were deleted before they could be counted: they are not compared.")
    return found


def _of(account: Account) -> Audit:
    """The warehouse's half."""
    made = Audit()
    for (hour, app_id), entry in account.cells.items():
        made.hours.append(_hour(hour[:16], app_id, entry))
        made.differences += _differences(f"{hour[:16]} {app_id or '(no app)'}", entry)
    made.differences += _whole(account)
    if account.incomplete:
        made.notes.append(
            f"Failed events known from their line on `failed` only, their bad row not having come: {account.incomplete}."
        )
    if arriving := sum(_arriving(entry) for entry in account.cells.values()):
        made.notes.append(
            f"Rows of `events` whose batch is just being stored, or comes again after it was interrupted: {arriving}."
        )
    made.notes += account.notes
    return made


def _hour(hour: str, app_id: str, entry: Entry) -> Hour:
    counts = entry.counts
    return Hour(
        hour,
        app_id,
        counts["received"],
        counts["loaded"],
        counts["failed"],
        counts["duplicates"],
        counts["parked"] - counts["unparked"],
        counts["recovered"],
        sum(entry.removed.values()),
    )


def _differences(place: str, entry: Entry) -> Iterator[Difference]:
    counts, rows, removed = entry.counts, entry.rows, entry.removed
    came = counts["received"] + counts["unparked"]
    went = counts["loaded"] + counts["failed"] + counts["duplicates"] + counts["parked"]
    if came != went:
        yield Difference(place, "events in the ledger", came, went, _CONTRADICTION, _LEDGER_REMEDY)
    failed = counts["failed"] + counts["incomplete"] - counts["replaced"] - counts["completed"] - counts["recovered"]
    expected = {"events": counts["loaded"], "failed_events": failed, "waiting_events": counts["parked"] - counts["unparked"]}
    for table, number in expected.items():
        number -= removed[table]
        if rows[table] < number:
            yield Difference(place, f"rows of {table}", number, rows[table], _MISSING, _MISSING_REMEDY)
        elif rows[table] - (_arriving(entry) if table == "events" else 0) > number:
            yield Difference(place, f"rows of {table}", number, rows[table], _SURPLUS, _SURPLUS_REMEDY)


def _arriving(entry: Entry) -> int:
    """Rows of `events` that the ledger is about to know."""
    surplus = entry.rows["events"] - (entry.counts["loaded"] - entry.removed["events"])
    return surplus if 0 < surplus <= entry.arriving else 0


def _whole(account: Account) -> Iterator[Difference]:
    read = sum(number for (_, stream), (_, number) in account.reading.read.items() if stream != "replayed")
    expected = read + account.reading.unlogged
    if expected != account.counted:
        yield Difference("loader", "records in the ledger", expected, account.counted, _INCOMPLETE, _LEDGER_REMEDY)


_CONTRADICTION = "The ledger contradicts itself: rows of `loader_ledger` were changed or removed."
_INCOMPLETE = (
    "The loader read so many records, but the ledger accounts for another number: rows of `loader_ledger` were changed or "
    "removed, or the loader lost events."
)
_LEDGER_REMEDY = "Find out who wrote to the warehouse besides Snowmelt; if nobody did, report it with the loader's log."
_MISSING = "Rows that were stored are gone, and neither retention nor erasure removed them."
_MISSING_REMEDY = "Find out who deleted rows; a back-up of the warehouse has them, or the bus as long as it keeps them."
_SURPLUS = "There are rows which the ledger does not know: inserted by another program, or the ledger lost rows."
_SURPLUS_REMEDY = "Find out who wrote to the warehouse besides Snowmelt; look for doubles with the same event_id."
