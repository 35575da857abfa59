"""The numbered loader cases about lines, bad rows and accounting; test names carry the numbers.

The list has 86 cases. Others are in test_loader_cases_columns.py and test_loader_cases_values.py. Not tested, with the reason:
10, 11 (latency metrics) and 73 (too many columns) belong to parts with tests of their own; 20, 60, 63, 78 to 83 are about the
streaming, mutating and repeating programs of BigQuery Loader 1; 40, 41 (unknown schemas wait) to waiting rows; 42, 84 to
`loader.skip_schemas` and legacy columns; 70 to 72 and 74 are about BigQuery's writer and its permissions.
"""

import json
from typing import Any

import duckdb
import pytest

from backbone.event import ATOMIC
from loader.enriched import MONEY
from loader.warehouses import ducklake_failed
from loader.warehouses.ducklake import DuckLake
from loader.warehouses.ducklake_catalog import WarehouseUnavailable
from loader.warehouses.protocol import Batch, Stored

CART = "iglu:com.acme/cart/jsonschema/1-0-0"
ATOMIC_KEY = "iglu:com.snowplowanalytics.snowplow/atomic/jsonschema/1-0-0"


def failures(station: Any) -> list[Any]:
    """`failure` of every bad row, in the order in which they came."""
    rows = station.sql("SELECT original FROM failed_events")
    return [json.loads(original)["data"]["failure"] for (original,) in rows]


def test_1_to_4_each_unreadable_line_says_all_that_is_wrong(station: Any, line: Any) -> None:
    station.load_lines(b"nonsense1", b"\t" * 129, line(event_id="x", br_cookies=2), line(v_etl=""))
    found = failures(station)
    assert found[:2] == [{"type": "NotTSV"}, {"type": "FieldNumberMismatch", "fieldCount": 130}]
    assert [failure["type"] for failure in found[2:]] == ["RowDecodingError"] * 2
    kinds = [[(error["type"], error["key"]) for error in failure["errors"]] for failure in found[2:]]
    assert kinds == [[("InvalidValue", "event_id"), ("InvalidValue", "br_cookies")], [("InvalidValue", "v_etl")]]
    assert "cannot be empty" in found[3]["errors"][0]["message"]


def test_5_good_and_bad_lines_are_counted_and_acknowledged_together(station: Any, line: Any) -> None:
    for _ in range(3):
        station.send(("enriched", line()), ("enriched", b"bad 1"), ("enriched", line()), ("enriched", line(event_id="")))
    station.load()
    assert (station.totals.loaded, station.one("SELECT count(*) FROM events")) == (6, 6)
    # The same unreadable line three times is one failure with three attempts.
    assert station.one("SELECT sum(attempts)::INT FROM failed_events") == 6
    station.load()
    assert (station.totals.loaded, station.totals.failed, station.totals.duplicates) == (0, 0, 0)


def test_6_a_minimal_event_has_every_atomic_column_and_its_time_of_loading(station: Any, line: Any) -> None:
    station.load_lines(line())
    names = list(station.columns())
    assert names == [*(field.name for field in ATOMIC), "load_tstamp"]
    assert len(names) == 129
    row = dict(zip(names, station.one("SELECT * FROM events"), strict=True))
    filled = {"collector_tstamp", "event_id", "v_collector", "v_etl", "load_tstamp"}
    assert {name for name, value in row.items() if value is not None} == filled


def test_7_money_is_decimal(station: Any, line: Any) -> None:
    station.load_lines(line(tr_total="12.34"))
    assert station.one("SELECT tr_total = 12.34::DECIMAL(18, 2), typeof(tr_total) FROM events") == (True, "DECIMAL(38,9)")


def test_8_money_with_too_many_decimals_is_named_column_by_column(station: Any, line: Any) -> None:
    station.load_lines(line(**dict.fromkeys(MONEY, "12.3456")))
    wrong = {"schemaKey": ATOMIC_KEY, "value": 12.3456, "expected": "Decimal(Digits18,2)"}
    assert failures(station) == [[wrong] * 8]


def test_9_money_with_too_many_digits_is_refused_with_its_value(station: Any, line: Any) -> None:
    station.load_lines(line(tr_total="12345678987654321.34"))
    assert '"value":12345678987654321.34,' in station.one("SELECT original FROM failed_events")
    assert failures(station)[0][0]["schemaKey"] == ATOMIC_KEY


def test_39_a_missing_version_and_a_schema_that_is_none_are_told_apart(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(CART, properties={"a": {"type": "string"}})
    schemas.put("iglu:com.acme/broken/jsonschema/1-0-0", properties="text")
    station.settings = station.settings.model_copy(update={"waiting_bytes": 1})  # nothing may wait
    station.load_lines(
        line(entities=[("iglu:com.acme/cart/jsonschema/1-0-9", {})]),
        line(entities=[("iglu:com.acme/broken/jsonschema/1-0-0", {})]),
    )
    (missing,), (broken,) = failures(station)
    assert missing["error"]["error"] == "ResolutionError"
    assert broken == {
        "schemaKey": "iglu:com.acme/broken/jsonschema/1-0-0",
        "message": "Cannot be parsed as JSON Schema AST",
    }


def test_69_of_two_rows_the_one_that_is_refused_fails(
    station: Any, schemas: Any, line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loader.warehouses import ducklake

    schemas.put(CART, properties={"d": {"type": "string", "format": "date"}})
    monkeypatch.setattr(ducklake, "date_text", lambda days: "no date" if days == 0 else "2026-01-01")
    station.load_lines(line(entities=[(CART, {"d": "1970-01-01"})]), line(entities=[(CART, {"d": "2026-01-01"})], app_id="fits"))
    assert station.sql("SELECT app_id FROM events") == [("fits",)]
    assert station.sql("SELECT kind FROM failed_events") == [("loader_runtime_error",)]


def test_75_a_store_that_fails_moves_no_position_and_is_tried_again(
    station: Any, line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, positions = DuckLake.store, []

    def store(self: DuckLake, batch: Batch) -> Stored:
        positions.append(self.positions())
        if len(positions) < 3:
            raise WarehouseUnavailable("no disk left")
        return real(self, batch)

    monkeypatch.setattr(DuckLake, "store", store)
    station.load_lines(line(), b"junk")
    assert positions == [{}, {}, {}]
    assert (station.totals.loaded, station.totals.failed) == (1, 1)


def test_76_rows_land_only_with_the_failures_of_their_batch(station: Any, line: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real, seen = ducklake_failed.FailedTable.upsert, []

    def upsert(self: Any, *arguments: Any) -> Any:
        seen.append(self._run("SELECT count(*) FROM events").fetchone()[0])
        if len(seen) == 1:
            raise duckdb.IOException("no disk left")
        return real(self, *arguments)

    monkeypatch.setattr(ducklake_failed.FailedTable, "upsert", upsert)
    station.load_lines(line(), b"junk")
    assert seen == [1, 1]
    assert station.one("SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM failed_events)") == (1, 1)


def test_77_a_large_bad_row_is_kept_whole(station: Any) -> None:
    station.load_lines(b"x" * 3_000_000)
    assert station.one("SELECT kind, length(enriched_line) FROM failed_events") == ("loader_parsing_error", 3_000_000)


def test_85_a_crash_between_storing_and_acknowledging_loses_and_doubles_nothing(
    station: Any, line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = station.bus.subscribe

    def subscribe(*arguments: Any) -> Any:
        subscription = real(*arguments)
        monkeypatch.setattr(subscription, "ack", _crash)
        return subscription

    monkeypatch.setattr(station.bus, "subscribe", subscribe)
    with pytest.raises(_Crash):
        station.load_lines(line(), line(), b"junk")
    monkeypatch.undo()
    station.load_lines(line())
    assert (station.totals.loaded, station.totals.duplicates) == (1, 0)
    assert station.one("SELECT (SELECT count(*) FROM events), (SELECT sum(attempts)::INT FROM failed_events)") == (3, 1)


class _Crash(Exception):
    pass


def _crash(positions: Any) -> None:
    raise _Crash
