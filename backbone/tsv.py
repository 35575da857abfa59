"""The enriched event's line: 131 columns joined by tabs, no header, no line end, null as empty."""

import struct
from collections.abc import Sequence
from functools import lru_cache
from math import copysign, inf, isfinite

from backbone.event import COLUMNS, POSITION, Event
from backbone.selfdescribing import SelfDescribing

_CONTEXTS_HEAD = '{"schema":"iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1","data":['
_UNSTRUCT_HEAD = '{"schema":"iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0","data":'
_EMPTY = [""] * len(COLUMNS)


def contexts_text(entities: Sequence[SelfDescribing]) -> str:
    """Text of the `contexts` and `derived_contexts` columns; empty for no entities."""
    if not entities:
        return ""
    return _CONTEXTS_HEAD + ",".join([entity.text() for entity in entities]) + "]}"


def unstruct_text(event: SelfDescribing | None) -> str:
    """Text of the `unstruct_event` column."""
    return "" if event is None else _UNSTRUCT_HEAD + event.text() + "}"


def float_text(number: float) -> str:
    """Shortest text that names the same single-precision number, as Java prints it: `51.0`, `-0.001`, `1.0E-5`."""
    return _float_text(number) if number else str(number)  # a cache cannot tell 0.0 from -0.0


@lru_cache(maxsize=8192)
def _float_text(number: float) -> str:
    single = _single(number)
    if not isfinite(single):
        return "NaN" if single != single else "Infinity" if single > 0 else "-Infinity"
    if not single:
        return str(single)
    digits = next(text for text in (f"{single:.{places}e}" for places in range(9)) if _single(float(text)) == single)
    mantissa, _, exponent = digits.partition("e")
    power = int(exponent)
    if -3 <= power < 7:
        return f"{float(digits):.{max(1, len(mantissa.replace('-', '').replace('.', '')) - 1 - power)}f}"
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{power}"


def _single(number: float) -> float:
    """The nearest single-precision number; infinite beyond their range."""
    try:
        (single,) = struct.unpack(">f", struct.pack(">f", number))
    except OverflowError:
        return copysign(inf, number)
    return float(single)


def line(event: Event) -> str:
    """The event as one TSV line. Strings are written as they are: the enricher made them safe."""
    cells = _EMPTY[:]
    for name, value in event.__dict__.items():
        if value is None:
            continue
        kind = type(value)
        if kind is str:
            cells[POSITION[name]] = value
        elif kind is int:
            cells[POSITION[name]] = str(value)
        elif kind is float:
            cells[POSITION[name]] = float_text(value)
        elif kind is SelfDescribing:
            cells[POSITION[name]] = unstruct_text(value)
        else:
            cells[POSITION[name]] = contexts_text(value)
    return "\t".join(cells)
