"""`snowmelt sql`: one reading statement on the warehouse, while the pipeline runs."""

import base64
import csv
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Protocol, Self
from uuid import UUID

import typer

from backbone import jsontext
from backbone.errors import TerminalError
from snowmelt.options import Config, Data
from snowmelt.output import printing

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from backbone.settings import Settings

_ROWS_AT_ONCE = 1000
_WIDEST_TABLE = 12
"""More columns than this are shown one row after another, empty ones left out: `select * from events` has over a hundred."""


class Form(StrEnum):
    table = "table"
    json = "json"
    csv = "csv"


class Refused(TerminalError):
    """The statement is wrong, or would do more than read."""


def command(
    statement: Annotated[
        str,
        typer.Argument(
            help="One SELECT (or SHOW, DESCRIBE, SUMMARIZE, EXPLAIN) in DuckDB's SQL; with BigQuery one SELECT in its."
        ),
    ],
    form: Annotated[
        Form, typer.Option("--format", help="table: to read; json: one array of objects; csv: with a header.")
    ] = Form.table,
    max_bytes: Annotated[
        int | None,
        typer.Option("--max-bytes", metavar="N", min=1, help="BigQuery only: refuse the statement if more would be billed."),
    ] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Ask the warehouse. Tables: events, failed_events, waiting_events."""
    from snowmelt import configuration

    with ask(configuration.read(config, data), statement, max_bytes) as answer, printing():
        if form is Form.json:
            print_json(answer)
        elif form is Form.csv:
            print_csv(answer)
        else:
            print_table(answer)


class Answer(Protocol):
    """The rows of one statement; iterate once. `forms`: for each column, how its values are put in JSON's terms."""

    columns: tuple[str, ...]
    forms: tuple[Callable[[Any], Any], ...]

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def __iter__(self) -> Iterator[tuple[Any, ...]]: ...


def ask(settings: "Settings", statement: str, max_bytes: int | None = None) -> Answer:
    """The warehouse of the settings. Raises Refused, and TransientError while there is no warehouse."""
    from loader.settings import WarehouseSettings

    keeping = settings.section("warehouse", WarehouseSettings)
    if keeping.kind == "bigquery":
        from snowmelt.sql_bigquery import FromBigQuery

        return FromBigQuery(keeping, statement, max_bytes)
    return FromDuckLake(settings.data.folder, statement)


class FromDuckLake:
    """An answer of the embedded warehouse."""

    def __init__(self, folder: "Path", statement: str) -> None:
        import duckdb

        from loader.warehouses.ducklake_catalog import open_reader

        self._failure = duckdb.Error
        self._connection = open_reader(folder)
        try:
            self._check(statement)
            self._connection.execute(statement)
        except self._failure as problem:
            self._connection.close()
            raise Refused(plain(problem)) from None
        except Refused:
            self._connection.close()
            raise
        described = self._connection.description or []
        self.columns = tuple(str(column[0]) for column in described)
        self.forms = tuple(json_form(column[1]) for column in described)

    def _check(self, statement: str) -> None:
        import duckdb

        found: Sequence[duckdb.Statement] = self._connection.extract_statements(statement)
        if len(found) != 1:
            raise Refused("give one statement" if found else "the statement is empty")
        if found[0].type not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
            raise Refused("only reading is possible here: SELECT, SHOW, DESCRIBE, SUMMARIZE, EXPLAIN")

    def __enter__(self) -> "FromDuckLake":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        try:
            while rows := self._connection.fetchmany(_ROWS_AT_ONCE):
                yield from rows
        except self._failure as problem:
            raise Refused(plain(problem)) from None


def query(settings: "Settings", statement: str) -> list[dict[str, Any]]:
    """Rows as dictionaries of plain JSON values."""
    with ask(settings, statement) as answer:
        return [as_object(answer, row) for row in answer]


def plain(problem: "duckdb.Error") -> str:
    """DuckDB's message without the source excerpt below it."""
    return str(problem).split("\n\n")[0].split("\nLINE ")[0].replace("\n", " ").strip()


def as_object(answer: Answer, row: Sequence[Any]) -> dict[str, Any]:
    """A row by column name; JSON is parsed, wherever it is. Of columns with one name the last wins."""
    return {name: form(value) for name, form, value in zip(answer.columns, answer.forms, row, strict=True)}


def as_texts(answer: Answer, row: Sequence[Any]) -> list[str | None]:
    """The cells of a row to print; null is None."""
    return [
        None if value is None else as_text(form(value) if isinstance(value, (list, dict)) else value)
        for form, value in zip(answer.forms, row, strict=True)
    ]


def json_form(kind: Any) -> Callable[[Any], Any]:
    """`kind`: a type as DuckDB describes it. JSON in lists and structs comes as text, and is parsed."""
    text = str(kind)
    if text == "JSON":
        return parsed
    if "JSON" not in text or kind.id not in ("list", "struct"):
        return as_json
    inside = {name: json_form(inner) for name, inner in kind.children}
    if kind.id == "struct":
        return lambda value: None if value is None else {name: inside[name](inner) for name, inner in value.items()}
    (item,) = inside.values()
    return lambda value: None if value is None else [item(inner) for inner in value]


def parsed(text: str | None) -> Any:
    """The value of a JSON column, numbers spelled as stored; text that is no JSON stays text."""
    if text is None:
        return None
    try:
        return jsontext.loads(text)[0]
    except jsontext.JsonError:
        return text


def as_json(value: Any) -> Any:
    """A value as DuckDB's Python client gives it, in JSON's terms: times as ISO 8601, decimals as spelled, bytes as base64."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Decimal):
        return jsontext.LiteralNumber(_short(value)) if value.is_finite() else str(value)
    if isinstance(value, dict):
        return {str(key): as_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(inner) for inner in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode("ascii")
    return as_text(value)


def as_text(value: Any) -> str:
    """Times and the rest as one word; anything nested as JSON."""
    if isinstance(value, datetime):
        return value.isoformat(sep="T").replace("+00:00", "Z")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return _short(value)
    if isinstance(value, (str, UUID, timedelta)):
        return str(value)
    return jsontext.dumps(as_json(value), False)


def _short(value: Decimal) -> str:
    """Without the zeros that fill up its column's scale."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def print_json(answer: Answer) -> None:
    """One array, one object a line."""
    separator = "[\n"
    for row in answer:
        sys.stdout.write(separator + jsontext.dumps(as_object(answer, row), False))
        separator = ",\n"
    sys.stdout.write("[]\n" if separator == "[\n" else "\n]\n")


def print_csv(answer: Answer) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(answer.columns)
    for row in answer:
        writer.writerow([cell or "" for cell in as_texts(answer, row)])


def print_table(answer: Answer) -> None:
    if len(answer.columns) > _WIDEST_TABLE:
        return print_records(answer)
    from rich.console import Console

    rows = [[cell or "" for cell in as_texts(answer, row)] for row in answer]
    Console().print(table(answer.columns, rows), soft_wrap=not sys.stdout.isatty())
    return print(f"{len(rows)} row{'' if len(rows) == 1 else 's'}")


def print_records(answer: Answer) -> None:
    """Row after row, a column a line."""
    widest = max(map(len, answer.columns))
    for number, row in enumerate(answer, start=1):
        print(f"── row {number} " + "─" * 40)
        for name, cell in zip(answer.columns, as_texts(answer, row), strict=True):
            if cell is not None:
                print(f"{name:{widest}}  {cell}")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Any:
    """For rich to print."""
    from rich.table import Table
    from rich.text import Text

    drawn = Table()
    for column in columns:
        drawn.add_column(Text(column))
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    return drawn
