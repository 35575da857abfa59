"""`snowmelt sql` on a real warehouse: every form, every type, reading only, readable errors, while somebody writes."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline import ROOT

from loader.warehouses.ducklake_catalog import open_writer
from snowmelt import configuration
from snowmelt.sql import Refused, query

STATEMENTS = """
CREATE TABLE events (event_id VARCHAR, seen TIMESTAMPTZ, day DATE, price DECIMAL(38, 9), ratio DOUBLE, ok BOOLEAN, note JSON,
  why STRUCT(errors JSON[], data JSON)[], page STRUCT(id VARCHAR, items INTEGER[]),
  many STRUCT(name VARCHAR, price DECIMAL(9, 2))[]);
INSERT INTO events VALUES ('a', '2026-01-02 03:04:05.678+00', '2026-01-02', 12.50, 0.5, true, '{"k": 1.10}',
  [{'errors': ['{"path": "$.a"}', '7'], 'data': '{"n": 1.10}'}, NULL],
  {'id': 'ü "☃"', 'items': [1, 2]}, [{'name': 'x,y', 'price': 1.10}]);
INSERT INTO events (event_id, ratio) VALUES ('b', 'nan');
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder whose warehouse is being written: the writer's connection stays open."""
    folder = tmp_path_factory.mktemp("data")
    writer, _ = open_writer(folder / "warehouse")
    writer.execute(STATEMENTS)
    yield folder
    writer.close()


def run(data: Path, statement: str, form: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "snowmelt", "sql", statement, "--format", form, "--data", str(data)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)


def answer(data: Path, statement: str, form: str) -> str:
    done = run(data, statement, form)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_json_keeps_types(data: Path) -> None:
    full, sparse = json.loads(answer(data, "select * from events order by event_id", "json"))
    assert full == {
        "event_id": "a",
        "seen": "2026-01-02T03:04:05.678000Z",
        "day": "2026-01-02",
        "price": 12.5,
        "ratio": 0.5,
        "ok": True,
        "note": {"k": 1.1},
        "why": [{"errors": [{"path": "$.a"}, 7], "data": {"n": 1.1}}, None],
        "page": {"id": 'ü "☃"', "items": [1, 2]},
        "many": [{"name": "x,y", "price": 1.1}],
    }
    assert sparse["seen"] is None
    assert sparse["ratio"] == "nan"


def test_json_spells_decimals_as_stored(data: Path) -> None:
    text = answer(data, "select 12345678901234567890.123456789::decimal(38, 9) as exact, 100::decimal(9, 0) as hundred", "json")
    assert '"exact":12345678901234567890.123456789' in text
    assert '"hundred":100' in text


def test_json_of_no_rows_is_an_empty_array(data: Path) -> None:
    assert json.loads(answer(data, "select * from events where false", "json")) == []


def test_csv_has_a_header_and_nested_values_as_json(data: Path) -> None:
    header, first, _ = csv.reader(io.StringIO(answer(data, "select * from events order by event_id", "csv")))
    assert header[:4] == ["event_id", "seen", "day", "price"]
    assert first[:4] == ["a", "2026-01-02T03:04:05.678000Z", "2026-01-02", "12.5"]
    assert json.loads(first[-1]) == [{"name": "x,y", "price": 1.1}]
    assert json.loads(first[header.index("why")])[0]["errors"] == [{"path": "$.a"}, 7]


def test_tables_show_rows_and_their_number(data: Path) -> None:
    text = answer(data, "select event_id, price from events order by 1", "table")
    assert "event_id" in text
    assert "12.5" in text
    assert "2 rows" in text


def test_wide_rows_are_shown_a_column_a_line(data: Path) -> None:
    columns = ", ".join(f"{number} as c{number}" for number in range(20)) + ", null as empty"
    text = answer(data, f"select {columns}", "table")
    assert "c19    19" in text
    assert "empty" not in text


@pytest.mark.parametrize("statement", ["show tables", "describe events", "summarize select 1", "explain select 1", "from events"])
def test_looking_around_is_reading(data: Path, statement: str) -> None:
    answer(data, statement, "table")


@pytest.mark.parametrize(
    "statement",
    [
        "drop table events",
        "insert into events (event_id) values ('c')",
        "update events set event_id = 'x'",
        "delete from events",
        "create table t (i int)",
        "copy events to '/tmp/stolen.csv'",
        "attach 'x.db'",
        "select 1; drop table events",
        "set threads = 1",
        "install httpfs",
    ],
)
def test_nothing_but_reading_is_possible(data: Path, statement: str) -> None:
    with pytest.raises(Refused, match=r"reading|one statement"):
        query(configuration.read(None, data), statement)
    assert query(configuration.read(None, data), "select count(*) as n from events") == [{"n": 2}]


@pytest.mark.parametrize("statement", ["", "selec 1", "select nothing from events", "select * from nowhere", "select 1/'x'"])
def test_a_wrong_statement_is_refused_in_one_line(data: Path, statement: str) -> None:
    with pytest.raises(Refused) as raised:
        query(configuration.read(None, data), statement)
    assert "\n" not in str(raised.value)


def test_a_refusal_is_a_line_and_code_1(data: Path) -> None:
    done = run(data, "select nothing from events", "json")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "nothing" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_warehouse_yet_is_said(tmp_path: Path) -> None:
    done = run(tmp_path, "select 1", "table")
    assert done.returncode == 1
    assert "nothing has been loaded" in done.stderr
