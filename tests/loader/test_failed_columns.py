"""Typed columns of `failed_events`: what fits its schema is typed, whoever told of the failure; the rest is JSON, and no harm."""

import json
import os
import threading
from typing import Any

import pytest
from bad_rows import schema_violation
from pipeline import eventually
from registry_doubles import DOWN, Remote

from backbone import tsv
from backbone.iglu.configuration import BUNDLED
from backbone.iglu.registries import FolderRegistry, Place
from backbone.iglu.resolver import Resolver
from backbone.selfdescribing import SelfDescribing, parse_key
from loader.warehouses import ducklake, ducklake_upkeep
from loader.warehouses.ducklake import DuckLake
from loader.warehouses.ducklake_catalog import open_writer

CART, USER = "iglu:com.acme/cart/jsonschema/1-0-0", "iglu:com.acme/user/jsonschema/1-0-0"
CLICK = "iglu:com.acme/click/jsonschema/1-0-0"
FAILURE = "iglu:com.snowplowanalytics.snowplow/failure/jsonschema/1-0-0"
FAILURES = "contexts_com_snowplowanalytics_snowplow_failure_1"
EVENT_ID = "0f0e0d0c-0b0a-4908-8706-050403020100"
TEXT, INTEGER = {"type": "string"}, {"type": "integer"}
WHY = {
    "failureType": "ValidationError",
    "errors": [{"message": "m", "source": "contexts", "path": "$.a"}, {"message": "n"}],
    "schema": CART,
    "data": {"a": 1.5},
    "timestamp": "2026-01-01T10:00:01.000Z",
    "componentName": "snowmelt-enricher",
    "componentVersion": "0.1.0",
}


@pytest.fixture(autouse=True)
def known_schemas(station: Any, schemas: Any) -> None:
    """`user` and `click`; and `failure`, which comes with the product."""
    schemas.put(USER, properties={"name": TEXT, "age": INTEGER}, required=["name"])
    schemas.put(CLICK, properties={"x": INTEGER})
    station.resolver = Resolver([FolderRegistry(Place("test"), schemas.folder), FolderRegistry(Place("bundled", 1), BUNDLED)])


def contexts(*pairs: tuple[str, Any]) -> str:
    return tsv.contexts_text([SelfDescribing(parse_key(uri), data) for uri, data in pairs])


def bad_row(**columns: Any) -> bytes:
    return schema_violation(CART, {"e": "ue"}, event_id=EVENT_ID, **columns)


def columns_of(station: Any, table: str) -> set[str]:
    return set(station.reader.table(table).columns)


def test_what_the_loader_refuses_is_typed_as_far_as_it_fits(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(CART, properties={"n": INTEGER})
    users = [(USER, {"name": "Ann", "age": 5}), (USER, {"name": 7}), (USER, {"name": "Bob"})]
    station.load_lines(line(entities=[*users, (CART, {"n": "x"})], event=(CLICK, {"x": 3})))
    row = station.one(
        "SELECT contexts_com_acme_user_1, contexts_com_acme_cart_1, unstruct_event_com_acme_click_1, contexts FROM failed_events"
    )
    ann, bob = ({"_schema_version": "1-0-0", "name": name, "age": age} for name, age in (("Ann", 5), ("Bob", None)))
    assert row[:3] == ([ann, bob], None, {"x": 3})
    assert [entity["data"] for entity in json.loads(row[3])["data"]] == [data for _, data in users] + [{"n": "x"}]


@pytest.mark.parametrize("stream", ["failed", "bad"])
def test_failure_entities_are_typed_whoever_tells_of_them(station: Any, line: Any, stream: str) -> None:
    about = {
        "failed": line(event_id=EVENT_ID, derived=[(FAILURE, WHY)]),
        "bad": bad_row(derived_contexts=contexts((FAILURE, WHY))),
    }
    station.send((stream, about[stream]))
    station.load()
    (failure,) = station.one(f"SELECT {FAILURES} FROM failed_events")
    assert [json.loads(error) for error in failure["errors"]] == WHY["errors"]
    assert failure["timestamp"].isoformat() == "2026-01-01T10:00:01+00:00"
    assert (failure["failure_type"], failure["schema"], failure["data"]) == ("ValidationError", CART, '{"a":1.5}')
    query = f"SELECT error ->> 'message' FROM failed_events, unnest({FAILURES}) AS f(why), unnest(why.errors) AS e(error)"
    assert sorted(station.sql(query)) == [("m",), ("n",)]


@pytest.mark.parametrize("order", [("failed", "bad"), ("bad", "failed")], ids=lambda pair: "-then-".join(pair))
@pytest.mark.parametrize("split", [False, True], ids=["one-batch", "two-batches"])
def test_each_half_of_a_failure_completes_the_other(station: Any, line: Any, order: Any, split: bool) -> None:
    entities = [(USER, {"name": "Ann"})]
    halves = {
        "failed": line(event_id=EVENT_ID, entities=entities, page_title="title", app_id="line"),
        "bad": bad_row(derived_contexts=contexts((FAILURE, WHY)), app_id="bad", page_url="url"),
    }
    for stream in order:
        station.send((stream, halves[stream]))
        if split:
            station.load()
    station.load()
    names = "app_id, page_title, page_url, kind, attempts, contexts IS NULL, original"
    row = station.one(f"SELECT {names}, contexts_com_acme_user_1[1].name, {FAILURES}[1].schema FROM failed_events")
    assert row == ("bad", "title", "url", "schema_violations", 1, False, halves["bad"].decode(), "Ann", CART)


def test_a_half_that_comes_late_counts_no_attempt_and_is_not_kept_beside_the_other(station: Any, line: Any) -> None:
    late = line(event_id=EVENT_ID, entities=[(USER, {"name": "Ann"})])
    for record in (("bad", bad_row()), ("failed", late), ("failed", late), ("bad", bad_row())):
        station.send(record)
        station.load()
    assert station.sql("SELECT attempts, kind FROM failed_events") == [(2, "schema_violations")]


def test_columns_grow_and_what_breaks_them_is_recovered(station: Any, schemas: Any, line: Any) -> None:
    schemas.put("iglu:com.acme/user/jsonschema/1-0-1", properties={"name": TEXT, "age": INTEGER, "vip": {"type": "boolean"}})
    schemas.put("iglu:com.acme/user/jsonschema/1-0-2", properties={"name": TEXT, "age": TEXT})
    for at, data in enumerate(({"name": "a", "age": 1}, {"name": "b", "vip": True}, {"name": "c", "age": "old"})):
        station.send(("failed", line(entities=[(f"iglu:com.acme/user/jsonschema/1-0-{at}", data)], app_id=str(at))))
        station.load()
    rows = station.sql("SELECT contexts_com_acme_user_1 FROM failed_events ORDER BY app_id")
    ages = [None if users is None else (users[0]["age"], users[0]["vip"]) for (users,) in rows]
    assert ages == [(1, None), (None, True), None]
    (recovered,) = (name for name in columns_of(station, "failed_events") if "_recovered_1_0_2_" in name)
    assert station.one(f"SELECT {recovered}[1].age FROM failed_events WHERE app_id = '2'") == "old"


def test_each_table_grows_by_its_own_data(station: Any, line: Any) -> None:
    station.send(("failed", line(entities=[(USER, {"name": "Ann"})])), ("enriched", line(event=(CLICK, {"x": 1}))))
    station.load()
    user, click = "contexts_com_acme_user_1", "unstruct_event_com_acme_click_1"
    assert {user, click} & columns_of(station, "events") == {click}
    assert {user, click} & columns_of(station, "failed_events") == {user}


def test_entities_without_a_schema_stay_json(station: Any, line: Any) -> None:
    station.send(("failed", line(entities=[("iglu:com.acme/nope/jsonschema/1-0-0", {"a": 1}), (USER, {"name": "Ann"})])))
    station.load()
    assert station.one("SELECT json_array_length(contexts, '$.data'), len(contexts_com_acme_user_1) FROM failed_events") == (2, 1)


def test_a_registry_that_is_down_leaves_json_and_does_not_hold_the_batch(station: Any, line: Any) -> None:
    remote = Remote("down", lambda key: DOWN)
    station.resolver = Resolver([remote])
    station.send(("failed", line(entities=[(USER, {"name": "Ann"})])), ("enriched", line()))
    station.load()
    assert remote.asked
    assert station.one("SELECT count(*) FROM events") == 1
    assert station.one("SELECT contexts IS NOT NULL FROM failed_events") is True
    assert "contexts_com_acme_user_1" not in columns_of(station, "failed_events")


def test_a_registry_that_hangs_is_not_waited_for_and_what_it_says_later_counts(station: Any, line: Any) -> None:
    answers, asked = threading.Event(), threading.Event()

    def hang(key: Any) -> Any:
        asked.set()
        answers.wait(60)
        return {"type": "object", "properties": {"name": TEXT}}

    station.resolver = Resolver([Remote("slow", hang)])
    station.send(("failed", line(entities=[(USER, {"name": "Ann"})], app_id="1")))
    station.load()
    assert asked.is_set()
    assert station.one("SELECT contexts IS NOT NULL FROM failed_events") is True
    answers.set()

    def later_rows_are_typed() -> bool:
        station.send(("failed", line(entities=[(USER, {"name": "Bob"})], app_id="2")))
        station.load()
        return "contexts_com_acme_user_1" in columns_of(station, "failed_events")

    eventually(later_rows_are_typed, 30)
    assert ("Bob",) in station.sql("SELECT contexts_com_acme_user_1[1].name FROM failed_events WHERE app_id = '2'")


def test_a_schema_that_trips_the_loader_up_leaves_json(station: Any, line: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: Any) -> None:
        raise RecursionError

    monkeypatch.setattr("loader.columns.family_columns", stumble)
    station.send(("failed", line(entities=[(USER, {"name": "Ann"})])))
    station.load()
    assert station.one("SELECT contexts IS NOT NULL FROM failed_events") is True


def test_a_table_that_is_wide_enough_gets_no_more_columns(station: Any, line: Any) -> None:
    fields = 11 + 128 + 3 + 4  # own, atomic, JSON; a user is a struct of three
    station.max_fields = fields
    station.send(("failed", line(entities=[(USER, {"name": "Ann"})], event=(CLICK, {"x": 1}))))
    station.load()
    station.send(("failed", line(entities=[(USER, {"name": "Bob"})], event=(CLICK, {"x": 1}))))
    station.load()
    assert station.sql("SELECT DISTINCT len(contexts_com_acme_user_1), unstruct_event IS NULL FROM failed_events") == [(1, False)]
    assert "unstruct_event_com_acme_click_1" not in columns_of(station, "failed_events")


def test_a_value_that_the_warehouse_refuses_stays_json(
    station: Any, schemas: Any, line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here a date made impossible on its way."""
    schemas.put(CART, properties={"d": {"type": "string", "format": "date"}})
    real = ducklake.date_text
    monkeypatch.setattr(ducklake, "date_text", lambda days: "no date" if days == 0 else real(days))
    for day in ("2026-01-01", "1970-01-01"):
        station.send(("failed", line(entities=[(CART, {"d": day}), (USER, {"name": day})], app_id=day)))
    station.send(("enriched", line()))
    station.load()
    query = "SELECT contexts_com_acme_cart_1 IS NULL, contexts_com_acme_user_1 IS NULL, contexts IS NULL FROM failed_events"
    assert station.sql(f"{query} ORDER BY app_id") == [(True, True, False), (False, False, False)]
    assert station.one("SELECT count(*) FROM events") == 1


def test_rows_that_the_warehouse_refuses_are_typed_failures(
    station: Any, schemas: Any, line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    schemas.put(CART, properties={"d": {"type": "string", "format": "date"}})
    monkeypatch.setattr(ducklake, "date_text", lambda days: "no date")
    station.load_lines(line(entities=[(CART, {"d": "2026-01-01"})], event=(CLICK, {"x": 4})))
    row = station.one("SELECT kind, contexts IS NULL, unstruct_event IS NULL FROM failed_events")
    assert row == ("loader_runtime_error", False, False)


def test_a_table_of_an_earlier_version_is_taken_over(station: Any, line: Any) -> None:
    DuckLake(station.folder / "warehouse", 10).close()
    connection, lock = open_writer(station.folder / "warehouse")
    connection.execute("ALTER TABLE failed_events DROP COLUMN remedy")
    connection.execute("INSERT INTO failed_events (failure_key, kind, stage, attempts) VALUES ('old', 'unknown', 'enricher', 1)")
    connection.close()
    os.close(lock)
    station.send(("failed", line(entities=[(USER, {"name": "Ann"})])), ("bad", bad_row()))
    station.load()
    names = "kind, remedy IS NOT NULL, contexts_com_acme_user_1[1].name"
    assert station.sql(f"SELECT {names} FROM failed_events ORDER BY ALL NULLS LAST") == [
        ("schema_violations", True, None),
        ("unknown", False, None),
        (None, False, "Ann"),
    ]


def test_failure_entities_survive_the_merging_of_files(
    station: Any, schemas: Any, line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ducklake_upkeep, "KEPT", "0 seconds")
    schemas.put("iglu:com.acme/user/jsonschema/1-0-1", properties={"name": TEXT, "tags": {"type": "array"}})
    for at in range(4):
        user = (f"iglu:com.acme/user/jsonschema/1-0-{at // 2}", {"name": "Ann", "tags": [1.10, "x"]})
        station.send(("failed", line(entities=[user], derived=[(FAILURE, WHY)])))
        station.load()
    warehouse = DuckLake(station.folder / "warehouse", 10)
    warehouse._upkeep.run()
    warehouse._upkeep.run()
    warehouse.close()
    query = f"SELECT DISTINCT {FAILURES}[1].errors::VARCHAR[], contexts_com_acme_user_1[1].tags::VARCHAR[] FROM failed_events"
    errors = ['{"message":"m","source":"contexts","path":"$.a"}', '{"message":"n"}']
    assert sorted(station.sql(query), key=str) == [(errors, None), (errors, ["1.1", '"x"'])]
