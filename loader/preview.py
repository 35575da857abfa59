"""What rows look like in a warehouse, without storing any: its columns and placement, its values in forms that programs compare.

Timestamps are microseconds and dates days since 1970, decimals plain text, JSON columns a text holding JSON; for every
warehouse alike.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import orjson

from backbone import jsontext
from backbone.event import ATOMIC, Kind
from backbone.schema_types import Type
from loader.casting import Encoding
from loader.enriched import MONEY
from loader.instants import instant_micros
from loader.warehouses import bigquery_values
from loader.warehouses.protocol import Column, Leaf, Row, Shape


def _micros(text: str) -> int | None:
    """From `yyyy-MM-dd HH:mm:ss[.SSS]`, UTC."""
    return instant_micros(text.replace(" ", "T") + "Z")


def _money(text: str) -> str:
    return f"{Decimal(text):.2f}"


_SPECIAL: dict[str, Callable[[str], Any]] = {
    "load_tstamp": _micros,
    **{field.name: _micros for field in ATOMIC if field.kind is Kind.TIMESTAMP},
    **dict.fromkeys(MONEY, _money),
}
"""Atomic columns whose values are texts in a parsed event."""


class Preview:
    """Stands where a warehouse stands while columns are worked out."""

    def __init__(
        self,
        encoding: Encoding,
        columns: Mapping[str, Column],
        shape: Callable[[Type], Shape],
        refusal: Callable[[Row], str | None],
    ) -> None:
        self.encoding = encoding
        self.shape = shape
        self.refusal = refusal
        """Why the warehouse would not take a row, or None."""
        self._columns = columns

    def columns(self) -> Mapping[str, Column]:
        return self._columns

    def encode(self, row: Row) -> bytes:
        """One JSON object."""
        shown = {name: _SPECIAL[name](value) if name in _SPECIAL else value for name, value in row.items()}
        try:
            return orjson.dumps(shown)
        except TypeError:  # lone surrogates
            return jsontext.dumps(shown, exact=False).encode()


def ducklake(columns: Mapping[str, Column], shape: Callable[[Type], Shape], unnamed: str) -> Preview:
    return Preview(bigquery_values.ENCODING._replace(unnamed=unnamed), columns, shape, lambda row: None)


def bigquery() -> Preview:
    """A table without columns for entities yet, where nothing can be in the way: shapes need not be told apart."""
    return Preview(bigquery_values.ENCODING, {}, lambda kind: Leaf("any"), bigquery_values.refusal)
