"""Rows into DuckDB: written as one JSON object a line, read by DuckDB with explicit types; twice as fast as Python columns.

A key that is not among the explicit columns would be dropped in silence, hence they are made of the rows' own keys.
"""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import duckdb

from loader.warehouses.ducklake_types import as_read, identifier, type_text
from loader.warehouses.json_rows import encode as encode  # callers know it by this module too
from loader.warehouses.protocol import Row, Shape

_BUFFER = 4 * 1024 * 1024
_WRITE = 1024 * 1024


class RowReader:
    """`file` is written anew for every use."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, file: Path) -> None:
        self._connection = connection
        self._file = file
        self.narrow = True
        """Whether decimals are read in 64 bits; off for good once a number did not fit."""

    def select(self, rows: Sequence[Row], shapes: Mapping[str, Shape]) -> tuple[list[str], Callable[..., str]]:
        """Of rows not encoded yet, else as `select_encoded`."""
        return self.select_encoded([encode(row) for row in rows], set().union(*rows), shapes)

    def select_encoded(
        self, lines: Sequence[bytes], columns: Collection[str], shapes: Mapping[str, Shape]
    ) -> tuple[list[str], Callable[..., str]]:
        """(column names, function making the SELECT that yields the rows; its arguments are further expressions).

        Valid until the next call. `columns`: all that any of the rows has. Raises KeyError for one that is not in `shapes`.
        """
        names = sorted(columns)
        longest = self._write(lines)
        read = ", ".join(f"{_text(name)}: {_text(type_text(as_read(shapes[name], self.narrow)))}" for name in names)
        source = (
            f"read_json({_text(str(self._file))}, format='newline_delimited', columns={{{read}}}, "
            f"maximum_object_size={max(_BUFFER, 2 * longest)})"
        )
        expressions = [_expression(name, shapes[name], self.narrow) for name in names]
        return names, lambda *more: f"SELECT {', '.join((*expressions, *more))} FROM {source}"

    def refused(self, lines: Sequence[bytes], columns: Collection[str], shapes: Mapping[str, Shape]) -> list[tuple[int, str]]:
        """Indices of rows that cannot be read into these shapes, with DuckDB's reason; found by halving."""

        def halve(part: Sequence[bytes], start: int) -> list[tuple[int, str]]:
            reason = self._reason(part, columns, shapes) if part else None
            if reason is None:
                return []
            if len(part) == 1:
                return [(start, reason)]
            middle = len(part) // 2
            return halve(part[:middle], start) + halve(part[middle:], start + middle)

        return halve(lines, 0)

    def _reason(self, lines: Sequence[bytes], columns: Collection[str], shapes: Mapping[str, Shape]) -> str | None:
        try:
            _, select = self.select_encoded(lines, columns, shapes)
            self._connection.execute(f"CREATE OR REPLACE TEMP TABLE probe AS {select()}")
        except duckdb.Error as problem:
            # DuckDB quotes the value in its message; the kind of error is all that is kept.
            return f"DuckDB: {type(problem).__name__}"
        return None

    def _write(self, lines: Sequence[bytes]) -> int:
        """Length of the longest line, in bytes."""
        # Overwritten in place: new pages for a new file each time would cost as much as a tenth of the whole work.
        with open(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600), "wb", buffering=_WRITE) as file:
            file.writelines(lines)
            file.truncate()
        return max(map(len, lines))


def _expression(name: str, shape: Shape, narrow: bool) -> str:
    read = as_read(shape, narrow)
    return identifier(name) if read == shape else f"{identifier(name)}::{type_text(shape)}"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
