"""A marked event, followed from the collector to its row.

Where it is seen on the bus the time of that is known; else what the services noted in the row tells: when the collector took
it, when the enricher had it, when the loader stored it.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from backbone.bus.protocol import Bus, Stream, Subscription
from backbone.errors import SnowmeltError
from snowmelt.delivery import Connection, Tally
from snowmelt.doctor_check import Check, fine, unknown, wrong
from snowmelt.generator import Batch

ABOUT = "Event"
APP_ID = "snowmelt-doctor"
"""Of every event it sends, so that analysts can leave them out: `where app_id is distinct from 'snowmelt-doctor'`."""
_WATCHED: tuple[Stream, ...] = ("raw", "enriched", "failed", "bad")
_SKEW = 1.0
_FIRST_LOOK, _LONGEST_LOOK = 0.2, 3.0


class Landed(NamedTuple):
    """A row. Times in seconds since 1970 by the clocks of the services, None where the row has none; `why` it failed."""

    collected: float | None
    enriched: float | None
    loaded: float | None
    why: str | None = None


Find = Callable[[str], Landed | None]
"""Event id → its row in `events` or `failed_events`. Raises SnowmeltError."""


@dataclass
class Sighting:
    """Looks at the bus from a thread of its own; `seen`: stream → when (monotonic)."""

    mark: bytes
    seen: dict[Stream, float] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self, bus: Bus) -> None:
        """Before the event is sent. Raises SnowmeltError."""
        start = {log: extent.last for log, extent in bus.extents().items()}
        subscription = bus.subscribe(None, _WATCHED, start)
        self._thread = threading.Thread(target=self._look, args=(subscription,), name="sighting", daemon=True)
        self._thread.start()

    def _look(self, subscription: Subscription) -> None:
        with suppress(SnowmeltError):
            while not self._ended.is_set():
                for record in subscription.pull(1_000, 10_000_000, 0.1):
                    if self.mark in record.data:
                        self.seen.setdefault(record.stream, time.monotonic())
        subscription.close()

    def end(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(10)


class Journey:
    """One event. `stages` holds seconds since it was sent, by stage, once `checks` is through."""

    def __init__(self, url: str, find: Find, watched: Bus | None) -> None:
        """`watched`: a bus on which the event is to be seen, too."""
        self.event_id = str(uuid.uuid4())
        self.stages: dict[str, float] = {}
        self._url = url
        self._find = find
        self._bus = watched
        self._sighting = Sighting(self.event_id.encode())

    def checks(self, patience: float) -> Iterator[Check]:
        """`patience`: seconds to wait for the row."""
        watching = self._watch()
        if watching is not None:
            yield watching
        try:
            yield from self._follow(patience)
        finally:
            self._sighting.end()

    def _watch(self) -> Check | None:
        if self._bus is None:
            return None
        try:
            self._sighting.begin(self._bus)
        except SnowmeltError as problem:
            self._bus = None
            said = " ".join(str(problem).split())
            return unknown(ABOUT, "seen on the bus", said, "roles/pubsub.editor for whoever runs doctor, or no --watch")
        return None

    def _follow(self, patience: float) -> Iterator[Check]:
        began, sent = time.monotonic(), time.time()
        accepted = self._send()
        yield accepted
        if accepted.outcome != "fine":
            return
        self.stages["accepted"], answered = time.monotonic() - began, time.time()
        row, problem = self._await(began + patience)
        visible = time.monotonic() - began
        self._note_sightings(began)
        if row is None:
            yield from self._lost(patience, problem)
            return
        self._note_times(row, sent)
        yield from self._passed()
        if row.why is not None:
            remedy = "see remedy in its row of failed_events; such an event must not fail"
            yield wrong(ABOUT, "row of events", f"it failed: {row.why}"[:300], remedy)
            return
        self.stages["visible"] = visible
        yield fine(ABOUT, "row visible", _seconds(visible))
        yield from _clocks(row, sent, answered)

    def _send(self) -> Check:
        tally = Tally()
        connection = Connection(self._url, tally, patience=5)
        event = {"e": "pv", "p": "srv", "tv": APP_ID, "aid": APP_ID, "eid": self.event_id, "url": f"https://{APP_ID}.invalid/"}
        began = time.monotonic()
        connection.deliver(Batch("POST", APP_ID, "192.0.2.1", [event]), _NEVER)
        connection.close()
        if tally.accepted:
            return fine(ABOUT, "accepted by the collector", _seconds(time.monotonic() - began))
        said = "refused" if tally.refused else "no 200 within 5 seconds"
        return wrong(ABOUT, "accepted by the collector", said, f"is {self._url} the collector? Its log says more")

    def _await(self, deadline: float) -> tuple[Landed | None, str]:
        """The row, or why it could not be looked for at last."""
        pause, problem = _FIRST_LOOK, ""
        while True:
            try:
                row = self._find(self.event_id)
                problem = ""
            except SnowmeltError as error:
                row, problem = None, " ".join(str(error).split())
            if row is not None or time.monotonic() >= deadline:
                return row, problem
            time.sleep(max(0.0, min(pause, deadline - time.monotonic())))
            pause = min(pause * 1.5, _LONGEST_LOOK)

    def _note_sightings(self, began: float) -> None:
        for stream, when in self._sighting.seen.items():
            self.stages[f"on {stream}"] = when - began

    def _note_times(self, row: Landed, sent: float) -> None:
        """By clocks of other machines: good to the tenth of a second at best."""
        for stage, at in (("enriched", row.enriched), ("loaded", row.loaded)):
            if at is not None:
                self.stages[stage] = max(0.0, at - sent)

    def _passed(self) -> Iterator[Check]:
        for stage, seconds in self.stages.items():
            if stage != "accepted":
                yield fine(ABOUT, stage if stage.startswith("on ") else f"{stage}, by its own clock", _seconds(seconds))

    def _lost(self, patience: float, problem: str) -> Iterator[Check]:
        yield from self._passed()
        if problem:
            yield wrong(ABOUT, "row visible", f"the warehouse cannot be asked: {problem}"[:300], "see the checks above")
            return
        yield wrong(ABOUT, "row visible", f"not within {patience:.0f} s", self._suspect())

    def _suspect(self) -> str:
        seen = self._sighting.seen
        if "enriched" in seen or "failed" in seen or "bad" in seen:
            return "the enricher has done its part: does the loader run? Its log says why it waits"
        if "raw" in seen:
            return "the collector has done its part: does the enricher run? Its log says why it waits"
        return "do enricher and loader run? Their logs say why they wait; --watch tells which of them has it"


_NEVER = threading.Event()


def _clocks(row: Landed, sent: float, answered: float) -> Iterator[Check]:
    """The collector took the event between the two; the others later, one after the other."""
    if row.collected is not None:
        skew = max(sent - row.collected, row.collected - answered, 0.0)
        yield _agrees("clock of the collector", skew, "this machine's")
    for name, earlier, later in (("enricher", row.collected, row.enriched), ("loader", row.enriched, row.loaded)):
        if earlier is not None and later is not None:
            yield _agrees(f"clock of the {name}", max(earlier - later, 0.0), "that of the service before it")


def _agrees(what: str, skew: float, other: str) -> Check:
    if skew <= _SKEW:
        return fine(ABOUT, what)
    return wrong(ABOUT, what, f"is {skew:.1f} s off {other}", "let clocks be set by NTP: times of events come from them")


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f} s" if seconds < 1 else f"{seconds:.1f} s"
