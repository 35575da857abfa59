"""Length limits of the atomic columns, counted in UTF-16 code units, checked once everything is computed."""

from collections.abc import Mapping
from typing import Any

from backbone.event import FIELDS, POSITION
from enricher.text import utf16_length
from enricher.violations import LENGTH_EXCEEDED, AtomicError, AtomicViolation

UNLIMITED = 1 << 62
DEFAULT_LIMITS: dict[str, int] = {field.name: field.limit for field in FIELDS if field.limit is not None}
"""Column → longest text it may hold."""

_KEPT_THOUGH_LONG = frozenset(("event_id", "v_collector", "v_etl"))


def check(fields: dict[str, Any], limits: Mapping[str, int]) -> AtomicViolation | None:
    """Empties each column that is too long, but for the three an event cannot be without, and reports them all.

    `limits` has every column.
    """
    long = [
        name
        for name, value in fields.items()
        if type(value) is str and len(value) > limits[name] >> 1 and utf16_length(value) > limits[name]
    ]
    if not long:
        return None
    errors = [
        AtomicError(name, fields[name], _problem(limits[name]), LENGTH_EXCEEDED)
        for name in sorted(long, key=POSITION.__getitem__)
    ]
    for name in long:
        if name not in _KEPT_THOUGH_LONG:
            fields[name] = None
    return AtomicViolation(tuple(errors))


def _problem(limit: int) -> str:
    return f"Field is longer than maximum allowed size {limit}"
