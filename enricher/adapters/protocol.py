"""What an adapter is: a reader of one kind of request."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from backbone.iglu.validator import Validator
from enricher.request import Parameters, Request

Json = dict[str, Any]

JSON_TYPES = ("application/json", "application/json; charset=utf-8")
FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Rejected:
    """The request holds no events we understand; `messages` in the form of the bad row, at least one."""

    messages: Sequence[Json]


def rejected(field: str, value: str | None, expectation: str) -> Rejected:
    return Rejected([input_message(field, value, expectation)])


def input_message(field: str, value: str | None, expectation: str) -> Json:
    return {"field": field, "value": value, "expectation": expectation}


class Adapter(Protocol):
    """`enricher/adapters/<kind>.py` each holds one function `adapt` of this form."""

    def __call__(self, request: Request, validator: Validator, max_depth: int) -> list[Parameters] | Rejected:
        """The tracker parameters of each event, all or none. Raises RegistryUnavailable."""
