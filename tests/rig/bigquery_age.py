"""Rows of the stand-in for BigQuery that have been there for longer than they have."""

from collections.abc import Iterator, Mapping

from bigquery_server import BigQueryServer
from bigquery_sql import STORED, STREAMED

_TIMES = ("load_tstamp", "written", "settled", "opening")


def age(server: BigQueryServer, days: float, condition: str = "TRUE", only: str | None = None) -> None:
    """All rows, or those of one table: when they came, were loaded, and the numbers of their changes."""
    run = server._tables._connection.execute
    for name, table in server.tables.items():
        if "view" in table.resource or only not in (None, name):
            continue
        server.rows(f"SELECT COUNT(*) FROM `x.{name}`")
        changes = _changes({field["name"]: field["type"] for field in table.fields}, days * 86_400)
        run(f"UPDATE {STORED}.{name} SET {', '.join(changes)} WHERE {condition}")


def _changes(fields: Mapping[str, str], seconds: float) -> Iterator[str]:
    yield f"{STREAMED} = {STREAMED} - {seconds}"
    if "change" in fields:
        yield f"change = change - {int(seconds * 1_000_000)}"
    for column in _TIMES:
        if fields.get(column) == "TIMESTAMP":
            yield f"{column} = {column} - to_seconds({seconds})"
        elif column in fields:
            earlier = f"strftime({column}::TIMESTAMP - to_seconds({seconds}), '%Y-%m-%d %H:%M:%S.%g')"
            yield f"{column} = CASE WHEN {column} = '' THEN '' ELSE {earlier} END"
