"""The table `events` as it is made, as Snowplow's BigQuery Loader 2 makes it; and what an existing one has otherwise."""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from backbone.errors import ConfigurationError, Fault
from backbone.event import ATOMIC, Kind
from loader.enriched import MONEY, REQUIRED
from loader.warehouses.bigquery_client import BigQueryUnavailable, Session
from loader.warehouses.bigquery_schema import Fields, field_of, relax, shape_of_field
from loader.warehouses.bigquery_table import schema_fields
from loader.warehouses.protocol import Leaf, Shape

log = logging.getLogger("snowmelt.loader")

EVENTS = "events"
_KINDS = {
    Kind.TEXT: Leaf("STRING"),
    Kind.INTEGER: Leaf("INT64"),
    Kind.FLAG: Leaf("BOOL"),
    Kind.FLOAT: Leaf("FLOAT64"),
    Kind.DECIMAL: Leaf("FLOAT64"),
    Kind.TIMESTAMP: Leaf("TIMESTAMP"),
}
ATOMIC_SHAPES: dict[str, Shape] = {f.name: Leaf("NUMERIC") if f.name in MONEY else _KINDS[f.kind] for f in ATOMIC}
_LOAD_TSTAMP = "load_tstamp"
_ALSO: dict[str, frozenset[str]] = {
    "NUMERIC": frozenset(("FLOAT64", "BIGNUMERIC", "STRING")),
    "INT64": frozenset(("FLOAT64", "NUMERIC", "BIGNUMERIC", "STRING")),
    "FLOAT64": frozenset(("NUMERIC", "BIGNUMERIC", "STRING")),
    "STRING": frozenset(),
    "TIMESTAMP": frozenset(),
    "BOOL": frozenset(),
}
"""Types of other tables that values are converted to."""


class Difference(NamedTuple):
    """Of an existing table. `fatal`: the loader cannot live with it."""

    column: str
    what: str
    fatal: bool = False


def open_events(session: Session) -> None:
    """Makes the table, or takes over another loader's. Raises ConfigurationError naming what cannot be loaded into."""
    if session.table(EVENTS) is None:
        session.create(resource())
    table = session.table(EVENTS)
    if table is None:
        raise BigQueryUnavailable("the table events is not there yet")
    fields = schema_fields(table)
    found = differences(fields, table.time_partitioning, table.table_type)
    fatal = [difference for difference in found if difference.fatal]
    if fatal:
        raise ConfigurationError([Fault(f"{session.place}.{EVENTS}", column, what) for column, what, _ in fatal])
    for column, what, _ in found:
        log.warning("the table %s.%s, column %s: %s", session.place, EVENTS, column, what)
    if complete(fields) | relax(fields) and not session.alter(table, fields):
        raise BigQueryUnavailable("the table events is being changed by somebody else")


def differences(fields: Fields, partitioning: Any, kind: str | None) -> list[Difference]:
    """`kind`: of table, `TABLE` for one that can be loaded into."""
    if kind not in (None, "TABLE"):
        return [Difference("", f"it is no table but a {kind}", fatal=True)]
    found = []
    has = {field["name"].lower(): field for field in fields}
    for name, shape in {**ATOMIC_SHAPES, _LOAD_TSTAMP: Leaf("TIMESTAMP")}.items():
        if name not in has:
            found.append(Difference(name, "it is missing and will be added, empty in rows that are there"))
        elif (theirs := shape_of_field(has[name])) != shape:
            found.append(_other_type(name, shape, theirs))
    known = ATOMIC_SHAPES.keys() | {_LOAD_TSTAMP}
    for name, field in has.items():
        if name not in known and field.get("mode") == "REQUIRED":
            found.append(Difference(name, "it is required, and no event has it: make it nullable", fatal=True))
    if partitioning is None or partitioning.field != _LOAD_TSTAMP:
        what = "the table is not partitioned by it; starting reads more of the table than it would otherwise"
        found.append(Difference(_LOAD_TSTAMP, what))
    return found


def complete(fields: Fields) -> bool:
    """Adds atomic columns that are missing, nullable as any added column must be."""
    has = {field["name"].lower() for field in fields}
    absent = {name: shape for name, shape in {**ATOMIC_SHAPES, _LOAD_TSTAMP: Leaf("TIMESTAMP")}.items() if name not in has}
    fields += [field_of(name, shape) for name, shape in absent.items()]
    return bool(absent)


def _other_type(name: str, ours: Shape, theirs: Shape) -> Difference:
    assert isinstance(ours, Leaf)
    if isinstance(theirs, Leaf) and theirs.type in _ALSO[ours.type]:
        return Difference(name, f"it is {theirs.type} where {ours.type} is usual; values are converted")
    spelled = theirs.type if isinstance(theirs, Leaf) else "repeated or a record"
    return Difference(name, f"it is {spelled}, but has to be {ours.type}", fatal=True)


def resource() -> Mapping[str, Any]:
    """As the REST interface spells it, without reference."""
    fields = [field_of(name, shape) for name, shape in {**ATOMIC_SHAPES, _LOAD_TSTAMP: Leaf("TIMESTAMP")}.items()]
    for field in fields:
        if field["name"] in (*REQUIRED, _LOAD_TSTAMP):
            field["mode"] = "REQUIRED"
    return {
        "tableId": EVENTS,
        "schema": {"fields": fields},
        "timePartitioning": {"type": "DAY", "field": _LOAD_TSTAMP},
        "clustering": {"fields": ["event_name"]},
    }
