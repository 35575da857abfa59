"""What nobody expected: an exception while one record became a row. It makes that record a failed event and harms no other.

The reason is the exception's type; its text may quote the data.
"""

import logging
from typing import Any

from backbone import jsontext
from backbone.badrow import Processor
from backbone.bus.protocol import Record
from loader import badrows, failed_events
from loader.enriched import EnrichedEvent
from loader.warehouses.protocol import Row

log = logging.getLogger("snowmelt.loader")

_KEPT_CHARACTERS = 10_000
"""Of a record that the warehouse refuses in every form."""


def named(problem: Exception) -> str:
    """What may be said of it."""
    return type(problem).__name__


def of_event(maker: Processor, reason: str, event: EnrichedEvent, now: str) -> Row:
    """The failed event."""
    _tell(reason)
    try:
        return failed_events.from_loader(badrows.runtime_error(maker, reason, event), event.line, event, now)
    except Exception:
        return _of_line(maker, reason, event.line, now)


def of_record(maker: Processor, reason: str, record: Record, now: str) -> list[Row]:
    """One row, or none for a message that tells of a replay: what it says is that some failure may go."""
    _tell(reason)
    if record.stream == "replayed":
        return []
    line = record.data.decode("utf-8", "replace")
    if record.stream == "enriched":
        return [_of_line(maker, reason, line, now)]
    return [_of_failure(maker, reason, line)]


def shortened(maker: Processor, line: str, now: str) -> Row:
    """A row that any warehouse takes: plain letters, and not too many of them."""
    text = line[:_KEPT_CHARACTERS].encode("ascii", "backslashreplace").decode("ascii")
    bad = badrows.unread_error(maker, "refused", "".join(c if c.isprintable() else " " for c in text))
    row = failed_events.from_bad(jsontext.dumps(bad).encode())
    row["failed_tstamp"] = now
    return row


def _tell(reason: str) -> None:
    log.warning("a record cannot be loaded and becomes a failed event: %s", reason)


def _of_line(maker: Processor, reason: str, line: str, now: str) -> Row:
    return failed_events.from_loader(badrows.unread_error(maker, reason, line), line, None, now)


def _of_failure(maker: Processor, reason: str, text: str) -> Row:
    """What failed before, and whose row cannot be made: only the text of it."""
    bad: dict[str, Any] = badrows.unread_error(maker, reason, text)
    return failed_events.from_bad(jsontext.dumps(bad, exact=False).encode("utf-8", "replace"))
