"""`snowmelt sql` on BigQuery: its own SQL, the same forms, reading only, what it may cost."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bigquery_server import BigQueryServer
from typer.testing import CliRunner, Result

from loader.settings import WarehouseSettings
from snowmelt import cli
from snowmelt.sql import Refused
from snowmelt.sql_bigquery import FromBigQuery

FIELDS = [
    {"name": "event_id", "type": "STRING", "mode": "NULLABLE"},
    {"name": "seen", "type": "TIMESTAMP", "mode": "NULLABLE"},
    {"name": "day", "type": "DATE", "mode": "NULLABLE"},
    {"name": "price", "type": "NUMERIC", "mode": "NULLABLE"},
    {"name": "ratio", "type": "FLOAT", "mode": "NULLABLE"},
    {"name": "ok", "type": "BOOLEAN", "mode": "NULLABLE"},
    {"name": "note", "type": "JSON", "mode": "NULLABLE"},
    {"name": "many", "type": "RECORD", "mode": "REPEATED", "fields": [{"name": "price", "type": "NUMERIC", "mode": "NULLABLE"}]},
]
ROWS: list[dict[str, Any]] = [
    {"event_id": "a", "seen": 1_767_323_045_678_000, "day": 20_455, "price": "12.50", "ratio": 0.5, "ok": True}
    | {"note": '{"k": 1.5}', "many": [{"price": "1.10"}]},
    {"event_id": "b", "ratio": float("nan")},
]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BigQueryServer]:
    made = BigQueryServer(tmp_path)
    made.make("events", FIELDS).add(ROWS)
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    yield made
    made.close()


def run(statement: str, *flags: str) -> Result:
    return CliRunner().invoke(cli.app, ["sql", statement, *flags])


def refusal(server: BigQueryServer, statement: str, most: int | None = None) -> str:
    settings = WarehouseSettings.model_validate(server.settings())
    with pytest.raises(Refused) as raised, FromBigQuery(settings, statement, most) as answer:
        list(answer)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_json_keeps_types(server: BigQueryServer) -> None:
    full, sparse = json.loads(run("SELECT * FROM events ORDER BY event_id", "--format", "json").stdout)
    assert full == {
        "event_id": "a",
        "seen": "2026-01-02T03:04:05.678000Z",
        "day": "2026-01-02",
        "price": 12.5,
        "ratio": 0.5,
        "ok": True,
        "note": {"k": 1.5},
        "many": [{"price": 1.1}],
    }
    assert (sparse["seen"], sparse["ratio"], sparse["many"]) == (None, "nan", [])


def test_answers_of_many_pages_are_whole_and_read_as_tables_and_csv(server: BigQueryServer) -> None:
    server.faults.page_rows = 1
    assert run("SELECT event_id, day FROM `test.atomic.events` ORDER BY 1", "--format", "csv").stdout == (
        "event_id,day\na,2026-01-02\nb,\n"
    )
    assert "2 rows" in run("SELECT event_id FROM events").stdout


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM events WHERE TRUE",
        "UPDATE events SET event_id = 'x' WHERE TRUE",
        "INSERT INTO events (event_id) VALUES ('c')",
        "BEGIN TRANSACTION; DELETE FROM events WHERE TRUE; COMMIT TRANSACTION",
    ],
)
def test_nothing_but_reading_is_possible(server: BigQueryServer, statement: str) -> None:
    assert "only reading" in refusal(server, statement)
    assert server.rows("SELECT COUNT(*) FROM `x.events`") == [(2,)]


@pytest.mark.parametrize(
    ("statement", "said"),
    [("", "empty"), ("SELEC 1", "Syntax error"), ("SELECT nothing FROM events", "nothing"), ("SELECT 1 FROM nowhere", "nowhere")],
)
def test_a_wrong_statement_is_refused_in_one_line(server: BigQueryServer, statement: str, said: str) -> None:
    assert said in refusal(server, statement)


def test_a_statement_that_costs_too_much_is_not_run(server: BigQueryServer) -> None:
    assert "exceeded limit" in refusal(server, "SELECT * FROM events", most=10)
    assert run("SELECT * FROM events", "--max-bytes", "10000000").exit_code == 0


def test_a_dataset_that_is_not_there_is_said(server: BigQueryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNOWMELT_WAREHOUSE_DATASET", "elsewhere")
    done = run("SELECT 1")
    assert "there is no dataset test.elsewhere" in str(done.exception)
