"""What is stored together: records of the bus, or events that waited. A lot the warehouse refuses is stored in halves.

The records of the first half come before those of the second, so that the position after a half is that of its last record:
killed in between, the loader goes on there.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from backbone.bus.protocol import Record
from loader.batch import Batches
from loader.built import Built
from loader.waiting import Due
from loader.warehouses.protocol import Waiting


class Lot(Protocol):
    def build(self) -> Built:
        """As it is to be stored."""

    def consumed(self) -> dict[str, int]:
        """Where reading goes on once it is stored."""

    def read(self) -> Mapping[tuple[str, str], int]:
        """How many records of the bus it is made of, by log and stream."""

    def halves(self) -> "list[Lot]":
        """None for a single record."""

    def convicted(self, reason: str) -> Built:
        """The single record as a failed event."""

    def shortened(self) -> Built:
        """The single record as a failed event of which little is kept: the warehouse refuses it otherwise."""


@dataclass(frozen=True, slots=True)
class Records:
    """`previous`: the record before the first one, if it is known."""

    batches: Batches
    records: Sequence[Record]
    previous: Record | None = None

    def build(self) -> Built:
        return self.batches.build(self.records, self.previous)

    def consumed(self) -> dict[str, int]:
        return {record.log: record.offset for record in self.records}

    def read(self) -> Mapping[tuple[str, str], int]:
        return Counter((record.log, record.stream) for record in self.records)

    def halves(self) -> list[Lot]:
        if len(self.records) < 2:
            return []
        middle = len(self.records) // 2
        before, after = self.records[:middle], self.records[middle:]
        return [Records(self.batches, before, self.previous), Records(self.batches, after, before[-1])]

    def convicted(self, reason: str) -> Built:
        return self.batches.convicted(self.records[0], reason)

    def shortened(self) -> Built:
        return self.batches.shortened(self.records[0])

    def after(self, positions: dict[str, int]) -> "Records":
        """Without what is stored already."""
        rest = [record for record in self.records if record.offset > positions.get(record.log, 0)]
        at = len(self.records) - len(rest)
        return Records(self.batches, rest, self.records[at - 1] if at else self.previous)


@dataclass(slots=True)
class Returning:
    """Events that waited. `stuck`: some of them have to wait on for the same schema."""

    batches: Batches
    waiting: Sequence[Waiting]
    due: Due
    stuck: bool = field(default=False)

    def build(self) -> Built:
        built = self.batches.rebuild(self.waiting, self.due.expired)
        self.stuck = any(waiting.schema == self.due.schema for waiting in built.batch.waiting)
        return built

    def consumed(self) -> dict[str, int]:
        return {}

    def read(self) -> Mapping[tuple[str, str], int]:
        return {}

    def halves(self) -> list[Lot]:
        if len(self.waiting) < 2:
            return []
        middle = len(self.waiting) // 2
        return [Returning(self.batches, part, self.due) for part in (self.waiting[:middle], self.waiting[middle:])]

    def convicted(self, reason: str) -> Built:
        return self._taken(self.batches.convicted(self._record(), reason))

    def shortened(self) -> Built:
        return self._taken(self.batches.shortened(self._record()))

    def _record(self) -> Record:
        return Record("", 0, "enriched", self.waiting[0].line.encode("utf-8", "replace"))

    def _taken(self, built: Built) -> Built:
        built.batch.taken.extend(waiting.number for waiting in self.waiting if waiting.number is not None)
        return built
