"""Lines the loader itself refuses: each becomes one failed event with all its faults, and never holds or fails its batch."""

import json
from typing import Any

import pytest

from backbone.event import COLUMNS

CART = "iglu:com.acme/cart/jsonschema/1-0-0"
EVENT_ID = "0f0e0d0c-0b0a-4908-8706-050403020100"
TEXT = {"type": "string"}


# spec/loader.md §10 cases 1-4
@pytest.mark.parametrize(
    ("data", "failure"),
    [
        (b"nonsense1", {"type": "NotTSV"}),
        (b"\t" * 129, {"type": "FieldNumberMismatch", "fieldCount": 130}),
        (b"", {"type": "NotTSV"}),
        (b"\xff\xfe\t\x00", {"type": "FieldNumberMismatch", "fieldCount": 2}),
    ],
    ids=["one-field", "130-fields", "empty", "binary"],
)
def test_a_line_that_is_no_event_is_a_parsing_error(station: Any, data: bytes, failure: Any) -> None:
    station.load_lines(data)
    kind, original, stage, refused = station.one("SELECT kind, original, stage, enriched_line FROM failed_events")
    assert (kind, stage) == ("loader_parsing_error", "loader")
    assert json.loads(original)["data"]["failure"] == failure
    assert refused == data.decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ({"event_id": "x", "br_cookies": 2}, ["br_cookies", "event_id"]),
        ({"v_etl": ""}, ["v_etl"]),
        ({"event_id": "", "collector_tstamp": ""}, ["collector_tstamp", "event_id"]),
        ({"txn_id": 2**31}, ["txn_id"]),
        ({"domain_sessionidx": "1.5"}, ["domain_sessionidx"]),
        ({"geo_latitude": "NaN"}, ["geo_latitude"]),
        ({"geo_latitude": "1e309"}, ["geo_latitude"]),
        ({"tr_total": "Infinity"}, ["tr_total"]),
        ({"etl_tstamp": "2026-02-30 10:00:00.000"}, ["etl_tstamp"]),
        ({"etl_tstamp": "2026-01-01"}, ["etl_tstamp"]),
        ({"se_value": "abc"}, ["se_value"]),
        ({"br_viewwidth": "１"}, ["br_viewwidth"]),
    ],
    ids=lambda value: "-".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_every_unreadable_cell_is_named(station: Any, line: Any, fields: Any, keys: list[str]) -> None:
    station.load_lines(line(**fields), line())
    failure = json.loads(station.one("SELECT original FROM failed_events"))["data"]["failure"]
    assert failure["type"] == "RowDecodingError"
    assert sorted(error["key"] for error in failure["errors"]) == keys
    assert station.one("SELECT count(*) FROM events") == 1


@pytest.mark.parametrize(
    "text",
    [
        '"x"',
        "{",
        "null",
        '{"schema":"iglu:com.acme/contexts/jsonschema/1-0-0","data":[]}',
        '{"schema":"iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0","data":{}}',
        '{"schema":"iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0","data":[{"schema":"x","data":{}}]}',
        '{"schema":"iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0","data":[{"data":{}}]}',
        '{"schema":"iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0","data":["x"]}',
    ],
    ids=["string", "not-json", "null", "other-schema", "object-of-entities", "bad-uri", "no-schema", "string-entity"],
)
def test_contexts_that_are_none_are_a_parsing_error(station: Any, line: Any, text: str) -> None:
    cells = line().decode().split("\t")
    cells[COLUMNS.index("contexts")] = text
    station.load_lines("\t".join(cells).encode())
    failure = json.loads(station.one("SELECT original FROM failed_events"))["data"]["failure"]
    assert [error["key"] for error in failure["errors"]] == ["contexts"]


# cases 8 and 9
def test_money_with_too_many_decimals_names_every_column(station: Any, line: Any) -> None:
    names = ["tr_total", "tr_tax", "tr_shipping", "ti_price", "tr_total_base", "tr_tax_base", "tr_shipping_base", "ti_price_base"]
    station.load_lines(line(**dict.fromkeys(names, "12.3456")))
    failures = json.loads(station.one("SELECT original FROM failed_events"))["data"]["failure"]
    expected = {
        "schemaKey": "iglu:com.snowplowanalytics.snowplow/atomic/jsonschema/1-0-0",
        "value": 12.3456,
        "expected": "Decimal(Digits18,2)",
    }
    assert failures == [expected] * 8


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("12.34", "12.340000000"),
        ("1234567890123456.78", "1234567890123456.780000000"),
        ("-0.5", "-0.500000000"),
        ("1e3", "1000.000000000"),
    ],
)
def test_money_is_exact(station: Any, line: Any, text: str, stored: str) -> None:
    station.load_lines(line(tr_total=text))
    assert station.one("SELECT tr_total::VARCHAR FROM events") == stored


def test_money_beyond_18_digits_fails_that_event_only(station: Any, line: Any) -> None:
    station.load_lines(line(tr_total="12345678987654321.34"), line(tr_total="1.00"))
    assert station.one("SELECT count(*) FROM events") == 1
    assert station.one("SELECT kind FROM failed_events") == "loader_iglu_error"


# cases 1-5 together: good and bad lines mixed
def test_bad_lines_never_hold_the_good_ones(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(CART, properties={"a": TEXT})
    good = [line(entities=[(CART, {"a": "x"})]) for _ in range(6)]
    bad = [
        b"nonsense1",
        b"nonsense2",
        line(entities=[(CART, {"a": 5})]),
        line(tr_total="12.3456"),
    ]
    station.load_lines(*(record for pair in zip(good, [*bad, b"3", b"4"], strict=True) for record in pair))
    assert station.one("SELECT count(*) FROM events") == 6
    assert station.one("SELECT count(*) FROM failed_events") == 6
    assert station.bus.backlog("loader", ["enriched", "failed", "bad"]) == 0


def test_all_cast_errors_of_an_event_are_in_one_row(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(CART, properties={"a": TEXT, "n": {"type": "integer"}}, required=["a"])
    station.load_lines(line(entities=[(CART, {"n": "x"}), (CART, {"a": 1})], event_id=EVENT_ID, app_id="shop"))
    row = station.one("SELECT kind, schema, app_id, event_id, stage, original FROM failed_events")
    assert row[:5] == ("loader_iglu_error", CART, "shop", EVENT_ID, "loader")
    failures = json.loads(row[5])["data"]["failure"]
    assert [(failure["value"], failure["expected"]) for failure in failures] == [(None, "String"), ("x", "Long"), (1, "String")]


def test_a_failed_event_of_the_loader_keeps_the_line_that_it_refused(station: Any, line: Any) -> None:
    station.settings = station.settings.model_copy(update={"waiting_bytes": 1})
    data = line(entities=[("iglu:com.acme/nope/jsonschema/1-0-0", {"a": "x"})], tr_total="12.34", page_url="https://a.example/")
    station.load_lines(data)
    kept, url, total, payload = station.one("SELECT enriched_line, page_url, tr_total::VARCHAR, original FROM failed_events")
    assert (kept.encode(), url, total) == (data, "https://a.example/", "12.340000000")
    event = json.loads(payload)["data"]["payload"]
    assert list(event) == list(COLUMNS)
    assert event["collector_tstamp"] == "2026-01-01T10:00:00Z"
    assert event["derived_contexts"] == {}
    assert event["contexts"]["data"][0]["data"] == {"a": "x"}


def test_a_row_the_warehouse_refuses_is_isolated(station: Any, schemas: Any, line: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that casting let through and DuckDB does not take: here a date made impossible on its way."""
    from loader.warehouses import ducklake

    schemas.put(CART, properties={"d": {"type": "string", "format": "date"}})
    real = ducklake.date_text
    monkeypatch.setattr(ducklake, "date_text", lambda days: "no date" if days == 0 else real(days))
    days = ["2026-01-01", "1970-01-01", "2026-01-03", "1970-01-01", "2026-01-05"]
    station.load_lines(*(line(entities=[(CART, {"d": day})], app_id=str(at)) for at, day in enumerate(days)))
    assert station.sql("SELECT app_id FROM events ORDER BY 1") == [("0",), ("2",), ("4",)]
    assert station.sql("SELECT app_id, kind FROM failed_events ORDER BY 1") == [
        ("1", "loader_runtime_error"),
        ("3", "loader_runtime_error"),
    ]


def test_hostile_text_is_stored_as_it_is(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(CART, properties={"a": TEXT})
    text = "tab\tquote\"'\\ line\n\r nul\0 \u2028 emoji😀 'x'"
    station.load_lines(line(entities=[(CART, {"a": text})], page_title='it\'s "quoted" \\ 😀'))
    assert station.one("SELECT contexts_com_acme_cart_1[1].a, page_title FROM events") == (text, 'it\'s "quoted" \\ 😀')


def test_lone_surrogates_and_bad_utf8_do_not_fail_the_batch(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(CART, properties={"a": TEXT})
    surrogate = line(entities=[(CART, {"a": "MARK"})]).replace(b"MARK", b"\\ud800")
    station.load_lines(surrogate, line(page_title="MARK").replace(b"MARK", b"\xff"))
    assert station.one("SELECT count(*) FROM events") == 2


def test_a_very_long_line_loads(station: Any, line: Any) -> None:
    station.load_lines(line(page_title="x" * 20_000_000))
    assert station.one("SELECT length(page_title) FROM events") == 20_000_000
