"""Iglu webhook `/com.snowplowanalytics.iglu/v1`: any self-describing data over HTTP.

The schema stands in the query string (the data are then the other parameters, or the body), or the body is self-describing JSON.
"""

from typing import Any

from backbone import jsontext
from backbone.iglu.validator import Validator
from backbone.selfdescribing import InvalidIglu, from_value, parse_key
from enricher import querystring
from enricher.adapters.protocol import FORM_TYPE, JSON_TYPES, Rejected, input_message, rejected
from enricher.entities import parse_json
from enricher.querystring import IllegalQuery
from enricher.request import Parameters, Request
from enricher.violations import NotIglu, NotJson

TRACKER = "com.snowplowanalytics.iglu-v1"
_UNSTRUCT = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"
_COPIED = ("nuid", "aid", "cv", "eid", "ttm", "url")
_NOT_DATA = frozenset(("schema", "nuid", "aid", "cv", "p"))
_JSON_ONLY = f"expected one of {', '.join(JSON_TYPES)}"
_JSON_OR_FORM = f"expected one of {', '.join((*JSON_TYPES, FORM_TYPE))}"


def adapt(request: Request, validator: Validator, max_depth: int) -> list[Parameters] | Rejected:
    body, content_type, schema = request.payload.body, request.payload.content_type, request.query.get("schema")
    if body is not None and content_type is None:
        return rejected("contentType", None, _JSON_OR_FORM)
    if schema is not None:
        try:
            uri = parse_key(schema).uri
        except InvalidIglu as error:
            return rejected("schema", schema, error.code)
        return _of_schema(request.query, uri, body, content_type, max_depth)
    if body is None:
        return Rejected([input_message("schema", None, "empty `schema` field"), input_message("body", None, "empty body")])
    if content_type not in JSON_TYPES:
        return rejected("contentType", content_type, _JSON_ONLY)
    return _self_describing(request.query, body, max_depth)


def _of_schema(
    query: Parameters, uri: str, body: str | None, content_type: str | None, max_depth: int
) -> list[Parameters] | Rejected:
    if body is None:
        data = {name: value or None for name, value in query.items() if name not in _NOT_DATA}
        return [_event(query, uri, data, True, "app")]
    if content_type == FORM_TYPE:
        return _form(query, uri, body)
    if content_type not in JSON_TYPES:
        return rejected("contentType", content_type, _JSON_OR_FORM)
    return _json(query, uri, body, max_depth)


def _form(query: Parameters, uri: str, body: str) -> list[Parameters] | Rejected:
    try:
        pairs = querystring.parse(body)
    except IllegalQuery as error:
        return rejected("body", body, str(error))
    return [_event(query, uri, dict(pairs), True, "srv")]


def _json(query: Parameters, uri: str, body: str, max_depth: int) -> list[Parameters] | Rejected:
    parsed = parse_json("body", body, max_depth)
    if isinstance(parsed, NotJson):
        return Rejected([parsed.message()])
    value, exact = parsed
    if value == []:
        return rejected("body", body, "empty array of events")
    if type(value) is list:
        return [_event(query, uri, item, exact, "app") for item in value]
    if type(value) is not dict or not value:
        return rejected("body", body, "has no key-value pairs")
    return [_event(query, uri, value, exact, "app")]


def _self_describing(query: Parameters, body: str, max_depth: int) -> list[Parameters] | Rejected:
    parsed = parse_json("body", body, max_depth)
    if isinstance(parsed, NotJson):
        return Rejected([parsed.message()])
    value, exact = parsed
    try:
        datum = from_value(value, exact)
    except InvalidIglu as error:
        return Rejected([NotIglu("body", value, error.code).message()])
    return [_event(query, datum.key.uri, datum.data, exact, "app")]


def _event(query: Parameters, uri: str, data: Any, exact: bool, platform: str) -> Parameters:
    parameters = {name: query[name] for name in _COPIED if name in query}
    parameters["tv"] = TRACKER
    parameters["e"] = "ue"
    parameters["p"] = query.get("p") or platform
    wrapper = {"schema": _UNSTRUCT, "data": {"schema": uri, "data": data}}
    parameters["ue_pr"] = jsontext.dumps(wrapper, exact)
    return parameters
