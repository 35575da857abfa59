"""One person out of everything Snowmelt keeps: what there is of them, its removal, and the proof."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backbone.belonging import in_record
from backbone.bus.purging import ends, purge, stored
from backbone.person import Person
from backbone.settings import Settings
from loader.maintenance import ERASE, commission
from loader.replay_state import files_naming
from loader.settings import WarehouseSettings
from loader.warehouses.ducklake_catalog import NoWarehouse, open_reader
from loader.warehouses.ducklake_erasure import counted
from snowmelt.catching_up import READS, Backlog, Unread, running

Note = Callable[[str], None]
BUS = "bus"


@dataclass(slots=True)
class Outcome:
    """Rows and bus records by place. `left`: what could not be cleaned, in words."""

    before: dict[str, int]
    after: dict[str, int] = field(default_factory=dict)
    purged: int = 0
    """Records of the bus that were removed, everybody's: all of them had been read."""
    left: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.left and not any(self.after.values())


class Erasure:
    def __init__(self, settings: Settings, person: Person, patience: float, note: Note) -> None:
        """`patience`: seconds that services get to read the bus, and the loader to do its part."""
        self._settings = settings
        self._person = person
        self._patience = patience
        self._note = note
        self._backlog = Backlog(settings)

    def found(self) -> dict[str, int]:
        """Place → how much there is of the person now."""
        return self._count(ends(self._backlog.root))

    def run(self, offline: bool, flags: list[str], sure: Callable[[Mapping[str, int]], None]) -> Outcome:
        """Everything, in order; `sure` is shown what was found and raises when it shall stay.

        `offline`: services that are not running are run, with `flags`, until they have read the bus. Raises Unread.
        """
        missing = self._missing()
        if missing and not offline:
            raise Unread(
                f"there are events on the bus which the {' and the '.join(missing)}, not running, has not read; they may be the"
                " person's. Start it (snowmelt up), or add --offline to have it run for as long as this takes"
            )
        with running(missing, flags, self._settings.data.folder / "logs", self._note) as watch:
            self._backlog.wait(self._patience, watch, self._note)
            through = self._backlog.read_by_all()
            outcome = Outcome(self._count(through))
            sure(outcome.before)
            if self._has_warehouse():
                outcome.left += self._erase_rows()
            self._purge(through, outcome)
            for file in self._notes_of_replays():
                file.unlink(missing_ok=True)
            outcome.after = self._count(through)
        return outcome

    def _missing(self) -> list[str]:
        """Services that would have to run: a loader, too, for what an enricher will make of raw records."""
        behind = self._backlog.unread_by(ends(self._backlog.root))
        needed = list(READS) if "enricher" in behind else behind
        return [name for name in self._backlog.stopped() if name in needed]

    def _has_warehouse(self) -> bool:
        return (self._settings.data.warehouse / "catalog.sqlite").exists()

    def _erase_rows(self) -> list[str]:
        settings = self._settings.section("warehouse", WarehouseSettings)
        said = commission(self._settings.data.warehouse, settings, ERASE, self._person.json(), self._patience, self._note)
        return [str(what) for what in said["left"]]

    def _purge(self, through: Mapping[str, int], outcome: Outcome) -> None:
        purged = purge(self._backlog.root, through)
        outcome.purged = sum(purged.records.values())
        outcome.left += [f"old pages of {_short(path)}, for a reader does not let go of them" for path in purged.uncleaned]

    def _count(self, through: Mapping[str, int]) -> dict[str, int]:
        counts: dict[str, int] = {}
        try:
            connection = open_reader(self._settings.data.folder)
        except NoWarehouse:
            pass
        else:
            try:
                counts = counted(connection, self._person)
            finally:
                connection.close()
        records = stored(self._backlog.root, through)
        counts[BUS] = sum(in_record(self._person, record.stream, record.data) for record in records)
        if notes := self._notes_of_replays():
            counts["replays"] = len(notes)
        return counts

    def _notes_of_replays(self) -> list[Path]:
        """A filter or patch may name the person."""
        return files_naming(self._settings.data.folder, set().union(*self._person.ids.values()))


def _short(path: Path) -> str:
    return "/".join(path.parts[-3:])
