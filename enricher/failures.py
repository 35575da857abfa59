"""What a failed event carries: `failure` entities on the failed stream, messages and the event itself in its bad row."""

from typing import Any

from backbone import tsv
from backbone.badrow import Processor
from backbone.event import FIELDS, Event, Kind
from backbone.selfdescribing import SelfDescribing, parse_key
from enricher.enrichments.protocol import EnrichmentFailure, InputMessage
from enricher.violations import Violation

Json = dict[str, Any]

FAILURE = parse_key("iglu:com.snowplowanalytics.snowplow/failure/jsonschema/1-0-0")
_MAX_ERROR, _MAX_FIELD, _MAX_EXPECTATION = 512, 64, 256


def message(failure: EnrichmentFailure) -> Json:
    """Its form in `failure.messages` of `enrichment_failures` 2-0-1, texts cut to what that schema allows."""
    enrichment = None
    if failure.schema_key is not None:
        enrichment = {"schemaKey": failure.schema_key.uri, "identifier": failure.identifier or ""}
    return {"enrichment": enrichment, "message": _message(failure)}


def _message(failure: EnrichmentFailure) -> Json:
    said = failure.message
    if isinstance(said, InputMessage):
        return {"field": said.field[:_MAX_FIELD], "value": said.value, "expectation": said.expectation[:_MAX_EXPECTATION]}
    return {"error": said.error[:_MAX_ERROR]}


def _enrichment_entity(failure: EnrichmentFailure) -> Json:
    said = failure.message
    data: Json | None = None
    if isinstance(said, InputMessage):
        error = {"message": f"{said.field} - {said.expectation}", "source": said.field}
        data = {said.field: said.value}
    else:
        error = {"message": said.error}
    schema = None if failure.schema_key is None else failure.schema_key.uri
    return {"failureType": f"EnrichmentError: {failure.identifier or ''}", "errors": [error], "schema": schema, "data": data}


def entities(problems: list[Violation | EnrichmentFailure], maker: Processor, timestamp: str) -> list[SelfDescribing]:
    """One entity for each problem, in order."""
    made = []
    for problem in problems:
        found = _enrichment_entity(problem) if isinstance(problem, EnrichmentFailure) else problem.entity()
        found["timestamp"] = timestamp
        found["componentName"], found["componentVersion"] = maker
        made.append(SelfDescribing(FAILURE, found))
    return made


def enriched_json(event: Event) -> Json:
    """All 131 columns in order: decimals and `txn_id` as text, self-describing data as the text of their columns."""
    return {field.name: _cell(field.name, field.kind, getattr(event, field.name)) for field in FIELDS}


def _cell(name: str, kind: Kind, value: Any) -> Any:
    if kind is Kind.JSON:
        return (tsv.unstruct_text(value) if name == "unstruct_event" else tsv.contexts_text(value)) or None
    if value is None:
        return None
    if name == "txn_id":
        return str(value)
    return float(tsv.float_text(value)) if kind is Kind.FLOAT else value
