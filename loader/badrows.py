"""The loader's own bad rows, in Snowplow's form: `loader_parsing_error`, `loader_iglu_error`, `loader_runtime_error`."""

from collections.abc import Sequence
from typing import Any

from backbone.badrow import VENDOR, Processor
from backbone.event import FIELDS, Kind
from backbone.jsontext import LiteralNumber
from backbone.selfdescribing import SchemaKey, SelfDescribing, parse_key
from loader.casting import WrongType
from loader.enriched import MONEY, MONEY_TYPE, EnrichedEvent, Unreadable
from loader.histories import Unresolved

Json = dict[str, Any]

PARSING = f"iglu:{VENDOR}/loader_parsing_error/jsonschema/2-0-0"
IGLU = f"iglu:{VENDOR}/loader_iglu_error/jsonschema/2-0-1"
RUNTIME = f"iglu:{VENDOR}/loader_runtime_error/jsonschema/1-0-1"
ATOMIC_SCHEMA = parse_key("iglu:com.snowplowanalytics.snowplow/atomic/jsonschema/1-0-0")

_CONTEXTS = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0"
_UNSTRUCT = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"


def parsing_error(maker: Processor, line: str, found: Unreadable) -> Json:
    failure: Json
    if found.faults:
        errors = [{"type": "InvalidValue", **fault._asdict()} for fault in found.faults]
        failure = {"type": "RowDecodingError", "errors": errors}
    elif found.cells == 1:
        failure = {"type": "NotTSV"}
    else:
        failure = {"type": "FieldNumberMismatch", "fieldCount": found.cells}
    return _row(PARSING, maker, failure, line)


def iglu_error(maker: Processor, failures: Sequence[Json], event: EnrichedEvent) -> Json:
    """`failures` as made by `wrong_type`, `unresolved` and `wrong_money`."""
    return _row(IGLU, maker, list(failures), event_json(event))


def runtime_error(maker: Processor, message: str, event: EnrichedEvent) -> Json:
    return _row(RUNTIME, maker, message, event_json(event))


def unread_error(maker: Processor, message: str, text: str) -> Json:
    """Of something that is not known to be an event."""
    return _row(RUNTIME, maker, message, text)


def wrong_type(key: SchemaKey, fault: WrongType) -> Json:
    return {"schemaKey": key.uri, "value": fault.value, "expected": fault.expected}


def unresolved(found: Unresolved) -> Json:
    if found.failure is None:
        return {"schemaKey": found.key.uri, "message": "Cannot be parsed as JSON Schema AST"}
    return {"schemaKey": found.key.uri, "error": found.failure.value()}


def wrong_money(event: EnrichedEvent) -> list[Json]:
    cells = event.line.split("\t")
    values = [LiteralNumber(cells[at]) for at, field in enumerate(FIELDS) if field.name in event.bad_money]
    return [wrong_type(ATOMIC_SCHEMA, WrongType(value, MONEY_TYPE)) for value in values]


def event_json(event: EnrichedEvent) -> Json:
    """All 131 columns; timestamps ISO 8601, self-describing data wrapped as in the line."""
    custom, derived = event.entities[: len(event.entities) - event.derived], event.entities[len(event.entities) - event.derived :]
    wrapped = {
        "contexts": _contexts(custom),
        "derived_contexts": _contexts(derived),
        "unstruct_event": {"schema": _UNSTRUCT, "data": event.event.value()} if event.event is not None else None,
    }
    cells = event.line.split("\t")
    result: Json = {}
    for field, cell in zip(FIELDS, cells, strict=True):
        result[field.name] = wrapped[field.name] if field.kind is Kind.JSON else _value(field.name, field.kind, cell, event)
    return result


def _value(name: str, kind: Kind, cell: str, event: EnrichedEvent) -> Any:
    if name in event.bad_money:
        return LiteralNumber(cell)
    value = event.row.get(name)
    if value is None:
        return None
    if kind is Kind.TIMESTAMP:
        return _instant(value)
    return LiteralNumber(value) if name in MONEY else value


def _instant(value: str) -> str:
    """ISO 8601 with milliseconds, if there are any."""
    seconds, _, fraction = value.replace(" ", "T").partition(".")
    return f"{seconds}.{fraction:0<3}Z" if fraction.strip("0") else f"{seconds}Z"


def _contexts(entities: Sequence[SelfDescribing]) -> Json:
    return {"schema": _CONTEXTS, "data": [entity.value() for entity in entities]} if entities else {}


def _row(schema: str, maker: Processor, failure: Any, payload: Any) -> Json:
    return {"schema": schema, "data": {"processor": maker._asdict(), "failure": failure, "payload": payload}}
