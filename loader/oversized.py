"""An event whose row is larger than the warehouse takes any: a failed event of which only the beginning is kept."""

from backbone import badrow
from backbone.badrow import Processor
from loader import failed_events
from loader.enriched import EnrichedEvent
from loader.warehouses.protocol import WAITING_COLUMNS, Row, TooLarge

_KEPT = 10
"""The tenth part of what the warehouse takes."""


def of_event(maker: Processor, reason: TooLarge, event: EnrichedEvent, now: str) -> Row:
    """The failed event. `now`: as `Batch.load_tstamp`."""
    expectation = f"Row of an event exceeds the maximum size of {reason.limit} bytes that the warehouse takes"
    moment = now.replace(" ", "T") + "Z"
    kept = event.line[: reason.limit // _KEPT]
    bad = badrow.size_violation(maker, moment, reason.limit, reason.actual, expectation, kept)
    row = failed_events.from_bad(bad)
    row |= {name: event.row[name] for name in WAITING_COLUMNS if name in event.row}
    row["failure_key"] = failed_events.failure_key(event)
    return row
