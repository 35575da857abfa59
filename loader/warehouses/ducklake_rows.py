"""Rows into DuckDB: written as one JSON object a line, read by DuckDB with explicit types; twice as fast as Python columns.

A key that is not among the explicit columns would be dropped in silence, hence they are made of the rows' own keys.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import duckdb
import orjson

from backbone import jsontext
from loader.warehouses.ducklake_types import as_read, identifier, type_text
from loader.warehouses.protocol import Row, Shape

_BUFFER = 4 * 1024 * 1024
_WRITE = 1024 * 1024


class RowReader:
    """`file` is written anew for every use."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, file: Path) -> None:
        self._connection = connection
        self._file = file

    def select(self, rows: Sequence[Row], shapes: Mapping[str, Shape]) -> tuple[list[str], Callable[..., str]]:
        """(column names, function making the SELECT that yields the rows; its arguments are further expressions).

        Valid until the next call. Raises KeyError for a row with a key outside `shapes`.
        """
        names = sorted(set().union(*rows))
        longest = self._write(rows)
        read = ", ".join(f"{_text(name)}: {_text(type_text(as_read(shapes[name])))}" for name in names)
        source = (
            f"read_json({_text(str(self._file))}, format='newline_delimited', columns={{{read}}}, "
            f"maximum_object_size={max(_BUFFER, 2 * longest)})"
        )
        expressions = [_expression(name, shapes[name]) for name in names]
        return names, lambda *more: f"SELECT {', '.join((*expressions, *more))} FROM {source}"

    def refused(self, rows: Sequence[Row], shapes: Mapping[str, Shape]) -> list[tuple[int, str]]:
        """Indices of rows that cannot be read into these shapes, with DuckDB's reason; found by halving."""
        return self._halve(rows, 0, shapes)

    def _halve(self, rows: Sequence[Row], start: int, shapes: Mapping[str, Shape]) -> list[tuple[int, str]]:
        reason = self._reason(rows, shapes) if rows else None
        if reason is None:
            return []
        if len(rows) == 1:
            return [(start, reason)]
        middle = len(rows) // 2
        return self._halve(rows[:middle], start, shapes) + self._halve(rows[middle:], start + middle, shapes)

    def _reason(self, rows: Sequence[Row], shapes: Mapping[str, Shape]) -> str | None:
        try:
            _, select = self.select(rows, shapes)
            self._connection.execute(f"CREATE OR REPLACE TEMP TABLE probe AS {select()}")
        except duckdb.Error as problem:
            # DuckDB quotes the value after the first line or colon; the kind of error is all that is kept.
            return f"DuckDB: {type(problem).__name__}"
        return None

    def _write(self, rows: Sequence[Row]) -> int:
        """Length of the longest line, in bytes."""
        lines = [_line(row) for row in rows]
        # Overwritten in place: new pages for a new file each time would cost as much as a tenth of the whole work.
        with open(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600), "wb", buffering=_WRITE) as file:
            file.writelines(lines)
            file.truncate()
        return max(map(len, lines))


def _line(row: Row) -> bytes:
    try:
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # lone surrogates
        return jsontext.dumps(row, exact=False).encode() + b"\n"


def _expression(name: str, shape: Shape) -> str:
    read = as_read(shape)
    return identifier(name) if read == shape else f"{identifier(name)}::{type_text(shape)}"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
