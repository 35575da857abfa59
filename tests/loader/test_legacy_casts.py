"""Columns and values as BigQuery Loader 1 made them."""

from typing import Any

import pytest

from backbone.iglu.given_schemas import GivenSchemas
from backbone.iglu.resolver import Resolver
from backbone.schema_keywords import parse
from backbone.selfdescribing import SelfDescribing, parse_key
from loader.enriched import EnrichedEvent
from loader.legacy_casts import legacy_row
from loader.legacy_types import column_of, legacy_column

KEY = parse_key("iglu:com.acme/buttonPress/jsonschema/1-0-2")
COLUMN = "unstruct_event_com_acme_button_press_1_0_2"
TEXT, NUMBER = {"type": "string"}, {"type": "integer"}


def column(**properties: Any) -> dict[str, Any]:
    keywords = parse({"type": "object", "properties": properties, "required": ["must"]})
    assert keywords is not None
    return column_of(legacy_column("event", KEY, keywords))


@pytest.mark.parametrize(
    ("schema", "kind", "mode"),
    [
        (TEXT, "STRING", "NULLABLE"),
        (NUMBER, "INTEGER", "NULLABLE"),
        ({"type": "number", "multipleOf": 0.01, "minimum": 0, "maximum": 1}, "FLOAT", "NULLABLE"),
        ({"type": ["number", "integer"]}, "FLOAT", "NULLABLE"),
        ({"type": ["boolean", "null"]}, "BOOLEAN", "NULLABLE"),
        ({"type": "string", "format": "date"}, "DATE", "NULLABLE"),
        ({"type": "string", "format": "date-time"}, "TIMESTAMP", "NULLABLE"),
        ({"type": "object"}, "STRING", "NULLABLE"),
        ({"type": "object", "additionalProperties": False}, "STRING", "NULLABLE"),
        ({"type": "array", "items": NUMBER}, "INTEGER", "REPEATED"),
        ({"type": "array"}, "STRING", "NULLABLE"),
        ({"type": "array", "items": [NUMBER]}, "STRING", "NULLABLE"),
        ({"enum": [1, 2.0, None]}, "INTEGER", "NULLABLE"),
        ({"enum": [1, 2.5]}, "FLOAT", "NULLABLE"),
        ({"enum": [1, "a"]}, "STRING", "NULLABLE"),
        ({"enum": []}, "STRING", "NULLABLE"),
        ({"type": ["integer", "string"]}, "STRING", "NULLABLE"),
        ({"oneOf": [NUMBER]}, "STRING", "NULLABLE"),
    ],
)
def test_types(schema: Any, kind: str, mode: str) -> None:
    assert column(field=schema)["fields"] == [{"name": "field", "type": kind, "mode": mode}]


def test_required_fields_come_first_then_lists_then_the_others() -> None:
    found = column(a=TEXT, b={"type": "array", "items": TEXT}, must=TEXT)
    assert found["name"] == COLUMN
    assert [(field["name"], field["mode"]) for field in found["fields"]] == [
        ("must", "REQUIRED"),
        ("b", "REPEATED"),
        ("a", "NULLABLE"),
    ]


def cast(data: Any, kind: str = "event", **schema: Any) -> Any:
    resolver = Resolver([GivenSchemas("test", {KEY: {"type": "object", **schema}})])
    datum = SelfDescribing(KEY, data)
    return legacy_row(
        EnrichedEvent("", {}, [] if kind == "event" else [datum], event=datum if kind == "event" else None), resolver
    )


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (TEXT, 5, "5"),
        (TEXT, {"a": [1]}, '{"a":[1]}'),
        (NUMBER, 5.0, 5),
        ({"type": "number"}, 1.5, "1.5"),
        ({"type": "string", "format": "date"}, "no date", "no date"),
        ({"type": "array", "items": NUMBER}, [1, None, 2], [1, 2]),
        ({"type": "array", "items": NUMBER}, None, []),
        (TEXT, None, None),
    ],
)
def test_values(schema: Any, value: Any, expected: Any) -> None:
    assert cast({"field": value}, properties={"field": schema}) == {"row": {COLUMN: {"field": expected}}}


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (NUMBER, 5.5, '{"Integer":{}}'),
        (NUMBER, 2**63, '{"Integer":{}}'),
        ({"type": "boolean"}, 1, '{"Boolean":{}}'),
        ({"type": "array", "items": NUMBER}, 5, '{"Integer":{}}'),
        (
            {"type": "object", "properties": {"aB": TEXT}},
            5,
            '{"Record":{"fields":[{"name":"aB","fieldType":{"String":{}},"mode":{"Nullable":{}}}]}}',
        ),
    ],
)
def test_values_that_do_not_fit(schema: Any, value: Any, expected: str) -> None:
    fault = {"schemaKey": KEY.uri, "value": value, "expected": expected}
    assert cast({"field": value}, properties={"field": schema}) == {"errors": [fault]}


def test_a_missing_value_is_another_fault_than_a_null() -> None:
    schema = {"properties": {"must": TEXT, "other": NUMBER}, "required": ["must"]}
    assert cast({}, **schema) == {"errors": [{"schemaKey": KEY.uri, "key": "must", "value": {}}]}
    assert cast({"must": None}, **schema) == {"row": {COLUMN: None}}
    assert [fault.get("value") for fault in cast({"must": None, "other": "x"}, **schema)["errors"]] == [None, "x"]


def test_entities_are_a_list_without_version() -> None:
    found = cast({"a": "x"}, "entity", properties={"a": TEXT})
    assert found == {"row": {"contexts_com_acme_button_press_1_0_2": [{"a": "x"}]}}
