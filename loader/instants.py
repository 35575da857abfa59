"""ISO dates and date-times of entity data → days and microseconds since 1970-01-01 UTC, and back to text.

Whatever JSON Schema's `date-time` accepts is accepted, and what Snowplow's loader takes beyond that: minutes without seconds,
a zone name after the offset, years of more than four digits. A leap second becomes the last microsecond of its minute.
"""

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta

MICROS_PER_DAY = 86_400_000_000
_YEAR = r"(\d{4}|\+\d{5,9}|-\d{4,9})"
_DATE = re.compile(rf"{_YEAR}-(\d\d)-(\d\d)\Z", re.ASCII)
_DATE_TIME = re.compile(
    rf"{_YEAR}-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{{0,9}}))?)?"
    r"(?:[Zz]|([+-])(\d\d):(\d\d)(?::(\d\d))?)(?:\[[A-Za-z0-9/_+:~-]+\])?\Z",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_NAIVE = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_YEAR_9999 = 253_370_764_800_000_000
_LAST_MICRO = 2**63 - 1 - MICROS_PER_DAY
_LAST_DAY = 2_000_000_000
_DAYS_TO_1970 = 719_468
_DAYS_PER_ERA = 146_097


def date_days(text: str) -> int | None:
    """Days since 1970-01-01 for `2024-02-29`; None when it is no date."""
    match = _DATE.match(text)
    if match is None:
        return None
    days = _days(*map(int, match.groups()))
    return days if days is not None and abs(days) <= _LAST_DAY else None


def instant_micros(text: str) -> int | None:
    """Microseconds since 1970 for a date-time with an offset; None when it is none, or out of 64 bits."""
    if _is_plain(text):
        try:
            return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
        except ValueError:
            pass
    match = _DATE_TIME.match(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, *offset = match.groups()
    days = _days(int(year), int(month), int(day))
    micros = _micros_of_day(int(hour), int(minute), int(second or 0), fraction or "")
    shift = _offset_seconds(sign, *(int(part or 0) for part in offset))
    if days is None or micros is None or shift is None:
        return None
    result = days * MICROS_PER_DAY + micros - shift * 1_000_000
    return result if abs(result) <= _LAST_MICRO else None


def _is_plain(text: str) -> bool:
    """`2024-02-29T12:30:15Z`, with or without milliseconds: what nearly all senders write, and the library reads fast."""
    size = len(text)
    return (
        (size == 24 or size == 20)
        and text[-1] == "Z"
        and text[4] == text[7] == "-"
        and text[10] == "T"
        and text[13] == text[16] == ":"
        and (size == 20 or text[19] == ".")
    )


def date_text(days: int) -> str:
    """`2024-02-29`; years before 1 are counted astronomically, with a minus."""
    year, month, day = _civil(days)
    return f"{'-' if year < 0 else ''}{abs(year):04d}-{month:02d}-{day:02d}"


def instant_text(micros: int) -> str:
    """`2024-02-29 12:30:15.123456+00`."""
    if 0 <= micros < _YEAR_9999:
        return (_EPOCH_NAIVE + timedelta(microseconds=micros)).isoformat(" ", "microseconds") + "+00"
    days, rest = divmod(micros, MICROS_PER_DAY)
    seconds, fraction = divmod(rest, 1_000_000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{date_text(days)} {hour:02d}:{minute:02d}:{second:02d}.{fraction:06d}+00"


def _micros_of_day(hour: int, minute: int, second: int, fraction: str) -> int | None:
    if hour == 24 and minute == second == 0 and not fraction.strip("0"):
        return MICROS_PER_DAY
    if hour > 23 or minute > 59 or second > 60:
        return None
    if second == 60:
        second, fraction = 59, "999999"
    return ((hour * 60 + minute) * 60 + second) * 1_000_000 + int(fraction[:6].ljust(6, "0"))


def _offset_seconds(sign: str | None, hours: int, minutes: int, seconds: int) -> int | None:
    total = hours * 3600 + minutes * 60 + seconds
    if minutes > 59 or seconds > 59 or hours > 23:
        return None
    return -total if sign == "-" else total


def _days(year: int, month: int, day: int) -> int | None:
    if not 1 <= month <= 12 or not 1 <= day <= monthrange(2000 + year % 400, month)[1]:
        return None
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * _DAYS_PER_ERA + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - _DAYS_TO_1970


def _civil(days: int) -> tuple[int, int, int]:
    era, day_of_era = divmod(days + _DAYS_TO_1970, _DAYS_PER_ERA)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return era * 400 + year_of_era + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1
