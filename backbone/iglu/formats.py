"""The values of `format` that are checked, with the rules of Snowplow's validator (networknt, draft 4).

Texts of the regular expressions are part of validation reports (`targets`). One deliberate difference: an `email` needs a
plausible domain, not one from a list of top-level domains frozen years ago.
"""

import re
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple

_BYTE = "([0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])"
_LOOSE_BYTE = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_LABEL = r"([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9\-]{0,61}[a-zA-Z0-9])"
_PERCENTS = r"(\d?\d%|100%)+\s*"
_COLOURS = "(aqua)|(black)|(blue)|(fuchsia)|(gray)|(green)|(lime)|(maroon)|(navy)|(olive)|(orange)|(purple)|(red)|(silver)|(teal)"
_URI_CHARS = r"[A-Za-z0-9._~\-%!$&'()*+,;=:@\/"


def _ipv6() -> str:
    group, dotted = "[0-9A-Fa-f]{1,4}", rf"({_LOOSE_BYTE}(\.{_LOOSE_BYTE}){{3}})"
    last = [rf"(({group}:){{7}}({group}|:))", rf"(({group}:){{6}}(:{group}|{dotted}|:))"]
    last.append(rf"(({group}:){{5}}(((:{group}){{1,2}})|:{dotted}|:))")
    for head, most in ((4, 3), (3, 4), (2, 5), (1, 6)):
        some = f"(:{group})?" if most == 3 else f"(:{group}){{0,{most - 2}}}"
        last.append(rf"(({group}:){{{head}}}(((:{group}){{1,{most}}})|({some}:{dotted})|:))")
    last.append(rf"(:(((:{group}){{1,7}})|((:{group}){{0,5}}:{dotted})|:))")
    return rf"^\s*({'|'.join(last)})(%.+)?\s*$"


PATTERNS: dict[str, str] = {
    "time": r"^\d{2}:\d{2}:\d{2}(?:\.\d+)?$",
    "ip-address": r"^(?:(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\.){3}(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)$",
    "ipv4": rf"^({_BYTE}\.){{3}}{_BYTE}$",
    "ipv6": _ipv6(),
    "uri": r"^[A-Za-z][A-Za-z0-9+.-]*:(\/\/([A-Za-z0-9._~\-%!$&'()*+,;=:]*@)?[A-Za-z0-9._~\-!$&'()*+,;=%:\[\]]*(:[0-9]*)?)?"
    rf"{_URI_CHARS}]*([?]{_URI_CHARS}?]*)?([#]{_URI_CHARS}?]*)?",
    "color": rf"(#?([0-9A-Fa-f]{{3,6}})\b)|{_COLOURS}|(white)|(yellow)"
    rf"|(rgb\(\s*\b{_BYTE}\b\s*,\s*\b{_BYTE}\b\s*,\s*\b{_BYTE}\b\s*\))|(rgb\(\s*{_PERCENTS},\s*{_PERCENTS},\s*{_PERCENTS}\))",
    "hostname": rf"^{_LABEL}(\.{_LABEL})*$",
    "alpha": "^[a-zA-Z]+$",
    "alphanumeric": "^[a-zA-Z0-9]+$",
    "phone": r"^\+(?:[0-9] ?){6,14}[0-9]$",
    "utc-millisec": r"^[0-9]+(\.?[0-9]+)?$",
    "style": r"\s*(.+?):\s*([^;]+);?",
}
"""Formats that are one pattern, which must match the whole text."""

UUID = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
_DURATION = re.compile(r"-?P(?=\d|T\d)(?:\d+Y)?(?:\d+M)?(?:\d+[DW])?(?:T(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?", re.ASCII)


class Format(NamedTuple):
    """`keyword` and `targets` are what a report on a refused value says."""

    holds: Callable[[str], bool]
    keyword: str
    targets: Callable[[str], tuple[str, ...]]


_DATE_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.\d{0,9})?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII)
_is_usual = re.compile(
    r"\d{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"[Tt ](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{0,9})?[Zz]",
    re.ASCII,
).fullmatch
"""Tells most date-times at once: UTC, no leap day, no leap second."""
_DATE = re.compile(r"(\d{4}|\+\d{5,9}|-\d{4,9})-(\d\d)-(\d\d)", re.ASCII)
_DAYS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LEAP_JUNES = {1972, 1981, 1982, 1983, 1985, 1992, 1993, 1994, 1997, 2012, 2015}
_LEAP_DECEMBERS = {*range(1972, 1980), 1987, 1989, 1990, 1995, 1998, 2005, 2008, 2016}


def is_date_time(text: str) -> bool:
    """RFC 3339 with a blank allowed for `T`; at most nine fraction digits; leap seconds only where there was one."""
    if _is_usual(text) is not None:
        return True
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return False
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    sign, offset = match[7], 0
    if sign is not None:
        if int(match[9]) > 59:
            return False
        offset = int(match[8]) * 60 + int(match[9])
        if offset > 18 * 60 or (offset == 0 and sign == "-"):
            return False
        offset = offset if sign == "+" else -offset
    if not _is_day(year, month, day) or hour > 23 or minute > 59:
        return False
    return second < 60 or (second == 60 and _is_leap_second(year, month, day, hour * 60 + minute - offset))


def _is_leap_second(year: int, month: int, day: int, utc_minutes: int) -> bool:
    if utc_minutes != 23 * 60 + 59:
        return False
    return (month == 6 and day == 30 and year in _LEAP_JUNES) or (month == 12 and day == 31 and year in _LEAP_DECEMBERS)


def is_date(text: str) -> bool:
    """ISO 8601 calendar date; years of more than four digits carry a sign."""
    match = _DATE.fullmatch(text)
    return match is not None and match[1].strip("0") != "-" and _is_day(int(match[1]), int(match[2]), int(match[3]))


def _is_day(year: int, month: int, day: int) -> bool:
    if not (1 <= month <= 12 and 1 <= day <= _DAYS[month]):
        return False
    return (month, day) != (2, 29) or (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))


def is_duration(text: str) -> bool:
    """ISO 8601 duration."""
    return _DURATION.fullmatch(text) is not None


_EMAIL = re.compile(r"\s*?([^\n\r\u0085\u2028\u2029]+)@([^\n\r\u0085\u2028\u2029]+?)\s*", re.ASCII)
_WORD = r"""(?:(?:\\[^\n\r\u0085\u2028\u2029]|[^\s\x00-\x1f\x7f()<>@,;:\\".\[\]])+|"(?:\\"|[^"])*")"""
_USER = re.compile(rf"\s*{_WORD}(?:\.{_WORD})*", re.ASCII)
_DOMAIN_LABEL = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?", re.ASCII)
_TOP_LABEL = re.compile(r"[a-zA-Z]{2,63}|[xX][nN]--[a-zA-Z0-9-]{0,57}[a-zA-Z0-9]", re.ASCII)


def is_email(text: str) -> bool:
    """`user@domain`, the domain having at least two labels, or an address in brackets; blanks around are let through."""
    match = None if text.endswith(".") else _EMAIL.fullmatch(text)
    if match is None or len(match[1].encode("utf-16-le", "surrogatepass")) > 128 or _USER.fullmatch(match[1]) is None:
        return False
    domain = match[2]
    if domain.startswith("[") and domain.endswith("]"):
        return _is_address(domain[1:-1])
    return _is_domain(domain)


def _is_address(text: str) -> bool:
    for kind in (IPv4Address, IPv6Address):
        try:
            kind(text)
        except AddressValueError:
            continue
        return True
    return False


def _is_domain(text: str) -> bool:
    try:
        ascii_text = text if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        return False
    labels = ascii_text.split(".")
    if len(labels) < 2 or len(ascii_text) > 253 or _TOP_LABEL.fullmatch(labels[-1]) is None:
        return False
    return all(_DOMAIN_LABEL.fullmatch(label) for label in labels)


def _pattern_format(name: str, pattern: str) -> Format:
    return Format(_whole(name, pattern), "format", lambda _: (name, pattern))


def _whole(name: str, pattern: str) -> Callable[[str], bool]:
    dot = r"[^\\n\\r\\u0085\\u2028\\u2029]"
    fullmatch = re.compile(re.sub(r"(?<!\\)\.(?=\+)", dot, pattern), re.ASCII).fullmatch
    if name == "ipv6":
        return lambda text: "%" not in text and text.strip() == text and fullmatch(text) is not None
    return lambda text: fullmatch(text) is not None


def _named(holds: Callable[[str], bool], keyword: str, name: str) -> Format:
    return Format(holds, keyword, lambda text: (text, name))


def is_uuid(text: str) -> bool:
    """Hyphenated hexadecimal, any version and case."""
    return _is_uuid(text) is not None


_is_uuid = re.compile(UUID, re.ASCII).fullmatch

FORMATS: dict[str, Format] = {
    **{name: _pattern_format(name, pattern) for name, pattern in PATTERNS.items()},
    "date-time": _named(is_date_time, "dateTime", "date-time"),
    "date": _named(is_date, "dateTime", "date"),
    "uuid": _named(is_uuid, "uuid", "uuid"),
    "email": _named(is_email, "format", "email"),
    "duration": _named(is_duration, "format", "duration"),
}
"""Every other format says nothing about validity."""
