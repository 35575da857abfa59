"""What the stand-in for BigQuery keeps: tables with rows. Queries are run by DuckDB, respelled as far as the loader needs."""

import json
import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DUCK = {
    "STRING": "VARCHAR",
    "INT64": "BIGINT",
    "INTEGER": "BIGINT",
    "FLOAT64": "DOUBLE",
    "FLOAT": "DOUBLE",
    "BOOL": "BOOLEAN",
    "BOOLEAN": "BOOLEAN",
    "TIMESTAMP": "TIMESTAMPTZ",
    "DATE": "DATE",
    "NUMERIC": "DECIMAL(38,9)",
    "BIGNUMERIC": "DECIMAL(38,18)",
    "JSON": "JSON",
}
_BACK = {"VARCHAR": "STRING", "BIGINT": "INTEGER", "INTEGER": "INTEGER", "DOUBLE": "FLOAT", "BOOLEAN": "BOOLEAN", "DATE": "DATE"}
_SPELLING = [
    (r"`[^`]*\.([A-Za-z_]+)`", r"\1"),
    (r"\* EXCEPT \(", "* EXCLUDE ("),
    (r"IN UNNEST\(@(\w+)\)", r"IN (SELECT unnest($\1))"),
    (r"UNNEST\(b\.cells\) c", "unnest(b.cells) u(c)"),
    (r"\bTIMESTAMP\(@(\w+)\)", r"$\1::TIMESTAMPTZ"),
    (r"CURRENT_TIMESTAMP\(\)", "now()"),
    (r"TIMESTAMP_SUB\((\S+), INTERVAL (\d+) DAY\)", r"(\1 - INTERVAL \2 DAY)"),
    (r"@(\w+)", r"$\1"),
]


@dataclass
class Table:
    """`rows`: timestamps in microseconds, dates in days, decimals and JSON as text."""

    resource: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)
    etag: int = 1
    writable: list[dict[str, Any]] = field(default_factory=list)
    """The schema as the Storage Write API knows it; behind for a while after a change."""
    catches_up: float = 0.0

    @property
    def fields(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.resource["schema"]["fields"]
        return found

    def writable_fields(self) -> list[dict[str, Any]]:
        if time.monotonic() >= self.catches_up:
            self.writable = self.fields
        return self.writable


class Tables:
    def __init__(self, folder: Path) -> None:
        self.tables: dict[str, Table] = {}
        self.lock = threading.RLock()
        self._file = folder / "rows.ndjson"
        self._connection = duckdb.connect()
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("CREATE MACRO unix_micros(t) AS epoch_us(t)")

    def query(self, sql: str, parameters: dict[str, Any]) -> tuple[list[dict[str, Any]], list[tuple[Any, ...]]]:
        """(fields, rows as Python values). `INSERT … SELECT` is the only statement that changes anything."""
        with self.lock:
            insert = re.match(r"INSERT INTO (`[^`]*`)\s*(?:\(([^)]*)\))?\s*(SELECT .*)", sql, re.S)
            if insert is None:
                return self._select(sql, parameters)
            fields, rows = self._select(insert[3], parameters)
            target = self.tables[insert[1].strip("`").split(".")[-1]]
            names = [name.strip() for name in insert[2].split(",")] if insert[2] else [f["name"] for f in target.fields]
            for row in rows:
                kept = {name: _kept(value, about) for name, value, about in zip(names, row, fields, strict=True)}
                target.rows.append({name: value for name, value in kept.items() if value is not None})
            return [], []

    def _select(self, sql: str, parameters: dict[str, Any]) -> tuple[list[dict[str, Any]], list[tuple[Any, ...]]]:
        for name in self._mentioned(sql):
            self._materialise(name)
        relation = self._connection.execute(_spelled(sql), parameters)
        fields = [_field(name, kind) for name, kind, *_ in relation.description or ()]
        return fields, relation.fetchall()

    def _mentioned(self, sql: str) -> list[str]:
        """Tables first, then views that need them."""
        found: list[str] = []
        for name in re.findall(r"`[^`]*\.([A-Za-z_]+)`", sql):
            if (view := self.tables[name].resource.get("view")) is not None:
                found += self._mentioned(view["query"])
            found.append(name)
        return list(dict.fromkeys(found))

    def _materialise(self, name: str) -> None:
        table, run = self.tables[name], self._connection.execute
        if (view := table.resource.get("view")) is not None:
            run(f"CREATE OR REPLACE VIEW {name} AS {_spelled(view['query'])}")
            return
        run(f"CREATE OR REPLACE TABLE {name} ({_columns(table.fields)})")
        if table.rows:
            self._file.write_text("\n".join(json.dumps(_shown(row, table.fields)) for row in table.rows))
            read = ", ".join(f"'{f['name']}': '{_duck(f).replace('JSON', 'VARCHAR')}'" for f in table.fields)
            source = f"read_json('{self._file}', format='newline_delimited', columns={{{read}}}, maximum_object_size=100000000)"
            run(f"INSERT INTO {name} SELECT * FROM {source}")


def _spelled(sql: str) -> str:
    for theirs, ours in _SPELLING:
        sql = re.sub(theirs, ours, sql)
    return sql


def _columns(fields: Iterable[dict[str, Any]]) -> str:
    return ", ".join(f'"{f["name"]}" {_duck(f)}' for f in fields)


def _duck(about: dict[str, Any]) -> str:
    if about["type"] in ("RECORD", "STRUCT"):
        kind = f"STRUCT({_columns(about['fields'])})"
    else:
        kind = _DUCK[about["type"]]
    return f"{kind}[]" if about.get("mode") == "REPEATED" else kind


def _shown(row: dict[str, Any], fields: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """As DuckDB reads it."""
    return {f["name"]: _value(row[f["name"]], f) for f in fields if row.get(f["name"]) is not None}


def _value(value: Any, about: dict[str, Any]) -> Any:
    if type(value) is list:
        return [_value(item, about) for item in value]
    if about["type"] in ("RECORD", "STRUCT"):
        return _shown(value, about["fields"])
    if about["type"] == "TIMESTAMP":
        return (_EPOCH + timedelta(microseconds=value)).isoformat()
    return (date(1970, 1, 1) + timedelta(value)).isoformat() if about["type"] == "DATE" else value


def _kept(value: Any, about: dict[str, Any]) -> Any:
    """A result as it is stored."""
    if type(value) is list:
        return [_kept(item, about) for item in value]
    if type(value) is dict:
        return {f["name"]: _kept(value[f["name"]], f) for f in about["fields"] if value[f["name"]] is not None}
    if isinstance(value, datetime):
        return (value - _EPOCH) // timedelta(microseconds=1)
    if isinstance(value, date):
        return (value - date(1970, 1, 1)).days
    return format(value, "f") if isinstance(value, Decimal) else value


def _field(name: str, kind: Any) -> dict[str, Any]:
    if kind.id == "list":
        return {**_field(name, kind.children[0][1]), "mode": "REPEATED"}
    if kind.id == "struct":
        return {"name": name, "type": "RECORD", "mode": "NULLABLE", "fields": [_field(*inner) for inner in kind.children]}
    spelled = str(kind)
    if spelled.startswith("DECIMAL"):
        said = "NUMERIC"
    else:
        said = "TIMESTAMP" if spelled.startswith("TIMESTAMP") else _BACK.get(spelled, spelled)
    return {"name": name, "type": said, "mode": "NULLABLE"}


def rest_value(value: Any) -> Any:
    """As the REST interface sends it."""
    if value is None:
        return None
    if type(value) is list:
        return [{"v": rest_value(item)} for item in value]
    if type(value) is dict:
        return {"f": [{"v": rest_value(item)} for item in value.values()]}
    if isinstance(value, datetime):
        return str((value - _EPOCH) // timedelta(microseconds=1))
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else str(value)
