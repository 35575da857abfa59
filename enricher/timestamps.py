"""Epoch milliseconds as text, and the derived time of an event."""

from functools import lru_cache

EARLIEST, LATEST = -62_167_219_200_000, 253_402_300_799_999
"""Years 0000 to 9999: what four digits can hold."""

_MILLIS = tuple(f".{millis:03d}" for millis in range(1000))


def column(millis: int) -> str:
    """`yyyy-MM-dd HH:mm:ss.SSS`, UTC; years beyond four digits are written out."""
    return _second(millis // 1000) + _MILLIS[millis % 1000]


def iso(millis: int) -> str:
    """`yyyy-MM-ddTHH:mm:ss.SSSZ`, as bad rows carry it; a year beyond four digits has a sign."""
    text = column(millis).replace(" ", "T") + "Z"
    return text if EARLIEST <= millis <= LATEST else text if text.startswith("-") else f"+{text}"


@lru_cache(maxsize=8192)
def _second(second: int) -> str:
    day, of_day = divmod(second, 86_400)
    year, month, date = _civil(day)
    minute, of_minute = divmod(of_day, 60)
    sign, year = ("-", -year) if year < 0 else ("", year)
    return f"{sign}{year:04d}-{month:02d}-{date:02d} {minute // 60:02d}:{minute % 60:02d}:{of_minute:02d}"


def _civil(day: int) -> tuple[int, int, int]:
    """(year, month, day) of days since 1970-01-01, proleptic Gregorian with a year 0 (which `datetime` lacks)."""
    era, of_era = divmod(day + 719_468, 146_097)
    of_cycle = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * of_cycle + of_cycle // 4 - of_cycle // 100)
    shifted = (5 * of_year + 2) // 153
    date = of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    return of_cycle + era * 400 + (1 if month <= 2 else 0), month, date


def derived(collected: int, created: int | None, sent: int | None) -> int:
    """When the event happened by the collector's clock: what passed between creation and sending is taken off."""
    if created is None or sent is None or created >= sent:
        return collected
    return collected - (sent - created)
