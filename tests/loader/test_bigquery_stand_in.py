"""The stand-in for BigQuery, as Google's own client finds it: where it is wrong, tests that rely on it prove nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bigquery_server import DATASET, PROJECT, BigQueryServer
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import BadRequest, NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery


class Asked:
    """A table `t` of three rows (n, name, many), and a view `v` of it."""

    def __init__(self, folder: Path) -> None:
        self.server = BigQueryServer(folder)
        options = ClientOptions(api_endpoint=self.server.endpoint)
        credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]
        self.client = bigquery.Client(project=PROJECT, credentials=credentials, client_options=options)
        schema = [
            bigquery.SchemaField("n", "INTEGER"),
            bigquery.SchemaField("name", "STRING"),
            bigquery.SchemaField("many", "RECORD", "REPEATED", fields=[bigquery.SchemaField("x", "JSON")]),
        ]
        self.client.create_table(bigquery.Table(f"{PROJECT}.{DATASET}.t", schema))
        view = bigquery.Table(f"{PROJECT}.{DATASET}.v")
        view.view_query = f"SELECT * EXCEPT (many) FROM `{PROJECT}.{DATASET}.t` WHERE n > 1"
        self.client.create_table(view)
        rows: list[dict[str, Any]] = [{"n": 1, "name": "a", "many": [{"x": '{"y": 1}'}]}, {"n": 2}, {"n": 3, "name": "c"}]
        self.server.tables["t"].add(rows)

    def __call__(self, sql: str, **more: Any) -> list[Any]:
        config = bigquery.QueryJobConfig(default_dataset=f"{PROJECT}.{DATASET}", **more)
        return [tuple(row) for row in self.client.query_and_wait(sql, job_config=config)]

    def changed(self, sql: str) -> int | None:
        job = self.client.query(sql, bigquery.QueryJobConfig(default_dataset=f"{PROJECT}.{DATASET}"))
        job.result()
        return job.num_dml_affected_rows


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Asked]:
    made = Asked(tmp_path)
    yield made
    made.client.close()
    made.server.close()


def test_names_are_found_with_and_without_dataset(ask: Asked) -> None:
    assert ask("SELECT n FROM t ORDER BY n") == [(1,), (2,), (3,)]
    assert ask(f"SELECT n, name FROM `{PROJECT}.{DATASET}.v` ORDER BY n") == [(2, None), (3, "c")]
    for wrong in ("SELECT 1 FROM nothing", "SELECT 1 FROM elsewhere.t"):
        with pytest.raises(NotFound):
            ask(wrong)


def test_lists_are_never_null_and_json_is_read(ask: Asked) -> None:
    assert ask("SELECT many FROM t ORDER BY n") == [([{"x": {"y": 1}}],), ([],), ([],)]


@pytest.mark.parametrize(
    "wrong",
    ["SELEC 1", "SELECT n::STRING FROM t", "SELECT list_contains(many, 1) FROM t", "SELECT nothing FROM t", "DELETE FROM t", ""],
)
def test_what_is_no_statement_of_bigquery_is_refused(ask: Asked, wrong: str) -> None:
    with pytest.raises(BadRequest):
        ask(wrong)


def test_statements_of_duckdb_are_run_as_they_are(ask: Asked) -> None:
    assert ask("/* duckdb */ SELECT list_contains([1, 2], n::int) FROM v ORDER BY n") == [(True,), (False,)]


def test_long_answers_come_page_by_page(ask: Asked) -> None:
    ask.server.faults.page_rows = 2
    ask.server.tables["t"].add([{"n": number} for number in range(4, 8)])
    assert ask("SELECT n FROM t ORDER BY n") == [(number,) for number in range(1, 8)]


def test_a_dry_run_tells_kind_and_bytes_and_does_nothing(ask: Asked) -> None:
    config = bigquery.QueryJobConfig(dry_run=True, default_dataset=f"{PROJECT}.{DATASET}")
    assert [
        ask.client.query(sql, config).statement_type
        for sql in ("WITH a AS (SELECT 1) SELECT * FROM a", "DELETE FROM t WHERE TRUE")
    ] == [
        "SELECT",
        "DELETE",
    ]
    assert (ask.client.query("SELECT * FROM v", config).total_bytes_processed or 0) > 50
    assert ask("SELECT COUNT(*) FROM t") == [(3,)]
    with pytest.raises(BadRequest, match="exceeded limit"):
        ask("SELECT * FROM v", maximum_bytes_billed=50)


def test_rows_are_changed_and_counted(ask: Asked) -> None:
    assert ask.changed("INSERT INTO t (n, name) SELECT n + 10, name FROM t") == 3
    assert ask.changed("UPDATE t SET name = 'z' WHERE n > 10") == 3
    matched = "WHEN MATCHED THEN UPDATE SET name = 'm' WHEN NOT MATCHED THEN INSERT (n) VALUES (k)"
    assert ask.changed(f"MERGE INTO t USING (SELECT 1 AS k UNION ALL SELECT 99) s ON t.n = s.k {matched}") == 2
    assert ask.changed("DELETE FROM t WHERE t.n IN (SELECT n FROM v WHERE name IS NULL)") == 2
    assert ask("SELECT n, name FROM t ORDER BY n") == [(1, "m"), (3, "c"), (11, "z"), (12, "z"), (13, "z")]


def test_fresh_rows_cannot_be_changed(ask: Asked) -> None:
    ask.server.faults.streaming_seconds = 1800.0
    for change in ("DELETE FROM t WHERE n = 1", "UPDATE t SET n = 5 WHERE name = 'a'"):
        with pytest.raises(BadRequest, match="would affect rows in the streaming buffer, which is not supported"):
            ask.changed(change)
    assert ask.changed("DELETE FROM t WHERE n = 99") == 0
    assert ask.changed("INSERT INTO t (n) VALUES (50)") == 1
    assert ask.changed("DELETE FROM t WHERE n = 50") == 1
    assert ask("SELECT COUNT(*) FROM t") == [(3,)]


def test_a_script_is_done_whole_or_not_at_all(ask: Asked) -> None:
    with pytest.raises(BadRequest):
        ask("BEGIN TRANSACTION; DELETE FROM t WHERE TRUE; SELECT nothing FROM t; COMMIT TRANSACTION")
    assert ask("SELECT COUNT(*) FROM t") == [(3,)]
    ask("BEGIN TRANSACTION; DELETE FROM t WHERE n = 1; INSERT INTO t (n) VALUES (4); COMMIT TRANSACTION")
    assert ask("SELECT n FROM t ORDER BY n") == [(2,), (3,), (4,)]


def test_columns_can_be_added_and_tables_dropped(ask: Asked) -> None:
    assert ask("SELECT COUNT(*) FROM t") == [(3,)]
    table = ask.client.get_table(f"{PROJECT}.{DATASET}.t")
    table.schema = [*table.schema, bigquery.SchemaField("more", "DATE")]
    ask.client.update_table(table, ["schema"])
    ask.server.tables["t"].add([{"n": 4, "more": 1}])
    assert [(n, str(more)) for n, more in ask("SELECT n, more FROM t WHERE n > 2 ORDER BY n")] == [(3, "None"), (4, "1970-01-02")]
    ask.client.delete_table(f"{PROJECT}.{DATASET}.t")
    with pytest.raises(NotFound):
        ask("SELECT 1 FROM t")
