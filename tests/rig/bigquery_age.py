"""Rows of the stand-in for BigQuery that have been there for longer than they have."""

from bigquery_server import BigQueryServer
from bigquery_sql import STORED, STREAMED

_TIMES = ("load_tstamp", "written")


def age(server: BigQueryServer, days: float, condition: str = "TRUE", only: str | None = None) -> None:
    """All rows, or those of one table: when they came, were loaded, and the numbers of their changes."""
    run = server._tables._connection.execute
    for name, table in server.tables.items():
        if "view" in table.resource or only not in (None, name):
            continue
        server.rows(f"SELECT COUNT(*) FROM `x.{name}`")
        fields = {field["name"]: field["type"] for field in table.fields}
        changes = [f"{STREAMED} = {STREAMED} - {days * 86_400}"]
        changes += [
            f"{column} = {column} - to_seconds({days * 86_400})" for column in _TIMES if fields.get(column) == "TIMESTAMP"
        ]
        changes += [f"change = change - {int(days * 86_400_000_000)}"] if "change" in fields else []
        run(f"UPDATE {STORED}.{name} SET {', '.join(changes)} WHERE {condition}")
