"""Redirect `/r/tp2?u=…`: the click itself is the event, or an entity of the event the query string describes."""

import base64
from typing import Any

from backbone import jsontext
from backbone.iglu.validator import Validator
from enricher.adapters.protocol import Rejected, rejected
from enricher.entities import decode_base64, parse_json
from enricher.map_order import map_order
from enricher.request import Parameters, Request
from enricher.violations import NotJson

TRACKER = "r-tp2"
_CONTEXTS = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1"
_UNSTRUCT = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"
_REDIRECT = "iglu:com.snowplowanalytics.snowplow/uri_redirect/jsonschema/1-0-0"


def adapt(request: Request, validator: Validator, max_depth: int) -> list[Parameters] | Rejected:
    query = request.query
    if not query:
        return rejected("querystring", None, "empty querystring: not a valid URI redirect")
    target = query.get("u")
    if target is None:
        given = "&".join(f"{name}={'null' if query[name] is None else query[name]}" for name in map_order(query))
        return rejected("querystring", given, "missing `u` parameter: not a valid URI redirect")
    parameters = {name: value for name, value in query.items() if name != "u"}
    parameters["tv"] = TRACKER
    if parameters.get("p") is None:
        parameters["p"] = "web"
    click = {"schema": _REDIRECT, "data": {"uri": target}}
    if "e" not in query:
        parameters["e"] = "ue"
        parameters["ue_pr"] = jsontext.dumps({"schema": _UNSTRUCT, "data": click})
        return [parameters]
    problem = _attach(parameters, click, max_depth)
    return [parameters] if problem is None else Rejected([problem.message()])


def _attach(parameters: Parameters, click: dict[str, Any], max_depth: int) -> NotJson | None:
    """Puts the click before the event's own entities."""
    encoded, plain = parameters.get("cx"), parameters.get("co")
    if encoded is None and not plain:
        parameters["co"] = jsontext.dumps({"schema": _CONTEXTS, "data": [click]})
        return None
    parsed = parse_json("co|cx", decode_base64(encoded) if encoded is not None else plain or "", max_depth)
    if isinstance(parsed, NotJson):
        return parsed
    value, exact = parsed
    if type(value) is dict and type(value.get("data")) is list:
        value["data"].insert(0, click)
    text = jsontext.dumps(value, exact)
    if encoded is None:
        parameters["co"] = text
    else:
        parameters["cx"] = _encoded(text)
    return None


def _encoded(text: str) -> str:
    """In lines of 76 characters, as Snowplow Enrich does: the fingerprint is made of it."""
    code = base64.urlsafe_b64encode(text.encode("utf-8", "replace")).decode().rstrip("=")
    return "\r\n".join(code[at : at + 76] for at in range(0, len(code), 76))
