"""Events whose schema is missing wait for it in the warehouse, and load by themselves once it is there.

While a batch is made, `Parking` decides which of its events wait. Between batches `Watch` looks whether schemas have turned up,
and says which waiting events are to be tried again: those, and those that have waited long enough.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from backbone.column_names import Kind
from backbone.errors import TransientError
from backbone.iglu.resolver import Schema
from backbone.selfdescribing import SchemaKey, parse_key
from loader.enriched import EnrichedEvent
from loader.failed_events import failure_key
from loader.histories import Unresolved, why_missing
from loader.lookups import Lookups
from loader.rows import Ways
from loader.warehouses.protocol import WAITING_COLUMNS, Batch, Waited, Waiting

LOOK_SECONDS = 1.0
"""How often schemas that are waited for are looked up, at most. Registries behind HTTP are asked in growing pauses …"""
_LONGEST_PAUSE = 10.0
"""… of so many seconds at most."""
_MOST_LOOKS = 500
"""Schemas looked up at once; of more, each in turn."""
PORTION_EVENTS, PORTION_BYTES = 5_000, 16_000_000
"""Most events tried again at once: new ones have to wait for no more than that."""
MOMENT = "%Y-%m-%d %H:%M:%S.%f"
"""Of times as they are written in a batch, but for the last three digits."""


def missing(event: EnrichedEvent, ways: Ways, failures: int) -> Unresolved | None:
    """The first schema the event should wait for; None when it has other faults too, that no waiting would mend."""
    keys: list[tuple[Kind, SchemaKey]] = [("entity", entity.key) for entity in event.entities]
    if event.event is not None:
        keys.append(("event", event.event.key))
    unknown = [way for key in keys if isinstance(way := ways[key], Unresolved) and way.why]
    return unknown[0] if unknown and len(unknown) == failures else None


class NoRoom(TransientError):
    """No more events may wait."""


class Parking:
    """For one batch. `room`: bytes that may still be added to what waits."""

    def __init__(self, now: str, room: int) -> None:
        self._now = now
        self._room = room
        self._came: dict[int, Waiting] = {}

    def came(self, event: EnrichedEvent, waiting: Waiting) -> None:
        """The event has been waiting already; it may go on, room or not."""
        self._came[id(event)] = waiting

    def make_room(self, size: int) -> None:
        """Raises NoRoom."""
        if size > self._room:
            raise NoRoom(
                "events whose columns cannot be written yet have no room to wait (loader.waiting_bytes); their batch does"
            )
        self._room -= size

    def park(self, event: EnrichedEvent, unresolved: Unresolved | None, batch: Batch) -> bool:
        """Whether the event waits now. If not, it is to fail."""
        if unresolved is None or (why := unresolved.why) is None:
            return False
        before = self._came.get(id(event))
        if before is None:
            size = len(event.line.encode())
            if size > self._room:
                return False
            self._room -= size
            before = Waiting("", "", self._now, event.line, {}, failure_key(event))
        batch.waiting.append(before._replace(schema=unresolved.key.uri, why=why, columns=_columns(event)))
        return True


def waiting_for_column(event: EnrichedEvent, now: str) -> Waiting:
    """An event whose column is so new that the warehouse cannot write it yet: waits under the name of one of its schemas."""
    described = [*event.entities, *([] if event.event is None else [event.event])]
    return Waiting(described[0].key.uri, "column not writable yet", now, event.line, _columns(event), failure_key(event))


def _columns(event: EnrichedEvent) -> dict[str, str]:
    return {name: event.row[name] for name in WAITING_COLUMNS if name in event.row}


class Due(NamedTuple):
    """Waiting events to try again. `expired`: they have waited long enough. `before`: only those since before then."""

    schema: str
    expired: bool
    before: str | None


@dataclass(slots=True)
class _Look:
    """Of one schema: when it was looked for last, and when a registry behind HTTP is asked again (`time.monotonic` seconds)."""

    last: float = 0.0
    thorough: float = 0.0
    pause: float = LOOK_SECONDS


class Watch:
    """Looks for schemas that are waited for, at most once a second."""

    def __init__(self, lookups: Lookups, waiting_days: float) -> None:
        self._lookups = lookups
        self._waiting_days = waiting_days
        self._next = 0.0
        self._looks: dict[str, _Look] = {}
        self._due: dict[str, Due] = {}

    @property
    def busy(self) -> bool:
        """Whether there are events to try again right now."""
        return bool(self._due)

    def due(self, waited: Mapping[str, Waited]) -> Due | None:
        """What to try next, if anything; told again until `done`."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LOOK_SECONDS
            self._look(waited, now)
        return next(iter(self._due.values()), None)

    def done(self, due: Due) -> None:
        """None of these events is left, or they cannot be stored at the moment: if need be, the next look tells of them again."""
        self._due.pop(due.schema, None)
        self._looks.pop(due.schema, None)

    def _look(self, waited: Mapping[str, Waited], now: float) -> None:
        self._looks = {schema: self._looks.get(schema) or _Look() for schema in waited}
        expiry = (datetime.now(UTC) - timedelta(days=self._waiting_days)).strftime(MOMENT)[:-3]
        self._due = {schema: Due(schema, True, expiry) for schema, about in waited.items() if about.since < expiry}
        for schema in sorted(waited, key=lambda known: self._looks[known].last)[:_MOST_LOOKS]:
            if self._there(schema, self._looks[schema], now):
                self._due[schema] = Due(schema, False, None)

    def _there(self, schema: str, look: _Look, now: float) -> bool:
        """Whether the schema is no longer missing, be it fit for use or not."""
        thoroughly = now >= look.thorough
        if thoroughly:
            look.thorough = now + look.pause
            look.pause = min(_LONGEST_PAUSE, 2 * look.pause)
        look.last = now
        answer = self._lookups.news(parse_key(schema), thoroughly)
        return answer is not None and (isinstance(answer, Schema) or why_missing(answer) is None)
