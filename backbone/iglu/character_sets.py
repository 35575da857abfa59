"""Sets of characters in regular expressions: ranges of code points, and named Unicode properties a target engine may know.

Names and their meaning: documentation of java.util.regex.Pattern (Java 17). POSIX names (`\\p{Alpha}`) are ASCII there.
"""

import re
import sys
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

Ranges = tuple[tuple[int, int], ...]
_LAST = sys.maxunicode


class UnsupportedPattern(ValueError):
    """Valid in Java, but nothing here can run it."""


class CharSet(NamedTuple):
    """Characters in `ranges` and those with a property of `names` (`L`, `Script=Cyrillic` …); `negated` turns it round."""

    ranges: Ranges = ()
    names: frozenset[str] = frozenset()
    negated: bool = False

    def union(self, other: "CharSet") -> "CharSet":
        if not self.negated and not other.negated:
            return CharSet(merged((*self.ranges, *other.ranges)), self.names | other.names)
        return CharSet(merged((*self.flat(), *other.flat())))

    def intersection(self, other: "CharSet") -> "CharSet":
        outside = merged((*complement(self.flat()), *complement(other.flat())))
        return CharSet(complement(outside))

    def inverse(self) -> "CharSet":
        if self.names:
            return self._replace(negated=not self.negated)
        return CharSet(self.ranges if self.negated else complement(self.ranges))

    def flat(self) -> Ranges:
        """All as ranges. Raises UnsupportedPattern for properties only a regular-expression engine knows."""
        ranges = merged((*self.ranges, *(pair for name in self.names for pair in _property(name))))
        return complement(ranges) if self.negated else ranges

    def both_cases(self, unicode: bool) -> "CharSet":
        """With the other-case forms of its ranges (ASCII only, unless `unicode`)."""
        found = list(self.ranges)
        for low, high in self.ranges:
            if unicode and high - low < 3_000:
                found.extend((ord(form), ord(form)) for point in range(low, high + 1) for form in _cases(point))
            for first, shift in ((65, 32), (97, -32)):
                start, end = max(low, first), min(high, first + 25)
                if start <= end:
                    found.append((start + shift, end + shift))
        return CharSet(merged(found), self.names, self.negated)


def _cases(point: int) -> list[str]:
    char = chr(point)
    return [form for form in (char.lower(), char.upper(), char.title()) if len(form) == 1 and form != char]


def merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    result: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if result and low <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(high, result[-1][1]))
        else:
            result.append((low, high))
    return tuple(result)


def complement(ranges: Ranges) -> Ranges:
    gaps = []
    at = 0
    for low, high in ranges:
        if low > at:
            gaps.append((at, low - 1))
        at = high + 1
    if at <= _LAST:
        gaps.append((at, _LAST))
    return tuple(gaps)


def chars(text: str) -> CharSet:
    """The characters of `text`; `a-z` stands for a range."""
    ranges: list[tuple[int, int]] = []
    at = 0
    while at < len(text):
        if text[at + 1 : at + 2] == "-" and at + 2 < len(text):
            ranges.append((ord(text[at]), ord(text[at + 2])))
            at += 3
        else:
            ranges.append((ord(text[at]), ord(text[at])))
            at += 1
    return CharSet(merged(ranges))


ANY = CharSet(((0, _LAST),))
LINE_ENDS = chars("\n\r\u0085\u2028\u2029")
DIGIT, WORD, BLANK = chars("0-9"), chars("a-zA-Z0-9_"), chars(" \t\n\x0b\f\r")
HORIZONTAL = chars(" \t\u00a0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000")
VERTICAL = chars("\n\x0b\f\r\u0085\u2028\u2029")
LETTER_OR_DIGIT = CharSet(chars("_").ranges, frozenset({"L", "Nd"}))
MARK = CharSet((), frozenset({"M"}))

_POSIX = {
    "Lower": chars("a-z"),
    "Upper": chars("A-Z"),
    "ASCII": chars("\x00-\x7f"),
    "Alpha": chars("a-zA-Z"),
    "Digit": DIGIT,
    "Alnum": chars("a-zA-Z0-9"),
    "Punct": chars("!-/:-@[-`{-~"),
    "Graph": chars("!-~"),
    "Print": chars(" -~"),
    "Blank": chars(" \t"),
    "Cntrl": chars("\x00-\x1f\x7f"),
    "XDigit": chars("0-9a-fA-F"),
    "Space": BLANK,
    "L1": chars("\x00-\xff"),
    "all": ANY,
}
_BINARY = {
    "alphabetic": ("Alphabetic", ("L", "Nl")),
    "ideographic": ("Ideographic", ()),
    "letter": ("L", ("L",)),
    "lowercase": ("Lowercase", ("Ll",)),
    "uppercase": ("Uppercase", ("Lu",)),
    "titlecase": ("Lt", ("Lt",)),
    "white_space": ("White_Space", ("Z",)),
    "control": ("Cc", ("Cc",)),
    "punctuation": ("P", ("P",)),
    "digit": ("Nd", ("Nd",)),
}
"""Java's `\\p{IsX}` → name in Rust, and the general categories that come nearest where no engine knows the property."""
_JAVA = {
    "javalowercase": frozenset({"Lowercase"}),
    "javauppercase": frozenset({"Uppercase"}),
    "javaalphabetic": frozenset({"Alphabetic"}),
    "javatitlecase": frozenset({"Lt"}),
    "javaletter": frozenset({"L"}),
    "javadigit": frozenset({"Nd"}),
    "javaletterordigit": frozenset({"L", "Nd"}),
    "javaspacechar": frozenset({"Z"}),
    "javaisocontrol": frozenset({"Cc"}),
}
_BLOCKS = {
    "basiclatin": (0x0, 0x7F),
    "latin1supplement": (0x80, 0xFF),
    "latinextendeda": (0x100, 0x17F),
    "latinextendedb": (0x180, 0x24F),
    "greek": (0x370, 0x3FF),
    "greekandcoptic": (0x370, 0x3FF),
    "cyrillic": (0x400, 0x4FF),
    "armenian": (0x530, 0x58F),
    "hebrew": (0x590, 0x5FF),
    "arabic": (0x600, 0x6FF),
    "devanagari": (0x900, 0x97F),
    "thai": (0xE00, 0xE7F),
    "generalpunctuation": (0x2000, 0x206F),
    "hiragana": (0x3040, 0x309F),
    "katakana": (0x30A0, 0x30FF),
    "cjkunifiedideographs": (0x4E00, 0x9FFF),
    "hangulsyllables": (0xAC00, 0xD7AF),
}
"""The blocks a schema is likely to name, of some three hundred."""
_CATEGORIES = frozenset(
    re.split(" ", "C L M N P S Z LC Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co Cn")
)


def named(name: str) -> CharSet | None:
    """`\\p{name}` of Java, or None where Java knows no such property. Raises UnsupportedPattern."""
    if name in _POSIX:
        return _POSIX[name]
    key, equals, value = name.partition("=")
    if equals:
        return _keyed(key.lower(), value)
    if name in _CATEGORIES:
        return CharSet((), frozenset({name}))
    if name.startswith("java"):
        return _java(name)
    if name.startswith("In"):
        return _block(name[2:])
    if name.startswith("Is"):
        rest = name[2:]
        if rest.lower() in _BINARY:
            return CharSet((), frozenset({_BINARY[rest.lower()][0]}))
        return named(rest) if rest in _CATEGORIES else CharSet((), frozenset({f"Script={rest}"}))
    return None


def _keyed(key: str, value: str) -> CharSet | None:
    if key in ("script", "sc"):
        return CharSet((), frozenset({f"Script={value}"}))
    if key in ("general_category", "gc"):
        return named(value) if value in _CATEGORIES else None
    if key in ("block", "blk"):
        return _block(value)
    return None


def _java(name: str) -> CharSet:
    known = _JAVA.get(name.lower())
    if known is None:
        raise UnsupportedPattern(f"\\p{{{name}}} is not supported")
    return CharSet((), known)


def _block(name: str) -> CharSet:
    known = _BLOCKS.get(re.sub(r"[ _-]", "", name).lower())
    if known is None:
        raise UnsupportedPattern(f"the Unicode block {name} is not supported")
    return CharSet((known,))


def _property(name: str) -> Ranges:
    for rust, categories in _BINARY.values():
        if rust == name and categories:
            return merged(pair for category in categories for pair in _category(category))
    if name in _CATEGORIES:
        return _category(name)
    raise UnsupportedPattern(f"\\p{{{name}}} is not supported in this combination")


@lru_cache
def _by_category() -> dict[str, list[tuple[int, int]]]:
    table: dict[str, list[tuple[int, int]]] = {}
    start, current = 0, unicodedata.category("\0")
    for point in range(1, _LAST + 2):
        category = unicodedata.category(chr(point)) if point <= _LAST else ""
        if category != current:
            table.setdefault(current, []).append((start, point - 1))
            start, current = point, category
    return table


@lru_cache
def _category(name: str) -> Ranges:
    wanted = ("Lu", "Ll", "Lt") if name == "LC" else (name,)
    return merged(pair for category, pairs in _by_category().items() if category.startswith(wanted) for pair in pairs)
