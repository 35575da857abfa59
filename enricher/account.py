"""What the enricher has read and found, counted on the bus in the commits that store what came of it.

`snowmelt audit` holds these numbers against the records themselves: payloads against the raw streams that were read, events
against what was written to `enriched` and `bad`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from backbone.bus.balance import EVENTS, PAYLOADS, openings
from backbone.bus.protocol import Bus, Publisher, Record


def open_account(bus: Bus, publisher: Publisher, producer: str) -> None:
    """What was read and written before this program counted, or from a log that was made anew, is the balance to begin with."""
    progress = bus.progress(producer)
    if progress is None:
        return
    counting = {name.removeprefix(PAYLOADS) for name in progress.counters if name.startswith(PAYLOADS)}
    balance = {
        PAYLOADS + log: records["raw"] - progress.counters.get(PAYLOADS + log, 0)
        for log, records in openings(bus, progress.consumed, counting).items()
        if log != producer
    }
    if EVENTS not in progress.counters:
        balance[EVENTS] = progress.written["enriched"] + progress.written["bad"]
    changes = {name: number for name, number in balance.items() if number or name not in progress.counters}
    if changes:
        publisher.commit([], counted=changes)


def counted(batch: Sequence[Record], events: int) -> Mapping[str, int]:
    """What a batch adds."""
    payloads = Counter(record.log for record in batch)
    return {EVENTS: events, **{PAYLOADS + log: number for log, number in payloads.items()}}
