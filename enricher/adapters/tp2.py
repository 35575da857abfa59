"""Tracker protocol 2: a POST of self-describing `payload_data`, an array of events; or one event in the query string.

Parameters of the query string overrule those in the body, on every event; one without a value erases the body's.
"""

from typing import Any

import orjson

from backbone.iglu.validator import Validator
from backbone.selfdescribing import InvalidIglu, SchemaKey, from_value, parse_criterion
from enricher.adapters.protocol import JSON_TYPES, Rejected, input_message, rejected
from enricher.entities import parse_json
from enricher.request import Parameters, Request
from enricher.violations import BrokenSchema, CriterionMismatch, NotIglu, NotJson

PAYLOAD_DATA = parse_criterion("iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-*")
CONTENT_TYPES = (*JSON_TYPES, "application/json; charset=UTF-8")
_EXPECTED_TYPE = f"expected one of {', '.join(CONTENT_TYPES)}"


def adapt(request: Request, validator: Validator, max_depth: int) -> list[Parameters] | Rejected:
    body, content_type, query = request.payload.body, request.payload.content_type, request.query
    if body is not None and content_type in CONTENT_TYPES:
        return _posted(body, query, validator, max_depth)
    if body is None and not query:
        return Rejected(
            [
                input_message("body", None, "empty body: not a valid tracker protocol event"),
                input_message("querystring", None, "empty querystring: not a valid tracker protocol event"),
            ]
        )
    if body is not None or (content_type is not None and content_type not in CONTENT_TYPES):
        return rejected("contentType", content_type, _EXPECTED_TYPE)
    if content_type is not None:
        return rejected("body", None, "empty body: not a valid track protocol event")
    return [query]


def _posted(body: str, query: Parameters, validator: Validator, max_depth: int) -> list[Parameters] | Rejected:
    events = _at_once(body, validator) or _step_by_step(body, validator, max_depth)
    if query and not isinstance(events, Rejected):
        for event in events:
            event.update(query)
    return events


def _at_once(body: str, validator: Validator) -> list[Parameters] | None:
    """The usual case, without what only the explanation of a fault needs; `None` if anything is unusual."""
    try:
        payload = from_value(orjson.loads(body))
    except (ValueError, InvalidIglu):
        return None
    if not PAYLOAD_DATA.matches(payload.key) or not isinstance(validator.check(payload), SchemaKey):
        return None
    events: list[Parameters] = payload.data
    return events


def _step_by_step(body: str, validator: Validator, max_depth: int) -> list[Parameters] | Rejected:
    parsed = parse_json("body", body, max_depth)
    if isinstance(parsed, NotJson):
        return Rejected([parsed.message()])
    value, exact = parsed
    try:
        payload = from_value(value, exact)
    except InvalidIglu as error:
        return Rejected([NotIglu("body", value, error.code).message()])
    checked: Any = validator.check(payload)
    if not isinstance(checked, SchemaKey):
        return Rejected([BrokenSchema("body", payload.key, checked, payload.data).message()])
    if not PAYLOAD_DATA.matches(payload.key):
        return Rejected([CriterionMismatch("body", payload.key, PAYLOAD_DATA, payload.data).message()])
    events: list[Parameters] = payload.data
    return events
