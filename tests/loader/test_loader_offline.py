"""`snowmelt load --from`: the same loader on a file, and a look at what it would load."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backbone import settings
from backbone.errors import ConfigurationError
from loader import offline
from loader.settings import LoaderSettings, WarehouseSettings
from loader.warehouses.ducklake import DuckLake

CART, CARTS = "iglu:com.acme/cart/jsonschema/1-0-0", "contexts_com_acme_cart_1"
TEXT = {"type": "string"}
MOMENT = "2026-03-04T05:06:07.089Z"
MICROS = 1_772_600_767_089_000

Load = Callable[..., list[Any]]


@pytest.fixture
def load(station: Any, tmp_path: Path) -> Load:
    """Runs it on lines; answers the trace."""

    def run(*lines: bytes, end: bytes = b"\n", source: Any = None, limits: Any = None, **options: Any) -> list[Any]:
        flags = {"data.folder": station.folder, "iglu.schemas": [str(station.schemas.folder)]}
        flags |= {f"loader.{name}": value for name, value in (limits or {}).items()}
        chosen = settings.load(None, {"loader": LoaderSettings, "warehouse": WarehouseSettings}, environment={}, flags=flags)
        file, trace = tmp_path / "lines.tsv", tmp_path / "trace.jsonl"
        file.write_bytes(b"".join(line + end for line in lines))
        offline.run(chosen, source or str(file), trace=trace, **options)
        return [json.loads(text) for text in trace.read_text("utf-8").splitlines()]

    return run


def outcomes(trace: list[Any]) -> list[str]:
    return [next(kind for kind in ("row", "bad") if kind in told) for told in trace]


def test_each_line_lands_and_is_traced(load: Load, station: Any, schemas: Any, line: Any) -> None:
    schemas.put(CART, properties={"a": TEXT})
    good, unknown = line(entities=[(CART, {"a": "x"})]), line(entities=[("iglu:com.acme/nope/jsonschema/1-0-0", {})])
    trace = load(good, b"junk", unknown, load_tstamp=MOMENT)
    assert [told["line"] for told in trace] == [1, 2, 3]
    assert trace[0]["row"][CARTS] == [{"_schema_version": "1-0-0", "a": "x"}]
    assert [told["bad"]["schema"].split("/")[1] for told in trace[1:]] == ["loader_parsing_error", "loader_iglu_error"]
    assert station.one(f"SELECT {CARTS}[1].a, epoch_us(load_tstamp) FROM events") == ("x", MICROS)
    assert station.one("SELECT count(*) FROM failed_events") == 2


@pytest.mark.parametrize("batch_records", [1, 1000])
def test_loading_a_file_again_doubles_nothing(load: Load, station: Any, line: Any, batch_records: int) -> None:
    lines = [line(), line(event_fingerprint="f"), b"junk"]
    lines.append(lines[0])
    for moment in (MOMENT, None, "1999-01-01"):
        load(*lines, limits={"batch_records": batch_records}, load_tstamp=moment)
    assert station.one("SELECT count(*), count(DISTINCT load_tstamp) FROM events") == (2, 1)
    assert station.one("SELECT count(*) FROM failed_events") == 1


def test_rows_given_a_time_before_all_others_are_recognised_within_the_same_run(load: Load, station: Any, line: Any) -> None:
    load(line())
    again = line(page_title="no fingerprint")
    load(again, again, limits={"batch_records": 1}, load_tstamp="1999-01-01T00:00:00+02:00")
    assert station.sql("SELECT count(*), min(load_tstamp)::VARCHAR FROM events") == [(2, "1998-12-31 22:00:00+00")]


def test_the_whole_file_decides_the_columns_however_small_the_portions(load: Load, schemas: Any, line: Any) -> None:
    for at, kind in enumerate(("string", "boolean")):
        schemas.put(f"iglu:com.acme/cart/jsonschema/1-0-{at}", properties={"a": {"type": kind}, f"b{at}": TEXT})
    schemas.put("iglu:com.acme/click/jsonschema/1-0-0", properties={"a": TEXT})
    entities = [[(CART, {"a": "x"})], [("iglu:com.acme/cart/jsonschema/1-0-1", {"a": True})]]
    lines = [line(), *(line(entities=own) for own in entities), line(event=("iglu:com.acme/click/jsonschema/1-0-0", {}))]
    trace = load(*lines, limits={"batch_records": 1}, dry_run=True)
    columns = [{name for name in told["row"] if name.startswith(("contexts_", "unstruct_"))} for told in trace]
    assert len(columns[0]) == 3
    assert all(found == columns[0] for found in columns)
    assert all(trace[0]["row"][name] is None for name in columns[0])


@pytest.mark.parametrize("target", ["ducklake", "bigquery"])
def test_a_field_that_comes_late_in_a_long_file_is_no_other_column(
    load: Load, schemas: Any, line: Any, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    schemas.put(CART, properties={"a": TEXT})
    schemas.put("iglu:com.acme/cart/jsonschema/1-0-1", properties={"a": TEXT, "b": TEXT})
    lines = [line(entities=[(CART, {"a": "x"})])] * 300
    trace = load(*lines, line(entities=[("iglu:com.acme/cart/jsonschema/1-0-1", {"b": "y"})]), dry_run=True, target=target)
    assert [name for name in trace[0]["row"] if name.startswith("contexts_")] == [CARTS]
    assert trace[-1]["row"][CARTS] == [{"_schema_version": "1-0-1", "b": "y"}]
    assert capsys.readouterr().out.splitlines()[1:] == [f"new column: {CARTS}"]


def test_a_dry_run_stores_nothing_and_needs_no_warehouse(load: Load, station: Any, line: Any) -> None:
    assert outcomes(load(line(), b"junk", dry_run=True)) == ["row", "bad"]
    assert not (station.folder / "warehouse").exists()


def test_a_dry_run_shows_the_columns_the_table_has_taken(load: Load, station: Any, schemas: Any, line: Any) -> None:
    schemas.put(CART, properties={"a": TEXT})
    station.load_lines(line(entities=[(CART, {"a": "text"})]))
    schemas.put(CART, properties={"a": {"type": "integer"}})
    (told,) = load(line(entities=[(CART, {"a": 5})]), dry_run=True)
    (column,) = [name for name in told["row"] if name.startswith("contexts_")]
    assert column.startswith(f"{CARTS}_recovered_1_0_0_")
    assert station.one("SELECT count(*) FROM events") == 1


@pytest.mark.parametrize("target", ["ducklake", "bigquery"])
def test_values_are_shown_in_forms_that_can_be_compared(load: Load, schemas: Any, line: Any, target: str) -> None:
    decimal = {"type": "number", "multipleOf": 0.01, "minimum": 0, "maximum": 500}
    times = {"at": {"type": "string", "format": "date-time"}, "day": {"type": "string", "format": "date"}}
    schemas.put("iglu:com.acme/all/jsonschema/1-0-0", properties={**times, "money": decimal, "any": {}, "none": TEXT})
    data = {"at": "2026-01-01T10:00:00.123456+01:00", "day": "1970-01-03", "money": 1.5, "any": {"a": [1]}, "none": None}
    event = line(
        event=("iglu:com.acme/all/jsonschema/1-0-0", data), tr_total="12.3", se_value="1e2", etl_tstamp="2026-01-01 10:00:00.5"
    )
    (told,) = load(event, dry_run=True, target=target, load_tstamp=MOMENT)
    assert told["row"]["unstruct_event_com_acme_all_1"] == {
        "any": '{"a":[1]}',
        "at": 1_767_258_000_123_000,
        "day": 2,
        "money": "1.50",
    }
    shown = {name: told["row"][name] for name in ("tr_total", "se_value", "etl_tstamp", "collector_tstamp", "load_tstamp")}
    assert shown == {
        "tr_total": "12.30",
        "se_value": 100.0,
        "etl_tstamp": 1_767_261_600_500_000,
        "collector_tstamp": 1_767_261_600_000_000,
        "load_tstamp": MICROS,
    }


@pytest.mark.parametrize(("target", "outcome"), [("ducklake", "row"), ("bigquery", "bad")])
def test_a_list_of_lists_is_a_row_where_the_warehouse_knows_them(
    load: Load, schemas: Any, line: Any, target: str, outcome: str
) -> None:
    schemas.put(CART, properties={"deep": {"type": "array", "items": {"type": "array", "items": TEXT}}})
    (told,) = load(line(entities=[(CART, {"deep": [["x"]]})]), dry_run=True, target=target)
    assert outcomes([told]) == [outcome]
    if outcome == "bad":
        assert told["bad"]["data"]["failure"] == f"{CARTS}.deep: a list within a list cannot be stored"


def test_a_row_the_warehouse_refuses_is_traced_as_bad(
    load: Load, station: Any, schemas: Any, line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loader.warehouses import ducklake

    schemas.put(CART, properties={"d": {"type": "string", "format": "date"}})
    monkeypatch.setattr(ducklake, "date_text", lambda days: "no date" if days == 0 else "2026-01-01")
    days = ["2026-01-01", "1970-01-01", "2026-01-03"]
    trace = load(b"junk", *(line(entities=[(CART, {"d": day})]) for day in days))
    assert outcomes(trace) == ["bad", "row", "bad", "row"]
    assert "loader_runtime_error" in trace[2]["bad"]["schema"]
    assert station.one("SELECT count(*) FROM events") == 2


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_lines_end_as_files_have_it(load: Load, line: Any, end: bytes) -> None:
    trace = load(line(), b"", line(true_tstamp="2026-01-01 10:00:00.000"), end=end, dry_run=True)
    assert outcomes(trace) == ["row", "bad", "row"]


def test_the_last_line_may_lack_its_end(load: Load, line: Any, tmp_path: Path) -> None:
    (tmp_path / "open.tsv").write_bytes(line() + b"\n" + line())
    assert outcomes(load(source=str(tmp_path / "open.tsv"), dry_run=True)) == ["row", "row"]


def test_bytes_that_are_no_text_do_not_stop_it(load: Load, line: Any) -> None:
    (told,) = load(line(page_title="@").replace(b"@", b"\xff\x00\xed\xa0\x80"), dry_run=True)
    assert told["row"]["page_title"].startswith("\ufffd\x00")


def test_a_pipe_can_be_read(load: Load, line: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.write(write, line() + b"\njunk\n")
    os.close(write)
    with os.fdopen(read) as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        assert outcomes(load(source="-", dry_run=True)) == ["row", "bad"]


def test_the_loader_goes_on_where_it_was(load: Load, station: Any, line: Any) -> None:
    station.load_lines(line(), line())
    load(line())
    station.load_lines(line())
    assert station.totals.duplicates == 0
    assert station.one("SELECT count(*) FROM events") == 4


def test_a_running_loader_is_not_disturbed(load: Load, station: Any, line: Any) -> None:
    warehouse = DuckLake(station.folder / "warehouse", 10)
    try:
        with pytest.raises(ConfigurationError, match="another loader is writing"):
            load(line())
        assert outcomes(load(line(), dry_run=True)) == ["row"]
    finally:
        warehouse.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": "bigquery"}, "--dry-run"),
        ({"load_tstamp": "yesterday"}, "--load-tstamp"),
        ({"source": "nowhere.tsv"}, "nowhere.tsv"),
        ({"schemas": [Path("nowhere")]}, "--schemas"),
    ],
    ids=["bigquery", "no-time", "no-file", "no-folder"],
)
def test_what_cannot_be_done_is_said_before_anything_is(load: Load, station: Any, line: Any, options: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load(line(), **options)
    assert not (station.folder / "warehouse").exists()
