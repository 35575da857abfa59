"""The condition of `snowmelt replay --where`: one boolean expression over the columns of `failed_events` that only reads.

DuckDB's own parser decides what the text is. This is a guard against accidents, not a prison: whoever runs the command owns the
files it could reach. All the same the connection is shut in, so that not even a function this module does not know of opens one.
"""

import json
import re
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from backbone.errors import ConfigurationError, Fault

_REFUSED = {
    "SUBQUERY": "a subquery is not possible here",
    "PARAMETER": "a parameter has no value here",
    "STAR": "`*` is not possible here",
    "WINDOW": "a window function is not possible here",
}


def check(connection: duckdb.DuckDBPyConnection, condition: str) -> None:
    """Raises ConfigurationError unless it can stand in `WHERE (…)` and does nothing but read columns."""
    try:
        expression = _expression(connection, condition)
        _check_parts(connection, expression)
        _check_type(connection, condition)
    except duckdb.Error as problem:
        raise _refused(first_line(problem)) from None
    except RecursionError:
        raise _refused("it is nested too deeply") from None


def statement(select: str, condition: str) -> str:
    """The condition stands on lines of its own, so that a comment at its end hides nothing of ours."""
    return f"SELECT {select} FROM failed_events WHERE (\n{condition}\n)"


def confine(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """From now on the connection reads the warehouse of this data folder and nothing else; no setting can be changed any more.

    What does not fit into memory goes to a folder of its own, which DuckDB makes when it needs it and takes away again.
    """
    spill = Path(tempfile.gettempdir(), f"snowmelt-replay-{secrets.token_hex(8)}")
    connection.execute(f"SET temp_directory = {_quoted(spill)}")
    connection.execute(f"SET allowed_directories = [{_quoted((folder / 'warehouse').absolute())}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def first_line(problem: Exception) -> str:
    """DuckDB's message without the excerpt below it."""
    return re.split(r"\n|LINE \d", str(problem), maxsplit=1)[0].strip()


def _expression(connection: duckdb.DuckDBPyConnection, condition: str) -> Any:
    """Its syntax tree. Text that closes our bracket and goes on leaves more than a condition in the tree."""
    text = statement("1", condition)
    found = connection.extract_statements(text)
    if len(found) != 1 or found[0].type != duckdb.StatementType.SELECT:
        raise _refused("it is more than one expression")
    tree, plain = _tree(connection, text), _tree(connection, statement("1", "true"))
    expression = tree.pop("where_clause", None)
    plain.pop("where_clause")
    if tree != plain or expression is None:
        raise _refused("it is more than one expression")
    return expression


def _tree(connection: duckdb.DuckDBPyConnection, text: str) -> Any:
    row = connection.execute("SELECT json_serialize_sql(?)", [text]).fetchone()
    parsed: dict[str, Any] = json.loads(row[0]) if row else {"error": True}
    if parsed["error"] or len(parsed["statements"]) != 1:
        raise _refused(str(parsed.get("error_message", "it is more than one expression")))
    return parsed["statements"][0]["node"]


def _check_parts(connection: duckdb.DuckDBPyConnection, expression: Any) -> None:
    acting = _acting_functions(connection)
    for node in _nodes(expression):
        if node.get("class") in _REFUSED:
            raise _refused(_REFUSED[node["class"]])
        name = str(node.get("function_name") or "").lower()
        if name in acting:
            raise _refused(f"the function {name} is not possible here: it does more than read the columns of a row")


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


def _acting_functions(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Functions that read files or tables, and those whose answer is not made of their arguments alone."""
    query = "SELECT lower(function_name), function_type, coalesce(has_side_effects, false) FROM duckdb_functions()"
    found = connection.execute(query).fetchall()
    scalar = {name for name, kind, acts in found if kind in ("scalar", "macro") and not acts}
    return {name for name, kind, acts in found if acts or (kind in ("table", "table_macro", "pragma") and name not in scalar)}


def _check_type(connection: duckdb.DuckDBPyConnection, condition: str) -> None:
    connection.execute(f"EXPLAIN {statement('1', condition)}").fetchall()
    row = connection.execute(f"DESCRIBE SELECT (\n{condition}\n) AS wanted FROM failed_events").fetchone()
    if row is None or row[1] != "BOOLEAN":
        raise _refused("it is not true or false, but " + (str(row[1]) if row else "nothing"))


def _refused(problem: str) -> ConfigurationError:
    return ConfigurationError([Fault("command line", "--where", problem)])
