"""One enriched line → the values of the atomic columns, and the self-describing data beside them.

Every fault of a line is reported, not just the first. Where the original accepts spellings by accident (`1d` for a double,
the full-width digit `１`), this is strict; what the enricher writes, and what Snowplow's SDK documents, is accepted.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import compress
from math import isfinite
from typing import Any, NamedTuple

from backbone import jsontext
from backbone.event import ATOMIC, COLUMNS, JSON_COLUMNS, POSITION, Kind
from backbone.selfdescribing import InvalidIglu, SelfDescribing, from_value

MONEY = frozenset(
    ["tr_total", "tr_tax", "tr_shipping", "ti_price", "tr_total_base", "tr_tax_base", "tr_shipping_base", "ti_price_base"],
)
REQUIRED = ("collector_tstamp", "event_id", "v_collector", "v_etl")
MONEY_TYPE = "Decimal(Digits18,2)"

_INTEGER = re.compile(r"[+-]?[0-9]{1,11}\Z")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?\Z")
_TIMESTAMP = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8]|(29|30|31))[ T]"
    r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{0,9})?\Z"
)
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\Z")
_CONTEXTS = re.compile(r"com\.snowplowanalytics\.snowplow/contexts/jsonschema/1-0-[0-9]+\Z")
_UNSTRUCT = re.compile(r"com\.snowplowanalytics\.snowplow/unstruct_event/jsonschema/1-0-[0-9]+\Z")
_USUAL = {
    "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1": _CONTEXTS,
    "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0": _UNSTRUCT,
}


class InvalidValue(NamedTuple):
    """One cell that cannot be read."""

    key: str
    value: str
    message: str


class Unreadable(NamedTuple):
    """`faults` empty: the line has `cells` cells, not 131."""

    cells: int
    faults: tuple[InvalidValue, ...]


@dataclass(slots=True)
class EnrichedEvent:
    """`row`: the non-null atomic columns. Timestamps and money stay text, exactly as a warehouse reads them."""

    line: str
    row: dict[str, Any]
    entities: list[SelfDescribing] = field(default_factory=list)
    derived: int = 0
    """How many of the entities, at the end, were made by enrichments."""
    event: SelfDescribing | None = None
    bad_money: tuple[str, ...] = ()
    """Money columns with more than 2 decimals or 18 digits; they are not in `row`."""


def parse(data: bytes) -> EnrichedEvent | Unreadable:
    """The event, or why the line is none. Bytes that are not UTF-8 become U+FFFD."""
    line = data.decode("utf-8", "replace")
    cells = line.split("\t")
    if len(cells) != len(COLUMNS):
        return Unreadable(len(cells), ())
    event, faults = _read(line, cells)
    for name in REQUIRED:
        if not cells[POSITION[name]]:
            faults.append(InvalidValue(name, "", f"Field {name} cannot be empty"))
    return Unreadable(len(cells), tuple(faults)) if faults else event


def parse_leniently(data: bytes) -> EnrichedEvent | None:
    """What can be read of a failed event's line; cells that cannot are left out. None when it is no such line at all."""
    line = data.decode("utf-8", "replace")
    cells = line.split("\t")
    return _read(line, cells)[0] if len(cells) == len(COLUMNS) else None


def described(row: dict[str, Any]) -> EnrichedEvent:
    """The self-describing data of a row of `failed_events`, read from its JSON columns; without atomic columns."""
    return _with_described(EnrichedEvent("", {name: row[name] for name in JSON_COLUMNS if name in row}), [])


def _read(line: str, cells: list[str]) -> tuple[EnrichedEvent, list[InvalidValue]]:
    row: dict[str, Any] = dict(zip(compress(COLUMNS, cells), filter(None, cells), strict=True))
    faults: list[InvalidValue] = []
    money: list[str] = []
    for name in _TYPED_NAMES & row.keys():
        convert, what = _TYPED[name]
        value = convert(row[name])
        if value is None:
            faults.append(InvalidValue(name, row.pop(name), f"Cannot parse key {name} into {what}"))
        elif value is _BAD_MONEY:
            money.append(name)
            del row[name]
        else:
            row[name] = value
    if len(faults) > 1:
        faults.sort(key=lambda fault: POSITION[fault.key])
    money.sort(key=POSITION.__getitem__)
    return _with_described(EnrichedEvent(line, row, bad_money=tuple(money)), faults), faults


def _with_described(event: EnrichedEvent, faults: list[InvalidValue]) -> EnrichedEvent:
    """Moves self-describing data out of the row."""
    event.entities = _entities(event.row, "contexts", faults)
    derived = _entities(event.row, "derived_contexts", faults)
    event.entities += derived
    event.derived = len(derived)
    event.event = _self_describing_event(event.row, faults)
    return event


def _integer(cell: str) -> int | None:
    if len(cell) < 10 and cell.isdigit() and cell.isascii():
        return int(cell)
    if _INTEGER.match(cell) is None:
        return None
    value = int(cell)
    return value if -(2**31) <= value < 2**31 else None


def _flag(cell: str) -> bool | None:
    return {"0": False, "1": True}.get(cell)


def _float(cell: str) -> float | None:
    if _FLOAT.match(cell) is None:
        return None
    value = float(cell)
    return value if isfinite(value) else None


_BAD_MONEY = object()


def _money(cell: str) -> object:
    """Exact decimal text; `_BAD_MONEY` for a number with too many digits."""
    if _FLOAT.match(cell) is None:
        return None
    try:
        value = Decimal(cell)
    except InvalidOperation:
        return None
    if not value:
        return "0"
    if value.adjusted() > 15 or value.adjusted() < -2 or value != round(value, 2):
        return _BAD_MONEY
    return f"{value:f}"


def _timestamp(cell: str) -> str | None:
    """As it is: `yyyy-MM-dd HH:mm:ss[.fff]`, UTC; digits beyond milliseconds are cut."""
    match = _TIMESTAMP.match(cell)
    if match is None:
        return None
    if match[1] is not None and not _is_date(cell[:10]):
        return None
    return cell if len(cell) == 23 else cell[:23].rstrip(".")


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _uuid(cell: str) -> str | None:
    return cell.lower() if _UUID.match(cell) else None


_CONVERSIONS: dict[Kind, tuple[Callable[[str], Any], str]] = {
    Kind.INTEGER: (_integer, "integer"),
    Kind.FLAG: (_flag, "boolean"),
    Kind.FLOAT: (_float, "double"),
    Kind.TIMESTAMP: (_timestamp, "datetime"),
}


def _conversion(name: str, kind: Kind) -> tuple[Callable[[str], Any], str] | None:
    if name == "event_id":
        return _uuid, "UUID"
    if kind is Kind.DECIMAL:
        return (_money if name in MONEY else _float), "double"
    return _CONVERSIONS.get(kind)


_TYPED = {f.name: found for f in ATOMIC if (found := _conversion(f.name, f.kind)) is not None}
_TYPED_NAMES = _TYPED.keys()


class _Shape(ValueError):
    """Not the self-describing data expected in a column; the text says why, as Snowplow's SDK does."""


def _entities(row: dict[str, Any], column: str, faults: list[InvalidValue]) -> list[SelfDescribing]:
    text = row.pop(column, None)
    if text is None:
        return []
    try:
        value, exact = _outer(text, _CONTEXTS)
        if type(value) is not list:
            raise _Shape(f"Got value '{jsontext.dumps(value)[:100]}' with wrong type, expecting array")
        try:
            return [from_value(item, exact) for item in value]
        except InvalidIglu:
            return [_inner(item, exact, f"[{at}]") for at, item in enumerate(value)]
    except jsontext.JsonError as problem:
        faults.append(InvalidValue(column, text, f"ParsingFailure: {problem}"))
    except _Shape as problem:
        faults.append(InvalidValue(column, "", f"DecodingFailure at {problem}"))
    return []


def _self_describing_event(row: dict[str, Any], faults: list[InvalidValue]) -> SelfDescribing | None:
    text = row.pop("unstruct_event", None)
    if text is None:
        return None
    try:
        value, exact = _outer(text, _UNSTRUCT)
        return _inner(value, exact, "")
    except jsontext.JsonError as problem:
        faults.append(InvalidValue("unstruct_event", text, f"ParsingFailure: {problem}"))
    except _Shape as problem:
        faults.append(InvalidValue("unstruct_event", "", f"DecodingFailure at {problem}"))
    return None


def _outer(text: str, wanted: re.Pattern[str]) -> tuple[Any, bool]:
    """(data, exact) of the wrapping self-describing JSON."""
    value, exact = jsontext.loads(text)
    if type(value) is dict and type(uri := value.get("schema")) is str and _USUAL.get(uri) is wanted and "data" in value:
        return value["data"], exact
    wrapped = _inner(value, exact, "")
    if wanted.match(wrapped.key.path) is None:
        raise _Shape(f": Unknown payload: {wrapped.key.uri}")
    return wrapped.data, exact


def _inner(value: Any, exact: bool, at: str) -> SelfDescribing:
    try:
        return from_value(value, exact)
    except InvalidIglu as problem:
        if type(value) is not dict:
            raise _Shape(f"{at}: Got value '{jsontext.dumps(value)[:100]}' with wrong type, expecting object") from None
        for key in ("schema", "data"):
            if key not in value:
                raise _Shape(f"{at}: {key} key is not available") from None
        raise _Shape(f"{at}: Invalid Iglu URI: {str(value['schema'])[:200]}, code: {problem.code}") from None
