"""Rows that were streamed lately cannot be changed: for half an hour as a rule, for an hour and a half at most.

So a change is tried on rows of any age first, then on older ones only.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from loader.warehouses.bigquery_access import TooFresh

_AGES = (timedelta(), timedelta(minutes=31), timedelta(minutes=91))
"""Older rows can be changed: perhaps; as a rule; always."""
_AHEAD = timedelta(days=1)
"""Of this clock, are the times of rows at most."""


def oldest_first(change: Callable[[int], None]) -> timedelta | None:
    """Calls `change` with a moment (microseconds since 1970), rows before which are to be changed, until it is not too late.

    The age from which on rows could be changed; None: not even the oldest could.
    """
    now = datetime.now(UTC)
    for age in _AGES:
        try:
            change(micros(now - age if age else now + _AHEAD))
        except TooFresh:
            continue
        return age
    return None


def changeable(newest: int, age: timedelta | None) -> datetime:
    """From when on rows can be changed of which the newest is of that moment; `age`: as `oldest_first` answered."""
    return datetime.fromtimestamp(newest / 1_000_000, UTC) + (age if age is not None else 2 * _AGES[-1])


def changeable_before() -> int:
    """Rows before that moment can be changed in any case."""
    return micros(datetime.now(UTC) - _AGES[-1])


def micros(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000
