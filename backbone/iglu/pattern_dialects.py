"""How the engines at hand want regular expressions written: see `patterns`."""

from typing import Protocol

from backbone.iglu.character_sets import CharSet, UnsupportedPattern


class Dialect(Protocol):
    """How an engine wants things written."""

    @property
    def tail(self) -> str | None:
        """`$` as the last thing of a pattern, consuming the line end (cheaper than looking ahead); None without such a form."""

    def char(self, point: int) -> str: ...

    def set(self, chars: CharSet) -> str: ...

    def atomic(self, inner: str) -> str:
        """A group that is never re-entered. Raises UnsupportedPattern."""


class Rust:
    """The ECMA 262 dialect of jsonschema-rs."""

    tail = r"(?:\r\n|[\n\r\u0085\u2028\u2029])?$"

    def char(self, point: int) -> str:
        if 0xD800 <= point <= 0xDFFF:
            raise UnsupportedPattern("half of a surrogate pair")
        char = chr(point)
        if (point > 0xA0 and char.isprintable()) or (char.isascii() and char.isalnum()):
            return char
        return f"\\u{point:04x}" if point <= 0xFFFF else f"\\u{{{point:x}}}"

    def set(self, chars: CharSet) -> str:
        inner = "".join(_range(self, low, high) for low, high in _without_surrogates(chars))
        inner += "".join(f"\\p{{{name}}}" for name in sorted(chars.names))
        return f"[{'^' if chars.negated else ''}{inner}]" if inner else "(?!)"

    def atomic(self, inner: str) -> str:
        raise UnsupportedPattern("atomic group")


class Python:
    """The module `re`, without flags."""

    tail = None

    def char(self, point: int) -> str:
        char = chr(point)
        if char.isascii() and char.isalnum():
            return char
        return f"\\U{point:08x}"

    def set(self, chars: CharSet) -> str:
        ranges = chars.flat()
        return f"[{''.join(_range(self, low, high) for low, high in ranges)}]" if ranges else "(?!)"

    def atomic(self, inner: str) -> str:
        return f"(?>{inner})"


def _range(dialect: Dialect, low: int, high: int) -> str:
    return dialect.char(low) if low == high else f"{dialect.char(low)}-{dialect.char(high)}"


def _without_surrogates(chars: CharSet) -> list[tuple[int, int]]:
    """A Rust string cannot hold surrogates, so that a set without them means the same."""
    ranges = []
    for low, high in chars.ranges:
        if low < 0xD800:
            ranges.append((low, min(high, 0xD7FF)))
        if high > 0xDFFF:
            ranges.append((max(low, 0xE000), high))
    return ranges
