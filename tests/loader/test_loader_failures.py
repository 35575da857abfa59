"""What does not fit becomes exactly one failed event, and never holds or fails its batch."""

import json
from typing import Any

import pytest

from backbone.event import COLUMNS

CART = "iglu:com.acme/cart/jsonschema/1-0-0"
FAILURE = "iglu:com.snowplowanalytics.snowplow/failure/jsonschema/1-0-0"
BADROWS = "iglu:com.snowplowanalytics.snowplow.badrows"
EVENT_ID = "0f0e0d0c-0b0a-4908-8706-050403020100"
TEXT = {"type": "string"}


def bad_row(event_id: str = EVENT_ID, value: str = "x", sent: str = "1", **enriched: Any) -> bytes:
    """A schema violation as the enricher writes it."""
    columns = {**dict.fromkeys(COLUMNS), "event_id": event_id, "app_id": "shop", **enriched}
    raw = {
        "vendor": "com.snowplowanalytics.snowplow",
        "version": "tp2",
        "parameters": [{"name": "e", "value": "ue"}, {"name": "v", "value": value}, {"name": "stm", "value": sent}],
        "contentType": None,
        "loaderName": "ssc-3.4.0",
        "encoding": "UTF-8",
        "hostname": None,
        "timestamp": "2026-01-01T10:00:00.000Z",
        "ipAddress": None,
        "useragent": None,
        "refererUri": None,
        "headers": [],
        "userId": None,
    }
    report = {"message": "m", "path": "$.a", "keyword": "type", "targets": ["string"]}
    message = {"schemaKey": CART, "error": {"error": "ValidationError", "dataReports": [report]}}
    failure = {"timestamp": "2026-01-01T10:00:01.000Z", "messages": [message]}
    data = {
        "processor": {"artifact": "snowmelt-enricher", "version": "0.1.0"},
        "failure": failure,
        "payload": {"enriched": columns, "raw": raw},
    }
    return json.dumps({"schema": f"{BADROWS}/schema_violations/jsonschema/2-0-1", "data": data}).encode()


def payload_row(moment: str = "2026-01-01T10:00:00.000Z") -> bytes:
    """A request without events; the payload is replayable."""
    payload = {
        "vendor": "com.acme",
        "version": "v1",
        "querystring": [],
        "contentType": "application/json",
        "body": "{}",
        "collector": "ssc",
        "encoding": "UTF-8",
        "hostname": None,
        "timestamp": "2026-01-01T09:59:00.000Z",
        "ipAddress": None,
        "useragent": None,
        "refererUri": None,
        "headers": [],
        "networkUserId": None,
    }
    failure = {"timestamp": moment, "vendor": "com.acme", "version": "v1", "messages": []}
    data = {"processor": {"artifact": "snowmelt-enricher", "version": "0.1.0"}, "failure": failure, "payload": payload}
    return json.dumps({"schema": f"{BADROWS}/adapter_failures/jsonschema/1-0-0", "data": data}).encode()


def failed_line(line: Any, **fields: Any) -> bytes:
    made: bytes = line(event_id=EVENT_ID, derived=[(FAILURE, {"failureType": "x"})], **fields)
    return made


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
        line(entities=[("iglu:com.acme/nope/jsonschema/1-0-0", {})]),
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
    data = line(entities=[("iglu:com.acme/nope/jsonschema/1-0-0", {"a": "x"})], tr_total="12.34", page_url="https://a.example/")
    station.load_lines(data)
    kept, url, total, payload = station.one("SELECT enriched_line, page_url, tr_total::VARCHAR, original FROM failed_events")
    assert (kept.encode(), url, total) == (data, "https://a.example/", "12.340000000")
    event = json.loads(payload)["data"]["payload"]
    assert list(event) == list(COLUMNS)
    assert event["collector_tstamp"] == "2026-01-01T10:00:00.000Z"
    assert event["derived_contexts"] == {}
    assert event["contexts"]["data"][0]["data"] == {"a": "x"}


@pytest.mark.parametrize("order", [("failed", "bad"), ("bad", "failed")], ids=lambda pair: "-then-".join(pair))
@pytest.mark.parametrize("split", [False, True], ids=["one-pull", "two-pulls"])
@pytest.mark.parametrize("fingerprint", [None, "abc"], ids=["no-fingerprint", "fingerprint"])
def test_an_event_that_failed_in_the_enricher_is_one_row(
    station: Any, line: Any, order: Any, split: bool, fingerprint: str | None
) -> None:
    halves = {
        "failed": failed_line(line, event_fingerprint=fingerprint, app_id="shop", tr_total="5.00"),
        "bad": bad_row(event_fingerprint=fingerprint),
    }
    for stream in order:
        station.send((stream, halves[stream]))
        if split:
            station.load()
    station.load()
    row = station.one(
        "SELECT event_id, app_id, kind, stage, schema, attempts, original, derived_contexts, failed_tstamp FROM failed_events"
    )
    assert row[:6] == (EVENT_ID, "shop", "schema_violations", "enricher", CART, 1)
    assert row[6].encode() == halves["bad"]
    assert row[8].isoformat() == "2026-01-01T10:00:01+00:00"
    assert station.one("SELECT reason <> '' AND remedy <> '' FROM failed_events")


def test_a_bad_row_alone_suffices(station: Any) -> None:
    station.send(("bad", bad_row(page_url="https://a.example/", txn_id="5", collector_tstamp="2026-01-01 10:00:00.000")))
    station.load()
    assert station.one("SELECT event_id, page_url, txn_id, year(collector_tstamp) FROM failed_events") == (
        EVENT_ID,
        "https://a.example/",
        5,
        2026,
    )


def test_a_size_violation_takes_the_identity_of_the_failed_line_before_it(station: Any, line: Any) -> None:
    failure = {"timestamp": "2026-01-01T10:00:00.000Z", "maximumAllowedSizeBytes": 1, "actualSizeBytes": 2, "expectation": "e"}
    data = {"processor": {"artifact": "snowmelt-enricher", "version": "0.1.0"}, "failure": failure, "payload": "cut"}
    violation = json.dumps({"schema": f"{BADROWS}/size_violation/jsonschema/1-0-0", "data": data}).encode()
    station.send(("failed", failed_line(line)), ("bad", violation))
    station.load()
    assert station.one("SELECT event_id, kind FROM failed_events") == (EVENT_ID, "size_violation")


@pytest.mark.parametrize("split", [False, True], ids=["one-pull", "two-pulls"])
def test_the_same_failure_again_counts_an_attempt(station: Any, split: bool) -> None:
    station.send(("bad", bad_row(sent="1")))
    if split:
        station.load()
    station.send(("bad", bad_row(sent="2")))
    station.load()
    assert station.one("SELECT attempts FROM failed_events") == 2


def test_failures_with_one_id_and_different_content_are_both_kept(station: Any) -> None:
    station.send(("bad", bad_row(value="one")), ("bad", bad_row(value="two")))
    station.load()
    assert station.one("SELECT count(*) FROM failed_events") == 2


def test_a_payload_that_fails_twice_is_one_row(station: Any) -> None:
    station.send(("bad", payload_row("2026-01-01T10:00:00.000Z")))
    station.load()
    station.send(("bad", payload_row("2026-01-02T10:00:00.000Z")))
    station.load()
    assert station.one("SELECT kind, stage, attempts, event_id FROM failed_events") == ("adapter_failures", "enricher", 2, None)


@pytest.mark.parametrize(
    "data", [b"", b"no json", b"[1]", b"\xff\x00", b'{"schema":5,"data":[]}', b'{"data":{"payload":{"enriched":[]}}}']
)
def test_a_bad_row_that_is_none_is_kept_all_the_same(station: Any, data: bytes) -> None:
    station.send(("bad", data))
    station.load()
    assert station.one("SELECT count(*), max(kind) FROM failed_events") == (1, "unknown")


def test_a_failed_line_that_is_none_is_kept_all_the_same(station: Any) -> None:
    station.send(("failed", b"not a line"))
    station.load()
    assert station.one("SELECT original FROM failed_events") == "not a line"


def test_landing_removes_the_failed_row(station: Any, line: Any) -> None:
    station.send(("bad", bad_row()), ("failed", failed_line(line)))
    station.load()
    station.load_lines(line(event_id=EVENT_ID))
    assert station.one("SELECT count(*) FROM failed_events") == 0
    assert station.one("SELECT count(*) FROM events") == 1
    assert station.totals.recovered == 1


def test_landing_of_another_event_with_the_same_id_removes_nothing(station: Any, line: Any) -> None:
    station.send(("bad", bad_row(event_fingerprint="one")))
    station.load()
    station.load_lines(line(event_id=EVENT_ID, event_fingerprint="two"))
    assert station.one("SELECT count(*) FROM failed_events") == 1


def test_an_event_that_fails_after_it_landed_does_not_reappear(station: Any, line: Any) -> None:
    station.load_lines(line(event_id=EVENT_ID, event_fingerprint="same"))
    station.send(("bad", bad_row(event_fingerprint="same")))
    station.load()
    assert station.one("SELECT count(*) FROM failed_events") == 0


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
