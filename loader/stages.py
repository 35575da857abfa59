"""From stage to stage over the bus: what the records say that were sent, against what was counted where they were received.

Every stage counts in the transaction that stores what it made, and stores with it how far it has read. Records up to there never
change, so the numbers agree at every moment, whatever is still on its way; only a file of the log that is deleted while this
looks can make a look fail, which is then worth another one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from backbone.bus.balance import EVENTS, PAYLOADS
from backbone.bus.protocol import Bus, Extent, Progress, Stream
from loader.account import Reading
from loader.differences import Difference

_LOADED: tuple[Stream, ...] = ("enriched", "bad", "failed")
_TOLD: tuple[Stream, ...] = ("replayed",)


class Stage(NamedTuple):
    """`sent` records up to where the receiver has read, of which it counted `received`; `on_the_way` are behind that."""

    name: str
    sent: int
    received: int
    on_the_way: int


@dataclass(slots=True)
class Chain:
    stages: list[Stage] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unsettled: bool = False
    """Something could not be read just now."""


def chain(bus: Bus, reading: Reading) -> Chain:
    """Collector → enricher → loader. `reading`: where the loader stands, of one moment."""
    found = Chain()
    extents = bus.extents()
    if not extents:
        found.notes.append(
            "The bus keeps no numbers to compare with, or is empty: what was loaded is compared with the loader's count only."
        )
    for log in sorted(extents):
        progress = bus.progress(log)
        if progress is not None and EVENTS in progress.counters:
            _into_enricher(bus, log, progress, extents, found)
            _through_enricher(log, progress, found)
    _into_loader(bus, reading, extents, found)
    return found


def _into_enricher(bus: Bus, producer: str, progress: Progress, extents: dict[str, Extent], found: Chain) -> None:
    for log, extent in sorted(extents.items()):
        counted = progress.counters.get(PAYLOADS + log)
        held = _held(bus, log, extent, progress.consumed.get(log, 0), ("raw",), bool(counted), found)
        if held is None or not (any(held) or counted):
            continue
        sent, on_the_way = held
        name = f"{log} → {producer}: payloads"
        found.stages.append(Stage(name, sent, counted or 0, on_the_way))
        if sent != (counted or 0):
            found.differences.append(_difference(name, sent, counted or 0, extent, progress.consumed.get(log, 0)))


def _through_enricher(producer: str, progress: Progress, found: Chain) -> None:
    written, events = progress.written["enriched"] + progress.written["bad"], progress.counters[EVENTS]
    name = f"{producer}: events found → enriched and bad"
    found.stages.append(Stage(name, events, written, 0))
    if events != written:
        meaning = (
            "Each event found in a payload is one record of `enriched` or of `bad`. Records were changed or removed in the "
            "files of the bus, or the program that wrote them is at fault."
        )
        remedy = "Find out who touched the bus; if nobody did, report it with the enricher's log."
        found.differences.append(Difference(name, "records", events, written, meaning, remedy))


def _into_loader(bus: Bus, reading: Reading, extents: dict[str, Extent], found: Chain) -> None:
    for log in sorted({log for log, _ in reading.read} - extents.keys()):
        if any(number for (name, _), (_, number) in reading.read.items() if name == log):
            found.notes.append(f"Log {log} is not on the bus any more: what was read from it cannot be compared.")
    for log, extent in sorted(extents.items()):
        for streams, what in ((_LOADED, "events and failures"), (_TOLD, "replay messages")):
            _read_by_loader(bus, reading, log, extent, streams, what, found)


def _read_by_loader(
    bus: Bus, reading: Reading, log: str, extent: Extent, streams: Sequence[Stream], what: str, found: Chain
) -> None:
    at = reading.positions.get(log, 0)
    numbers = [reading.read.get((log, stream), (0, 0)) for stream in streams]
    earlier, records = (sum(column) for column in zip(*numbers, strict=True))
    held = _held(bus, log, extent, at, streams, bool(records), found)
    if held is None or not (held[0] - earlier or held[1] or records):
        return
    name = f"{log} → loader: {what}"
    found.stages.append(Stage(name, held[0] - earlier, records, held[1]))
    for stream, (before, number) in zip(streams, numbers, strict=True):
        one = bus.counted(log, max(at, extent.kept - 1))
        if one is None:
            found.unsettled = True
        elif one[stream] - before != number:
            name = f"{log} → loader: stream {stream}"
            found.differences.append(_difference(name, one[stream] - before, number, extent, at))


def _held(
    bus: Bus, log: str, extent: Extent, at: int, streams: Sequence[Stream], counted: bool, found: Chain
) -> tuple[int, int] | None:
    """Records of these streams up to where their reader stands, and behind it; None where that cannot be told.

    Files may be deleted beyond what a reader took last: then they hold nothing for it.
    """
    if counted and at < extent.begun - 1:
        found.notes.append(f"Log {log} was made anew: what was read before cannot be compared; counting goes on after a restart.")
        return None
    before, all_of_it = bus.counted(log, max(at, extent.kept - 1)), bus.counted(log, extent.last)
    if before is None or all_of_it is None:
        found.unsettled = True
        return None
    sent = sum(before[stream] for stream in streams)
    return sent, max(0, sum(all_of_it[stream] for stream in streams) - sent)


def _difference(name: str, sent: int, received: int, extent: Extent, at: int) -> Difference:
    if received > sent:
        meaning = "More was read than the bus ever held: its files were put back to an older state, or records were removed."
        remedy = "Find out who touched the bus. What was read is not lost."
    elif extent.kept - 1 > at:
        meaning = (
            "The bus deleted these records after they had been read, yet this reader does not have them: it was put back "
            "to a state older than the bus, from a back-up for example."
        )
        remedy = "They are gone from here: take them from a newer copy of the warehouse."
    else:
        meaning = "These records were on the bus and are counted nowhere: they were removed from its files before they were read."
        remedy = "Find out who touched the bus; if nobody did, report it with the logs of that time."
    return Difference(name, "records", sent, received, meaning, remedy)
