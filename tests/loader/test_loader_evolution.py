"""Columns that appear and grow while rows arrive; breaking changes; clashing names."""

import json
import time
from typing import Any

import pytest

CART = "iglu:com.acme/cart/jsonschema/1-0-0"
COLUMN = "contexts_com_acme_cart_1"
TEXT, NUMBER, INTEGER = {"type": "string"}, {"type": "number"}, {"type": "integer"}


def version(text: str, name: str = "cart") -> str:
    return f"iglu:com.acme/{name}/jsonschema/{text}"


def test_a_new_version_adds_its_field_and_old_rows_show_null(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(version("1-0-0"), properties={"a": TEXT}, required=["a"])
    station.load_lines(line(entities=[(version("1-0-0"), {"a": "old"})], app_id="1"))
    schemas.put(version("1-0-1"), properties={"a": TEXT, "b": INTEGER}, required=["a"])
    station.load_lines(line(entities=[(version("1-0-1"), {"a": "new", "b": 2})], app_id="2"))
    rows = station.sql(f"SELECT {COLUMN} FROM events ORDER BY app_id")
    assert rows == [
        ([{"_schema_version": "1-0-0", "a": "old", "b": None}],),
        ([{"_schema_version": "1-0-1", "a": "new", "b": 2}],),
    ]


def test_one_batch_may_create_a_column_and_use_it_in_several_versions(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(version("1-0-0"), properties={"a": TEXT})
    schemas.put(version("1-1-0"), properties={"a": TEXT, "b": INTEGER})
    station.load_lines(line(entities=[(version("1-0-0"), {"a": "x"}), (version("1-1-0"), {"b": 1})]))
    assert station.one(f"SELECT list_transform({COLUMN}, x -> x._schema_version) FROM events") == ["1-0-0", "1-1-0"]


@pytest.mark.parametrize(
    ("grown", "data", "query", "expected"),
    [
        ({"deep": {"type": "object", "properties": {"x": TEXT, "y": TEXT}}}, {"deep": {"y": "new"}}, "deep.y", "new"),
        (
            {"list": {"type": "array", "items": {"type": "object", "properties": {"p": TEXT, "q": INTEGER}}}},
            {"list": [{"q": 7}]},
            "list[1].q",
            7,
        ),
    ],
    ids=["field-of-a-struct", "field-of-a-list-of-structs"],
)
def test_nested_fields_grow_in_place(
    station: Any, schemas: Any, line: Any, grown: Any, data: Any, query: str, expected: Any
) -> None:
    first = {
        "deep": {"type": "object", "properties": {"x": TEXT}},
        "list": {"type": "array", "items": {"type": "object", "properties": {"p": TEXT}}},
    }
    schemas.put(version("1-0-0"), properties=first)
    station.load_lines(line(entities=[(version("1-0-0"), {"deep": {"x": "old"}, "list": [{"p": "old"}]})]))
    schemas.put(version("1-0-1"), properties={**first, **grown})
    station.load_lines(line(entities=[(version("1-0-1"), data)], app_id="new"))
    assert station.one(f"SELECT {COLUMN}[1].{query} FROM events WHERE app_id = 'new'") == expected
    assert station.one(f"SELECT {COLUMN}[1].deep.x FROM events WHERE app_id IS NULL") == "old"


def test_models_have_columns_of_their_own(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(version("1-0-0"), properties={"a": TEXT})
    schemas.put(version("2-0-0"), properties={"a": INTEGER})
    station.load_lines(line(entities=[(version("1-0-0"), {"a": "x"}), (version("2-0-0"), {"a": 1})]))
    assert station.one("SELECT contexts_com_acme_cart_1[1].a, contexts_com_acme_cart_2[1].a FROM events") == ("x", 1)


def test_a_breaking_version_goes_to_a_recovery_column_and_holds_no_other_row(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(version("1-0-0"), properties={"a": TEXT})
    schemas.put(version("1-0-1"), properties={"a": NUMBER})
    station.load_lines(
        line(entities=[(version("1-0-0"), {"a": "text"})], app_id="fits"),
        line(entities=[(version("1-0-1"), {"a": 1.5})], app_id="breaks"),
    )
    recovery = next(name for name in station.columns() if name.startswith(f"{COLUMN}_recovered_1_0_1_"))
    assert station.sql(f"SELECT app_id, {COLUMN}[1].a, {recovery}[1].a FROM events ORDER BY app_id") == [
        ("breaks", None, 1.5),
        ("fits", "text", None),
    ]


def test_recovery_columns_carry_the_hash_that_snowplow_gives(station: Any, schemas: Any, line: Any) -> None:
    for at, kind in enumerate(("string", "number", "boolean")):
        schemas.put(version(f"1-0-{at}", "badevo"), properties={"col_a": {"type": kind}}, required=["col_a"])
    values = ("x", 1.5, True)
    station.load_lines(*(line(event=(version(f"1-0-{at}", "badevo"), {"col_a": value})) for at, value in enumerate(values)))
    recovered = [name for name in station.columns() if "_recovered_" in name]
    assert recovered == [
        "unstruct_event_com_acme_badevo_1_recovered_1_0_1_e7cf2565",
        "unstruct_event_com_acme_badevo_1_recovered_1_0_2_cacf6738",
    ]


def test_a_type_changed_without_a_new_version_is_stored_beside_the_old_column(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(CART, properties={"a": TEXT})
    station.load_lines(line(entities=[(CART, {"a": "text"})]))
    schemas.put(CART, properties={"a": INTEGER})  # seen by the resolver only when it looks again
    station.load_lines(line(entities=[(CART, {"a": 5})]))
    recovery = next(name for name in station.columns() if "_recovered_" in name)
    assert station.sql(f"SELECT {COLUMN}[1].a, {recovery}[1].a FROM events ORDER BY 1") == [("text", None), (None, 5)]


def test_a_schema_edited_in_place_adds_its_field_while_the_loader_keeps_its_resolver(
    station: Any, schemas: Any, line: Any
) -> None:
    schemas.put(CART, properties={"a": TEXT})
    station.load_lines(line(entities=[(CART, {"a": "1"})]))
    time.sleep(0.6)
    schemas.put(CART, properties={"a": TEXT, "b": TEXT})
    station.load_lines(line(entities=[(CART, {"b": "2"})], app_id="x"))
    assert station.one(f"SELECT {COLUMN}[1].b FROM events WHERE app_id = 'x'") == "2"


def test_two_schemas_that_give_one_column_name_both_load(station: Any, schemas: Any, line: Any) -> None:
    dotted, dashed = "iglu:com.acme.shop/item/jsonschema/1-0-0", "iglu:com.acme-shop/item/jsonschema/1-0-0"
    schemas.put(dotted, properties={"a": TEXT})
    schemas.put(dashed, properties={"z": INTEGER})
    for _ in range(2):
        station.load_lines(line(entities=[(dotted, {"a": "x"}), (dashed, {"z": 1})]))
    names = [name for name in station.columns() if name.startswith("contexts_")]
    assert len(names) == 2
    assert (
        station.sql(f"SELECT {names[0]}, {names[1]} FROM events")[0] == station.sql(f"SELECT {', '.join(names)} FROM events")[1]
    )
    assert sorted(key for name in names for key in station.one(f"SELECT {name}[1] FROM events LIMIT 1")) == [
        "_schema_version",
        "_schema_version",
        "a",
        "z",
    ]


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"additionalProperties": False}, None),
        ({}, "JSON[]"),
        ({"properties": {"a": {"type": "array"}}}, "STRUCT(_schema_version VARCHAR, a JSON[])[]"),
        ({"properties": {"a": {"type": ["string", "integer"]}}}, "STRUCT(_schema_version VARCHAR, a JSON)[]"),
        ({"properties": {"": TEXT}}, 'STRUCT(_schema_version VARCHAR, "(unnamed)" VARCHAR)[]'),
        ({"properties": {"select": TEXT, "a b": INTEGER}}, 'STRUCT(_schema_version VARCHAR, a_b BIGINT, "select" VARCHAR)[]'),
        (
            {"properties": {"m": {"type": "number", "multipleOf": 1e-10, "minimum": 0, "maximum": 1}}},
            "STRUCT(_schema_version VARCHAR, m DECIMAL(38,10))[]",
        ),
        (
            {"properties": {"m": {"type": "number", "multipleOf": 0.01, "minimum": 0, "maximum": 500}}},
            "STRUCT(_schema_version VARCHAR, m DECIMAL(38,9))[]",
        ),
        ({"type": "array", "items": TEXT}, "VARCHAR[][]"),
    ],
    ids=["closed-empty", "open-empty", "list-of-anything", "union", "empty-name", "odd-names", "scale-10", "money", "root-array"],
)
def test_unusual_schemas_become_columns_or_none(station: Any, schemas: Any, line: Any, keywords: Any, expected: Any) -> None:
    schemas.put(CART, **keywords)
    data: Any = ["x"] if keywords.get("type") == "array" else {}
    station.load_lines(line(entities=[(CART, data)]))
    assert station.columns().get(COLUMN) == expected
    assert station.one("SELECT count(*) FROM events") == 1


def test_json_columns_keep_numbers_as_they_were_written(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(CART, properties={"any": {}, "list": {"type": "array"}})
    data = '{"any":{"a":1.10,"b":123456789012345678901234567890},"list":[1.10,"x",null]}'
    text = line(entities=[(CART, {"marker": 1})]).replace(b'{"marker":1}', data.encode())
    station.load_lines(text)
    assert station.one(f"SELECT {COLUMN}[1].any::VARCHAR, {COLUMN}[1].list::VARCHAR[] FROM events") == (
        '{"a":1.10,"b":123456789012345678901234567890}',
        ["1.10", '"x"'],
    )


def test_an_entity_of_any_json_says_its_version_inside(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(CART)
    station.load_lines(line(entities=[(CART, {"a": 1, "_schema_version": "9-9-9"})]))
    assert json.loads(station.one(f"SELECT {COLUMN}[1] FROM events")) == {"a": 1, "_schema_version": "1-0-0"}


def test_a_version_whose_predecessor_is_missing_waits_alone(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(version("1-0-0"), properties={"a": TEXT})
    station.load_lines(
        line(entities=[(version("1-0-0"), {"a": "x"})]),
        line(entities=[(version("1-0-9"), {"a": "x"})]),
    )
    assert station.one("SELECT count(*) FROM events") == 1
    assert station.one("SELECT why, schema FROM waiting_events") == ("not found", version("1-0-1"))
