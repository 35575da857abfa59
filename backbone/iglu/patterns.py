"""Java's regular expressions, as schemas are written with, run by the engines at hand.

A pattern is parsed by Java 17's rules and written anew, without shorthands, for one of two engines: the one inside
jsonschema-rs (linear time wherever the pattern allows), or Python's `re`, which also knows atomic groups and possessive
quantifiers. What differs and is thereby evened out: `$` also matches before one last line end; `.` stops at five line ends;
`\\d \\w \\s` and `(?i)` are ASCII; `\\b` is Unicode; `\\h \\R \\Q…\\E [a&&b] \\x{…} \\N{…}` exist.

Not supported (UnsupportedPattern): rare Unicode blocks and `\\p{java…}` properties, case-insensitive back-references.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jsonschema_rs

from backbone.iglu.character_sets import UnsupportedPattern
from backbone.iglu.pattern_dialects import Python, Rust
from backbone.iglu.pattern_scanner import InvalidPattern
from backbone.iglu.pattern_syntax import translate

__all__ = ["InvalidPattern", "Matcher", "UnsupportedPattern", "matcher", "rust_pattern"]

Matcher = Callable[[str], bool]
"""Whether the pattern is found anywhere in a text."""

_SURROGATES = re.compile("[\ud800-\udfff]")


@lru_cache(maxsize=2_000)
def rust_pattern(pattern: str) -> str | None:
    """The pattern for jsonschema-rs, or None when it cannot be said there. Raises InvalidPattern, UnsupportedPattern."""
    try:
        text = translate(pattern, Rust())
        jsonschema_rs.Draft4Validator({"pattern": text})
    except (UnsupportedPattern, jsonschema_rs.ValidationError):
        return None
    return text


@lru_cache(maxsize=2_000)
def matcher(pattern: str) -> Matcher:
    """Raises InvalidPattern for what Java refuses too, UnsupportedPattern for what only Java can run."""
    text = rust_pattern(pattern)
    if text is None:
        return _python(pattern)
    is_valid: Callable[[Any], bool] = jsonschema_rs.Draft4Validator({"pattern": text}).is_valid

    def found(value: str) -> bool:
        try:
            return is_valid(value)
        except UnicodeEncodeError:
            return is_valid(_SURROGATES.sub("\ufffd", value))

    return found


def _python(pattern: str) -> Matcher:
    try:
        search = re.compile(translate(pattern, Python())).search
    except (re.error, OverflowError, RecursionError) as problem:
        raise UnsupportedPattern(f"cannot be run: {problem}") from None
    return lambda value: search(value) is not None
