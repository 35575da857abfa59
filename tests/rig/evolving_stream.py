"""A stream of events whose schemas grow, break, come late or are mended; it remembers where each event must be found.

An event is always in exactly one of `events`, `failed_events` and `waiting_events`. Which one may be open while a replay is owed.
"""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bad_rows import schema_violation
from evolving_families import Data, Sent, publish, uri_of

from backbone.bus.protocol import Stream

Tables = frozenset[str]
EVENTS, FAILED, WAITING = frozenset({"events"}), frozenset({"failed_events"}), frozenset({"waiting_events"})
LAST_VERSION = 7


class EvolvingStream:
    def __init__(self, schemas: Path, chance: random.Random) -> None:
        self._schemas = schemas
        self._chance = chance
        self._published: dict[str, int] = {}
        self._late: dict[str, list[str]] = {}
        """Family → ids of those that wait for its next version."""
        self._unfit: dict[str, list[str]] = {}
        self._again: list[bytes] = []
        self.sent: dict[str, Sent] = {}
        self.places: dict[str, Tables] = {}
        self.violations: set[str] = set()
        self.evolve()

    def evolve(self) -> None:
        """A family gets its next version, for which events may be waiting; a new family appears when all are full-grown."""
        growing = [family for family, version in self._published.items() if version < LAST_VERSION]
        if len(growing) < 2:
            growing.append(f"family{len(self._published)}")
        family = self._chance.choice(growing)
        version = self._published.get(family, -1) + 1
        publish(self._schemas, family, version)
        self._published[family] = version
        self._place(self._late.pop(family, []), EVENTS)

    def come(self) -> None:
        """The schemas that events wait for."""
        for family in list(self._late):
            self._published[family] += 1
            publish(self._schemas, family, self._published[family])
            self._place(self._late.pop(family), EVENTS)

    def mend(self) -> None:
        """The schemas that were none; the events that failed for them are owed a replay."""
        for family in list(self._unfit):
            publish(self._schemas, family, 0)
            self._place(self._unfit.pop(family), EVENTS | FAILED)

    def replayed(self) -> None:
        """Everything that can pass has been replayed, enriched and loaded."""
        self._place([event_id for event_id, tables in self.places.items() if tables == EVENTS | FAILED], EVENTS)

    def plain(self, number: int) -> Iterator[tuple[Stream, bytes]]:
        """Of versions that are there; some were sent before."""
        for _ in range(number):
            sent = self._new(EVENTS, *(self._some() for _ in range(self._chance.randint(0, 2))))
            yield "enriched", self._kept(sent.line())
        if self._again and self._chance.random() < 0.5:
            yield "enriched", self._chance.choice(self._again)

    def late(self, number: int) -> Iterator[tuple[Stream, bytes]]:
        """Their schema is the next one of a family. One never comes at all."""
        growing = [family for family, version in self._published.items() if version < LAST_VERSION]
        for _ in range(number if growing else 0):
            family = self._chance.choice(growing)
            sent = self._new(WAITING, self._some(), (family, self._published[family] + 1))
            self._late.setdefault(family, []).append(sent.id)
            yield "enriched", sent.line()
        yield "enriched", self._new(WAITING, self._some(), ("never0", 0)).line()

    def unfit(self, number: int) -> Iterator[tuple[Stream, bytes]]:
        """Their schema is no JSON, and so they fail."""
        family = f"unfit{len(self.sent)}"
        publish(self._schemas, family, 0, "{")
        self._unfit[family] = []
        for _ in range(number):
            sent = self._new(FAILED, self._some(), (family, 0))
            self._unfit[family].append(sent.id)
            yield "enriched", sent.line()

    def refused(self, number: int) -> Iterator[tuple[Stream, bytes]]:
        """The enricher refused them, as it tells twice. Half of them pass when they are replayed."""
        for at in range(number):
            sent = self._new(EVENTS | FAILED if at % 2 else FAILED, self._some())
            self.violations.add(sent.id)
            schema = uri_of("later0", 0) if at % 2 else "iglu:com.other/kept/jsonschema/1-0-0"
            yield "failed", sent.line()
            yield "bad", schema_violation(schema, {"e": "pv", "eid": sent.id}, event_id=sent.id)

    def waiting(self) -> set[str]:
        return {event_id for event_id, tables in self.places.items() if tables == WAITING}

    def _some(self) -> tuple[str, int]:
        """A family and a version that is there, most often the newest."""
        family, newest = self._chance.choice(list(self._published.items()))
        return family, newest if self._chance.random() < 0.5 else self._chance.randint(0, newest)

    def _new(self, tables: Tables, *versions: Any) -> Sent:
        number = len(self.sent) + 1
        event = Data(*self._some(), number) if number % 3 == 0 else None
        made = Sent(number, tuple(Data(*version, number) for version in versions), event)
        self.sent[made.id] = made
        self.places[made.id] = tables
        return made

    def _kept(self, line: bytes) -> bytes:
        if self._chance.random() < 0.02:
            self._again.append(line)
        return line

    def _place(self, ids: list[str], tables: Tables) -> None:
        self.places.update(dict.fromkeys(ids, tables))
