"""Rows on their way to a warehouse: one JSON object a line, a fifth of the memory of Python's own objects."""

import orjson

from backbone import jsontext
from loader.warehouses.protocol import Row


def encode(row: Row) -> bytes:
    """One JSON object and a line end."""
    try:
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # lone surrogates
        return jsontext.dumps(row, exact=False).encode() + b"\n"
