"""The bus in an erasure: what is on its way has to arrive first, and what was read has to go. Pub/Sub lets nobody look inside."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from backbone.belonging import in_record
from backbone.bus.purging import ends, purge, stored
from backbone.errors import ConfigurationError, Fault
from backbone.person import Person
from backbone.settings import Settings
from snowmelt.catching_up import READS, Backlog, Unread, running

BUS = "bus"
Note = Callable[[str], None]
Through = Mapping[str, int]
"""Log → offset."""


class ErasedBus(Protocol):
    def now(self) -> Through:
        """What it holds at this moment."""

    def counted(self, person: Person, through: Through) -> dict[str, int]: ...

    def read(self, offline: bool, flags: list[str], patience: float, note: Note) -> AbstractContextManager[Through]:
        """For as long as the block lasts, everything there was has been read; yields up to where. Raises Unread."""

    def purge(self, through: Through) -> tuple[int | None, list[str]]:
        """(records that were removed, if they can be; what is left, in words)."""

    def remarks(self) -> list[str]:
        """What the user has to know, or to do."""


def bus_of(settings: Settings) -> ErasedBus:
    return PubSub(settings) if settings.bus.kind == "pubsub" else Log(settings)


class Log:
    """The embedded one."""

    def __init__(self, settings: Settings) -> None:
        self._logs = settings.data.folder / "logs"
        self._backlog = Backlog(settings)

    def now(self) -> Through:
        return ends(self._backlog.root)

    def counted(self, person: Person, through: Through) -> dict[str, int]:
        records = stored(self._backlog.root, through)
        return {BUS: sum(in_record(person, record.stream, record.data) for record in records)}

    @contextmanager
    def read(self, offline: bool, flags: list[str], patience: float, note: Note) -> Iterator[Through]:
        missing = self._missing()
        if missing and not offline:
            raise Unread(
                f"there are events on the bus which the {' and the '.join(missing)}, not running, has not read; they may be the"
                " person's. Start it (snowmelt up), or add --offline to have it run for as long as this takes"
            )
        with running(missing, flags, self._logs, note) as watch:
            self._backlog.wait(patience, watch, note)
            yield self._backlog.read_by_all()

    def purge(self, through: Through) -> tuple[int | None, list[str]]:
        purged = purge(self._backlog.root, through)
        left = [f"old pages of {_short(path)}, for a reader does not let go of them" for path in purged.uncleaned]
        return sum(purged.records.values()), left

    def remarks(self) -> list[str]:
        return []

    def _missing(self) -> list[str]:
        """Services that would have to run: a loader, too, for what an enricher will make of raw records."""
        behind = self._backlog.unread_by(ends(self._backlog.root))
        needed = list(READS) if "enricher" in behind else behind
        return [name for name in self._backlog.stopped() if name in needed]


class PubSub:
    """What it holds is given to its readers only, so nothing is counted, waited for or removed; the user is told how to."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.bus

    def now(self) -> Through:
        return {}

    def counted(self, person: Person, through: Through) -> dict[str, int]:
        return {}

    @contextmanager
    def read(self, offline: bool, flags: list[str], patience: float, note: Note) -> Iterator[Through]:
        if offline:
            problem = "works with the embedded log; with Pub/Sub let enricher and loader run until they have read everything"
            raise ConfigurationError([Fault("command line", "--offline", problem)])
        yield {}

    def purge(self, through: Through) -> tuple[int | None, list[str]]:
        return None, []

    def remarks(self) -> list[str]:
        from backbone.bus.pubsub_keeping import kept

        now = datetime.now(UTC)
        lines = [
            "Not looked into: Pub/Sub, which shows messages to their readers only. What enricher and loader had not read becomes"
            " rows: stop the collector, let them finish, and run the command again."
        ]
        for each in kept(self._settings):
            what = "every message" if each.read else "what is unread"
            until = f"for {_days(each.span)}: what is there now until {now + each.span:%Y-%m-%d %H:%M} UTC at the latest"
            lines.append(f"Pub/Sub: {each.name} keeps {what} {until}.")
        lines.append(
            f"To drop it earlier, everybody's: gcloud pubsub subscriptions seek SUBSCRIPTION --time={now:%Y-%m-%dT%H:%M:%SZ},"
            " once enricher and loader have read everything; what a topic keeps goes by itself."
        )
        return lines


def _days(span: timedelta) -> str:
    days = span.total_seconds() / 86_400
    return f"{days:g} days" if days >= 1 else f"{span.total_seconds() / 60:g} minutes"


def _short(path: Path) -> str:
    return "/".join(path.parts[-3:])
