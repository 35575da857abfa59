"""Tracker protocol 1: one event, all of it in the query string of a GET."""

from backbone.iglu.validator import Validator
from enricher.adapters.protocol import Rejected, rejected
from enricher.request import Parameters, Request


def adapt(request: Request, validator: Validator, max_depth: int) -> list[Parameters] | Rejected:
    if not request.query:
        return rejected("querystring", None, "empty querystring: not a valid URI redirect")
    return [request.query]
