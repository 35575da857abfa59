"""One person out of everything Snowmelt keeps: what there is of them, its removal, and the proof."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from backbone.person import Person
from backbone.settings import Settings
from loader.replay_state import files_naming
from snowmelt.erasure_buses import Through, bus_of
from snowmelt.erasure_warehouses import Remainder, warehouse_of

Note = Callable[[str], None]


@dataclass(slots=True)
class Outcome:
    """Rows and bus records by place. `left`: what could not be cleaned. `remarks`: what the user has to know besides."""

    before: dict[str, int]
    after: dict[str, int] = field(default_factory=dict)
    purged: int | None = None
    """Records of the bus that were removed, everybody's: all of them had been read. None: its kind lets nobody remove any."""
    left: list[Remainder] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.left and not any(self.after.values())

    def told(self) -> list[str]:
        """What is left, a sentence each."""
        known = {remainder.place for remainder in self.left}
        more = [Remainder(place, f"{count:,} in {place}") for place, count in self.after.items() if count and place not in known]
        return [
            f"Left: {what}. Run the command again{'' if when is None else _after(when)}." for _, what, when in more + self.left
        ]


class Erasure:
    def __init__(self, settings: Settings, person: Person, patience: float, note: Note) -> None:
        """`patience`: seconds that services get to read the bus, and the warehouse to do its part."""
        self._folder = settings.data.folder
        self._person = person
        self._patience = patience
        self._note = note
        self._bus = bus_of(settings)
        self._warehouse = warehouse_of(settings, person)

    def found(self) -> dict[str, int]:
        """Place → how much there is of the person now."""
        return self._count(self._bus.now())

    def run(self, offline: bool, flags: list[str], sure: Callable[[Mapping[str, int]], None]) -> Outcome:
        """Everything, in order; `sure` is shown what was found and raises when it shall stay.

        `offline`: services that are not running are run, with `flags`, until they have read the bus. Raises Unread.
        """
        with self._bus.read(offline, flags, self._patience, self._note) as through:
            outcome = Outcome(self._count(through))
            sure(outcome.before)
            outcome.left += self._warehouse.erase(self._patience, self._note)
            outcome.purged, uncleaned = self._bus.purge(through)
            outcome.left += [Remainder("", what) for what in uncleaned]
            for file in self._notes_of_replays():
                file.unlink(missing_ok=True)
            outcome.after = self._count(through)
        outcome.remarks = [*self._warehouse.remarks(), *self._bus.remarks()]
        return outcome

    def _count(self, through: Through) -> dict[str, int]:
        counts = {**self._warehouse.counted(), **self._bus.counted(self._person, through)}
        if notes := self._notes_of_replays():
            counts["replays"] = len(notes)
        return counts

    def _notes_of_replays(self) -> list[Path]:
        """A filter or patch may name the person."""
        return files_naming(self._folder, set().union(*self._person.ids.values()))


def _after(when: datetime) -> str:
    """Rounded up."""
    return f" after {when + timedelta(minutes=1):%Y-%m-%d %H:%M} UTC"
