"""A batch under construction: what was made of its records so far, and what becomes of those that cannot be rows."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from backbone.badrow import Processor
from backbone.bus.protocol import Record
from loader import badrows, failed_events, oversized
from loader.enriched import EnrichedEvent, Unreadable, parse
from loader.waiting import Parking, waiting_for_column
from loader.warehouses.protocol import Batch, Row, TooLarge


class Built(NamedTuple):
    """A batch, and the lines its rows were made of (same order)."""

    batch: Batch
    lines: list[str]
    blamed: set[str]
    """Schemas that events failed for."""
    maker: Processor
    parking: Parking

    def fail(self, event: EnrichedEvent, bad: dict[str, Any]) -> None:
        self.batch.failed.append(failed_events.from_loader(bad, event.line, event, self.batch.load_tstamp))

    def unreadable(self, line: str, found: Unreadable) -> None:
        bad = badrows.parsing_error(self.maker, line, found)
        self.batch.failed.append(failed_events.from_loader(bad, line, None, self.batch.load_tstamp))

    def refuse(self, rows: Sequence[tuple[int, str]]) -> None:
        """Moves rows the warehouse refuses to the failed ones."""
        reasons = dict(rows)
        for at, reason in rows:
            event = parse(self.lines[at].encode("utf-8", "replace"))
            assert isinstance(event, EnrichedEvent)
            if isinstance(reason, TooLarge):
                self.batch.failed.append(oversized.of_event(self.maker, reason, event, self.batch.load_tstamp))
            else:
                self.fail(event, badrows.runtime_error(self.maker, reason, event))
        self.batch.rows[:] = [row for at, row in enumerate(self.batch.rows) if at not in reasons]
        self.lines[:] = [line for at, line in enumerate(self.lines) if at not in reasons]

    def defer(self, rows: Sequence[int]) -> None:
        """Moves rows that the warehouse cannot write yet to the events that wait. Raises NoRoom."""
        if not self.batch.taken:  # those that have been waiting may go on
            self.parking.make_room(sum(len(self.lines[at].encode("utf-8", "replace")) for at in rows))
        for at in rows:
            event = parse(self.lines[at].encode("utf-8", "replace"))
            assert isinstance(event, EnrichedEvent)
            self.batch.waiting.append(waiting_for_column(event, self.batch.load_tstamp))
        late = set(rows)
        self.batch.rows[:] = [row for at, row in enumerate(self.batch.rows) if at not in late]
        self.lines[:] = [line for at, line in enumerate(self.lines) if at not in late]


def failed_row(record: Record, previous: Record | None) -> Row:
    if record.stream == "failed":
        row = failed_events.from_failed(record.data)
        return failed_events.from_bad(record.data) if row is None else row
    row = failed_events.from_bad(record.data)
    if row.get("kind") == "size_violation" and "event_id" not in row and previous is not None and previous.stream == "failed":
        _take_identity(row, record, previous)
    return row


def _take_identity(row: Row, record: Record, previous: Record) -> None:
    """A bad row that was cut for its size, before the id even: on the log it follows the `failed` line of its event."""
    if previous.log == record.log and previous.offset + 1 == record.offset:
        half = failed_events.from_failed(previous.data)
        if half is not None:
            row.update({name: value for name, value in half.items() if name not in row or name == "failure_key"})
