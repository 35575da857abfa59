"""What failed, as rows of the table `failed_events`: one row for each failed event or payload, whatever told of it first.

An event that fails in the enricher arrives twice: as bad row (reason, complete original) and as line on `failed` (typed
columns, `failure` entities). Both carry its id; the table joins them. A payload that never became events is known by a hash of
its bad row.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from backbone import jsontext, tsv
from backbone.event import COLUMNS, POSITION
from backbone.explanation import explain
from loader.deduplicate import VOLATILE
from loader.enriched import EnrichedEvent, parse_leniently
from loader.instants import instant_micros
from loader.warehouses.protocol import Row

OWN_COLUMNS = {
    "failure_key": "VARCHAR",
    "stage": "VARCHAR",
    "kind": "VARCHAR",
    "reason": "VARCHAR",
    "remedy": "VARCHAR",
    "schema": "VARCHAR",
    "attempts": "BIGINT",
    "failed_tstamp": "TIMESTAMP WITH TIME ZONE",
    "load_tstamp": "TIMESTAMP WITH TIME ZONE",
    "original": "VARCHAR",
    "enriched_line": "VARCHAR",
}
"""`original`: the complete bad row. `enriched_line`: what the loader refused, ready to be loaded again. The atomic columns and
the three of self-describing data, as JSON, follow; then typed columns for what of that data fits its schemas, see
`loader.failed_columns`."""

_VOLATILE_PARAMETERS = frozenset(("stm",))
_EVENT_KINDS = ("schema_violations", "enrichment_failures")


def from_bad(data: bytes) -> Row:
    """The row of a bad row's bytes, whatever they are."""
    text = data.decode("utf-8", "replace")
    try:
        bad, _ = jsontext.loads(data)
    except jsontext.JsonError:
        bad = None
    if type(bad) is dict:
        return _row(bad, text)
    return _row({"data": {"payload": text}}, text if text.encode() == data else base64.b64encode(data).decode())


def from_failed(data: bytes) -> Row | None:
    """The row of a line on `failed`, without reason: its bad row tells. None when it is no such line."""
    event = parse_leniently(data)
    if event is None or "event_id" not in event.row:
        return None
    row = dict(event.row)
    row.update(_self_describing(event))
    row["stage"] = "enricher"
    row["attempts"] = 1
    row["original"] = event.line
    row["failure_key"] = _event_key(event.row["event_id"], event.row.get("event_fingerprint"))
    return row


def from_loader(bad: dict[str, Any], line: str, event: EnrichedEvent | None, now: str) -> Row:
    """The row of an event that the loader itself refused."""
    text = jsontext.dumps(bad, exact=False)
    row = _row(bad, text)
    if event is not None:
        row.update({name: value for name, value in event.row.items() if name in POSITION})
        row.update(_self_describing(event))
        row["failure_key"] = failure_key(event)
    else:
        row["failure_key"] = _digest(line)
    row["enriched_line"] = line
    row["failed_tstamp"] = now
    return row


def failure_key(event: EnrichedEvent) -> str:
    """Of an event that the loader refuses."""
    return _event_key(event.row["event_id"], event.row.get("event_fingerprint") or _digest(_stable_cells(event)))


def is_typed(row: Row) -> bool:
    """Whether it came from a `failed` line, hence has no reason."""
    return "kind" not in row


def is_cut(row: Row) -> bool:
    """Whether it is a bad row that was too long, of which no fingerprint is left."""
    return row.get("kind") == "size_violation" and "event_fingerprint" not in row


def joined(rows: Iterable[Row]) -> list[Row]:
    """Rows of one batch with the two halves of an event put together and repetitions counted."""
    result: dict[str, Row] = {}
    typed = []
    for row in rows:
        if is_typed(row):
            typed.append(row)
        elif (known := result.get(row["failure_key"])) is not None:
            row["attempts"] += known["attempts"]
            known.update(row)
        else:
            result[row["failure_key"]] = row
    by_event: dict[str, list[Row]] = {}
    for row in result.values():
        if row.get("event_id"):
            by_event.setdefault(row["event_id"], []).append(row)
    for half in typed:
        mate = _mate(half, by_event.get(half["event_id"], ()))
        if mate is None:
            result[half["failure_key"]] = {**result.get(half["failure_key"], {}), **half}
        else:
            mate.update({name: value for name, value in half.items() if name not in mate})
    return list(result.values())


def _mate(half: Row, candidates: Sequence[Row]) -> Row | None:
    """The bad row of a `failed` line: same event, same fingerprint; or what is left of one."""
    found = next((row for row in candidates if row.get("event_fingerprint") == half.get("event_fingerprint")), None)
    return found or next(filter(is_cut, candidates), None)


def _row(bad: dict[str, Any], original: str) -> Row:
    found = explain(bad)
    data = bad.get("data") if type(bad.get("data")) is dict else {}
    row: Row = {
        "stage": found.stage,
        "kind": found.kind,
        "reason": found.reason,
        "remedy": found.remedy,
        "schema": found.schema,
        "attempts": 1,
        "failed_tstamp": _failed_at(data),
        "original": original,
        "app_id": found.app_id,
        **_partly_enriched(data, found.kind),
    }
    if found.event_id and "event_id" not in row:
        row["event_id"] = found.event_id
    row["failure_key"] = _key(row, data, original)
    return {name: value for name, value in row.items() if value is not None}


def _partly_enriched(data: Any, kind: str) -> Row:
    """Atomic values and self-describing data a bad row holds of its event."""
    payload = data.get("payload")
    enriched = payload.get("enriched") if type(payload) is dict else None
    if kind not in _EVENT_KINDS or type(enriched) is not dict:
        return {}
    cells = [_cell(enriched.get(name)).replace("\t", " ") for name in COLUMNS]
    event = parse_leniently("\t".join(cells).encode("utf-8", "replace"))
    return {} if event is None else {**event.row, **_self_describing(event)}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is bool:
        return "1" if value else "0"
    return value if type(value) is str else jsontext.dumps(value, exact=False)


def _self_describing(event: EnrichedEvent) -> Row:
    row: Row = {}
    split = len(event.entities) - event.derived
    if split:
        row["contexts"] = tsv.contexts_text(event.entities[:split])
    if event.derived:
        row["derived_contexts"] = tsv.contexts_text(event.entities[split:])
    if event.event is not None:
        row["unstruct_event"] = tsv.unstruct_text(event.event)
    return row


def _key(row: Row, data: Any, original: str) -> str:
    event_id = row.get("event_id")
    if event_id:
        return _event_key(event_id, row.get("event_fingerprint") or _parameters_digest(data))
    without = {name: value for name, value in data.items() if name != "processor"}
    if type(without.get("failure")) is dict:
        without["failure"] = {name: value for name, value in without["failure"].items() if name != "timestamp"}
    return _digest(jsontext.dumps(without, exact=False)) if without else _digest(original)


def _event_key(event_id: str, discriminator: str | None) -> str:
    return f"{event_id}:{discriminator or ''}"


def _parameters_digest(data: Any) -> str | None:
    """Of what the tracker sent, but for the time of sending: tells events apart that share an id."""
    payload = data.get("payload")
    raw = payload.get("raw") if type(payload) is dict else None
    parameters = raw.get("parameters") if type(raw) is dict else None
    if type(parameters) is list:
        pairs = [(item.get("name"), item.get("value")) for item in parameters if type(item) is dict]
    elif type(parameters) is dict:
        pairs = list(parameters.items())
    else:
        return None
    return _digest(jsontext.dumps(sorted((str(name), str(value)) for name, value in pairs if name not in _VOLATILE_PARAMETERS)))


def _stable_cells(event: EnrichedEvent) -> str:
    stable = {name: value for name, value in event.row.items() if name in POSITION and name not in VOLATILE}
    return jsontext.dumps([stable, *(entity.value() for entity in event.entities)], exact=False)


def _failed_at(data: Any) -> str | None:
    """`2026-01-01T10:00:00.000Z` of the failure, as a timestamp the warehouse reads."""
    failure = data.get("failure")
    moment = failure.get("timestamp") if type(failure) is dict else None
    return moment if type(moment) is str and instant_micros(moment) is not None else None


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()
