"""A failure that arrives, and what the table `failed_events` knows already: one row a failure, whatever told of it first."""

from collections.abc import Sequence
from typing import NamedTuple

from loader.failed_events import is_cut, is_typed
from loader.ledger import Cell
from loader.warehouses.protocol import Row


class Known(NamedTuple):
    key: str
    event_id: str | None
    fingerprint: str | None
    typed: bool
    """Known from its `failed` line alone."""
    stage: str
    attempts: int
    cell: Cell


def of_one_event(row: Row, other: Known) -> bool:
    """Same id and fingerprint. Of a bad row that was cut for its size the id alone tells to which line on `failed` it belongs."""
    if other.event_id is None or other.event_id != row.get("event_id"):
        return False
    if other.fingerprint == row.get("event_fingerprint"):
        return True
    if is_cut(row):
        return other.typed
    return is_typed(row) and not other.typed and other.fingerprint is None and other.key == f"{other.event_id}:"


def one_event(failed: str | None, landed: str | None) -> bool:
    """Whether fingerprints of events with one id allow them to be the same event."""
    return failed is None or landed is None or failed == landed


def reconcile(row: Row, known: Sequence[Known], replaced: set[str]) -> Row | None:
    """The row as it is to be stored, if at all; notes which stored ones it replaces.

    The other half of a failure, stored earlier, is named as `partner`: the two become one row, in which the bad row's values
    count first (`yields`: it is the stored one).
    """
    twins = [other for other in known if of_one_event(row, other)]
    if is_typed(row):
        return _second_half(row, twins, replaced)
    attempts = row["attempts"]
    for other in known:
        moved_on = other in twins and row.get("event_fingerprint") is None and other.stage != row["stage"]
        if not other.typed and (other.key == row["failure_key"] or moved_on):
            attempts += other.attempts
            replaced.add(other.key)
    halves = [other.key for other in twins if other.typed and other.key not in replaced]
    replaced.update(halves)
    if is_cut(row) and not halves:
        # What it was completed with before stays.
        halves = [other.key for other in known if not other.typed and other.key == row["failure_key"]]
    partner = {"partner": halves[0], "yields": False} if halves else {}
    return {**row, "attempts": attempts, **partner}


def _second_half(row: Row, twins: Sequence[Known], replaced: set[str]) -> Row | None:
    first = next((other for other in twins if not other.typed and other.stage == row["stage"]), None)
    if first is None or any(other.typed for other in twins) or first.key in replaced:
        return None if twins else row
    replaced.add(first.key)
    return {**row, "partner": first.key, "yields": True}
