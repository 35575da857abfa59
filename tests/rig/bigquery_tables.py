"""What the stand-in for BigQuery keeps: tables with rows, in DuckDB, which also runs what is asked of them."""

import copy
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
from bigquery_faults import Faults
from bigquery_sql import AS_IT_IS, STORED, STREAMED, QueryError, Script, Statement, read, resolver
from bigquery_values import as_json, columns, duck_type, field_of

_MACROS = ("CREATE MACRO unix_micros(t) AS epoch_us(t)",)


@dataclass
class Table:
    """`arrived`: rows that DuckDB does not have yet, with when they came; `size`: bytes, roughly."""

    resource: dict[str, Any]
    arrived: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    size: int = 0
    etag: int = 1
    writable: list[dict[str, Any]] = field(default_factory=list)
    """The schema as the Storage Write API knows it; behind for a while after a change."""
    catches_up: float = 0.0
    modified: int = 0
    """Milliseconds since 1970: of the last statement that changed rows."""
    stored: list[dict[str, Any]] | None = None
    """The schema of what DuckDB has."""

    @property
    def fields(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.resource["schema"]["fields"]
        return found

    def add(self, rows: list[dict[str, Any]]) -> None:
        now = time.time()
        self.arrived += [(now, row) for row in rows]

    def writable_fields(self) -> list[dict[str, Any]]:
        if time.monotonic() >= self.catches_up:
            self.writable = self.fields
        return self.writable


class Result(NamedTuple):
    """`affected`: rows that a changing statement changed."""

    kind: str
    fields: list[dict[str, Any]]
    rows: list[tuple[Any, ...]]
    affected: int | None = None
    bytes: int = 0


class Tables:
    def __init__(self, folder: Path, faults: Faults) -> None:
        self.tables: dict[str, Table] = {}
        self.lock = threading.RLock()
        self._faults = faults
        self._file = folder / "rows.ndjson"
        self._connection = duckdb.connect()
        for statement in ("SET TimeZone = 'UTC'", f"CREATE SCHEMA {STORED}", *_MACROS):
            self._connection.execute(statement)
        self._views: dict[str, str] = {}

    def query(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        dataset: str | None = None,
        default: str | None = None,
        dry: bool = False,
        most_bytes: int | None = None,
    ) -> Result:
        """`dataset`, `default`: as in `bigquery_sql.resolver`. Raises QueryError."""
        with self.lock:
            try:
                if sql.lstrip().startswith(AS_IT_IS):
                    script = Script((Statement("SELECT", None, sql, frozenset()),), tuple(self.tables))
                else:
                    script = self._read(sql, dataset, default)
                for name in script.tables:
                    self._prepare(name)
                size = sum(self._size(name) for name in script.tables)
                if most_bytes is not None and size > most_bytes:
                    text = f"Query exceeded limit for bytes billed: {most_bytes}. {size} or higher required."
                    raise QueryError(text, "bytesBilledLimitExceeded")
                return self._run(script, parameters or {}, dry)._replace(bytes=size)
            except duckdb.Error as problem:
                raise QueryError(str(problem).split("\n\n")[0].replace("\n", " ")) from problem

    def _read(self, sql: str, dataset: str | None, default: str | None) -> Script:
        def names(table: str) -> list[str]:
            return [field["name"] for field in self.tables[table].fields]

        return read(sql, resolver(self.tables, dataset, default), names)

    def _run(self, script: Script, parameters: Mapping[str, Any], dry: bool) -> Result:
        """All of it or, if a part fails, nothing."""
        self._connection.execute("BEGIN")
        result = Result(script.kind, [], [])
        try:
            for statement in script.statements:
                if not statement.kind.endswith("_TRANSACTION"):
                    result = self._one(statement, parameters, dry)._replace(kind=script.kind)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("ROLLBACK" if dry else "COMMIT")
        return result

    def _one(self, statement: Statement, parameters: Mapping[str, Any], dry: bool) -> Result:
        given = {name: value for name, value in parameters.items() if name in statement.parameters}
        if dry and statement.kind == "SELECT":
            looked = self._connection.execute(f"SELECT * FROM ({statement.sql}) LIMIT 0", given)
            return Result(statement.kind, [field_of(name, kind) for name, kind, *_ in looked.description or ()], [])
        relation = self._connection.execute(statement.sql, given)
        if statement.kind == "SELECT":
            fields = [field_of(name, kind) for name, kind, *_ in relation.description or ()]
            return Result(statement.kind, fields, relation.fetchall())
        rows = relation.fetchall()
        if statement.target is not None:
            self.tables[statement.target].modified = time.time_ns() // 1_000_000
        if not statement.changes:
            return Result(statement.kind, [], [], rows[0][0])
        fresh = time.time() - self._faults.streaming_seconds
        if any(streamed is not None and streamed > fresh for (streamed,) in rows):
            text = f"UPDATE or DELETE statement over table {statement.target} would affect rows in the streaming buffer"
            raise QueryError(f"{text}, which is not supported")
        return Result(statement.kind, [], [], len(rows))

    def _size(self, name: str) -> int:
        view = self.tables[name].resource.get("view")
        if view is None:
            return self.tables[name].size
        return sum(self._size(inner) for inner in self._read(view["query"], None, None).tables)

    def _prepare(self, name: str) -> None:
        """So that DuckDB has all of it."""
        table = self.tables[name]
        if (view := table.resource.get("view")) is None:
            self._store(name, table)
            return
        script = self._read(view["query"], None, None)
        for inner in script.tables:
            self._prepare(inner)
        if self._views.get(name) != script.statements[0].sql:
            self._connection.execute(f"CREATE OR REPLACE VIEW {name} AS {script.statements[0].sql}")
            self._views[name] = script.statements[0].sql

    def _store(self, name: str, table: Table) -> None:
        if table.stored != table.fields:
            self._reshape(name, table)
        if not table.arrived:
            return
        lines = [json.dumps({**as_json(row, table.fields), STREAMED: when}) for when, row in table.arrived]
        table.arrived.clear()
        table.size += sum(map(len, lines))
        self._file.write_text("\n".join(lines))
        kinds = {each["name"]: duck_type(each).replace("JSON", "VARCHAR") for each in table.fields} | {STREAMED: "DOUBLE"}
        listed = ", ".join(f"'{column}': '{kind}'" for column, kind in kinds.items())
        source = f"read_json('{self._file}', format='newline_delimited', columns={{{listed}}}, maximum_object_size=100000000)"
        self._connection.execute(f"INSERT INTO {STORED}.{name} SELECT * FROM {source}")

    def _reshape(self, name: str, table: Table) -> None:
        """New columns; what is there moves into them."""
        run, made = self._connection.execute, f"{STORED}.{name}"
        run(f"CREATE OR REPLACE TABLE {STORED}.reshaped ({columns(table.fields)}, {STREAMED} DOUBLE)")
        if table.stored is not None:
            before = {each["name"].lower() for each in table.stored}
            kept = [f'"{each["name"]}"' for each in table.fields if each["name"].lower() in before]
            run(f"INSERT INTO {STORED}.reshaped BY NAME SELECT {', '.join([*kept, STREAMED])} FROM {made}")
            run(f"DROP TABLE {made}")
        run(f"ALTER TABLE {STORED}.reshaped RENAME TO {name}")
        run(f"CREATE OR REPLACE VIEW {name} AS SELECT * EXCLUDE ({STREAMED}) FROM {made}")
        table.stored = copy.deepcopy(table.fields)
        self._views.clear()

    def drop(self, name: str) -> None:
        kind = "VIEW" if "view" in self.tables[name].resource else "TABLE"
        if kind == "TABLE":
            self._connection.execute(f"DROP TABLE IF EXISTS {STORED}.{name}")
        self._connection.execute(f"DROP VIEW IF EXISTS {name}")
        del self.tables[name]
        self._views.clear()

    def close(self) -> None:
        with self.lock:
            self._connection.close()
