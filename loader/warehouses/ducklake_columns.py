"""The columns of a table that grows: what it has, and adding to it. A column's comment says which family of schemas it is for."""

from collections.abc import Mapping

import duckdb

from loader.evolve import follow
from loader.warehouses.ducklake_types import identifier, path_text, shape_in_table, type_text
from loader.warehouses.protocol import Change, Column, Shape


def read_columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, Column]:
    found = connection.table(table)
    query = "SELECT column_name, comment FROM duckdb_columns() WHERE database_name = 'lake' AND table_name = ?"
    families = dict(connection.execute(query, [table]).fetchall())
    return {name: Column(shape_in_table(kind), families.get(name)) for name, kind in zip(found.columns, found.types, strict=True)}


def alter(connection: duckdb.DuckDBPyConnection, table: str, change: Change, columns: dict[str, Column]) -> None:
    """Adds a column or a field of one; `columns` follows."""
    connection.execute(f"ALTER TABLE {table} ADD COLUMN {path_text(change.path)} {type_text(change.shape)}")
    follow(columns, change)
    if len(change.path) == 1 and change.family is not None:
        comment = change.family.replace("'", "''")
        connection.execute(f"COMMENT ON COLUMN {table}.{identifier(change.path[0])} IS '{comment}'")


def shapes(columns: Mapping[str, Column]) -> dict[str, Shape]:
    return {name: column.shape for name, column in columns.items()}
