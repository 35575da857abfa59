"""Whether BigQuery would take a row whose values already have the types of its columns."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from loader.warehouses.protocol import ListOf, Record, Shape

_WHOLE_DIGITS = {"NUMERIC": 29, "BIGNUMERIC": 38}


def refusal(row: Mapping[str, Any], shapes: Mapping[str, Shape]) -> str | None:
    """Why the row cannot be written, naming the field and its type but not the value; None if it can."""
    for name, value in row.items():
        problem = _refusal(value, shapes[name], name)
        if problem is not None:
            return problem
    return None


def _refusal(value: Any, shape: Shape, path: str) -> str | None:
    if value is None:
        return None
    if isinstance(shape, ListOf):
        items = (_refusal(item, shape.element, f"{path}[{at}]") for at, item in enumerate(value))
        return next((problem for problem in items if problem is not None), None)
    if isinstance(shape, Record):
        if type(value) is not dict:
            return f"Field {path} is a list inside a list, of which BigQuery has none"
        fields = (_refusal(item, shape.fields[name], f"{path}.{name}") for name, item in value.items())
        return next((problem for problem in fields if problem is not None), None)
    if type(value) is list:
        return f"Field {path} is a list inside a list, of which BigQuery has none"
    digits = _WHOLE_DIGITS.get(shape.type)
    if digits is not None and abs(Decimal(value)) >= Decimal(10) ** digits:
        return f"Field {path} has more than the {digits} digits that {shape.type} holds"
    return None
