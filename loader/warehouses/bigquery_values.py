"""Values as BigQuery's Storage Write API takes them, and what it has no place for."""

from typing import Any

from backbone.event import POSITION
from loader.casting import Encoding
from loader.warehouses.protocol import Row

ENCODING = Encoding(
    timestamp=lambda micros: micros - micros % 1000,
    date=lambda days: days,
    decimal=lambda number: format(number, "f"),
)
"""TIMESTAMP: microseconds since 1970, in whole milliseconds; DATE: days; NUMERIC and BIGNUMERIC: plain decimal text."""


def refusal(row: Row) -> str | None:
    """Why BigQuery would not take the row: it knows no list of lists."""
    for name, value in row.items():
        if name not in POSITION and (path := _list_in_list(value, name)):
            return f"{path}: a list within a list cannot be stored"
    return None


def _list_in_list(value: Any, path: str) -> str | None:
    if type(value) is dict:
        inner = ((item, f"{path}.{name}") for name, item in value.items())
    elif type(value) is list:
        if any(type(item) is list for item in value):
            return path
        inner = ((item, path) for item in value)
    else:
        return None
    return next((found for item, at in inner if (found := _list_in_list(item, at))), None)
