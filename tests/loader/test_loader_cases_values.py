"""The numbered loader cases about types and values; see test_loader_cases_lines.py. One batch loads all of them."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from backbone import jsontext

TEXT = {"type": "string"}
DAY = {"type": "string", "format": "date"}
TIME = {"type": "string", "format": "date-time"}
MONEY = {"type": "number", "multipleOf": 0.01, "minimum": 0, "maximum": 500}

TYPES: dict[str, tuple[Any, str | None]] = {
    "43-small": ({"type": "integer", "minimum": 0, "maximum": 10}, "BIGINT"),
    "43-no-bounds": ({"type": "integer"}, "BIGINT"),
    "43-beyond-32-bits": ({"type": "integer", "minimum": 0, "maximum": 2**31}, "BIGINT"),
    "43-beyond-64-bits": ({"type": "integer", "minimum": 0, "maximum": 2**63}, "DECIMAL(38,0)"),
    "44-cents": (MONEY, "DECIMAL(38,9)"),
    "44-large-cents": ({**MONEY, "maximum": 2**31}, "DECIMAL(38,9)"),
    "45-scale-10": ({"type": "number", "multipleOf": 1e-10, "minimum": 0, "maximum": 1}, "DECIMAL(38,10)"),
    "46-tens": ({"type": "number", "multipleOf": 10, "minimum": 0, "maximum": 10}, "BIGINT"),
    "46-tens-no-bounds": ({"type": "number", "multipleOf": 10}, "BIGINT"),
    "47-whole": ({"enum": [1, 2, None, 3]}, "BIGINT"),
    "47-numbers": ({"enum": [0.1, 222, 3.3]}, "DECIMAL(38,9)"),
    "47-mixed": ({"enum": [0.1, "x"]}, "JSON"),
    "48-union": ({"type": ["string", "integer"]}, "JSON"),
    "49-list-of-anything": ({"type": "array", "items": {}}, "JSON[]"),
    "49-nullable-list": ({"type": ["array", "null"], "items": {"type": "boolean"}}, "BOOLEAN[]"),
    "50-one-of": (
        {
            "type": "object",
            "oneOf": [
                {"properties": {"a": TEXT}, "required": ["a"]},
                {"properties": {"b": {"type": "number"}}, "required": ["b"]},
            ],
        },
        "STRUCT(a VARCHAR, b DOUBLE)",
    ),
    "51-tuple": ({"type": "array", "items": [TEXT, {"type": "number"}]}, "JSON[]"),
}


class Wrong(NamedTuple):
    """What a bad row says of a value."""

    value: Any
    expected: str


SMALL = {"type": "integer", "minimum": 0, "maximum": 10}
VALUES: dict[str, tuple[Any, str, Any]] = {
    "52-whole": (SMALL, '{"p":3.0}', 3),
    "52-fraction": (SMALL, '{"p":3.4}', Wrong(3.4, "Integer")),
    "52-overflow": (SMALL, '{"p":2147483648}', Wrong(2**31, "Integer")),
    "52-text": (SMALL, '{"p":"3"}', Wrong("3", "Integer")),
    "53-trailing-zeros": (MONEY, '{"p":87.98000}', Decimal("87.98")),
    "53-whole": (MONEY, '{"p":879}', Decimal("879.00")),
    "53-too-fine": (MONEY, '{"p":12.1234}', Wrong(12.1234, "Decimal(Digits9,2)")),
    "53-too-many-digits": (MONEY, '{"p":1000000000}', Wrong(1000000000, "Decimal(Digits9,2)")),
    "54-number-for-text": (TEXT, '{"p":42}', Wrong(42, "String")),
    "55-list-as-json": ({}, '{"p":["this", "is"]}', '["this","is"]'),
    "55-text-as-json": ({}, '{"p":"x"}', '"x"'),
    "56-offset": (TIME, '{"p":"2022-02-02T12:02:03.123+03:00"}', datetime(2022, 2, 2, 9, 2, 3, 123_000, UTC)),
    "56-no-offset": (TIME, '{"p":"2022-02-02T12:02:03.123"}', Wrong("2022-02-02T12:02:03.123", "Timestamp")),
    "57-microseconds": (TIME, '{"p":"2022-02-02T12:02:03.123456Z"}', datetime(2022, 2, 2, 12, 2, 3, 123_000, UTC)),
    "58-date": (DAY, '{"p":"2024-03-19"}', date(2024, 3, 19)),
    "58-time": (TIME, '{"p":"2024-03-19T20:20:39Z"}', datetime(2024, 3, 19, 20, 20, 39, tzinfo=UTC)),
    "59-missing": ({**TEXT, "must": True}, "{}", Wrong(None, "String")),
    "59-null": ({**TEXT, "must": True}, '{"p":null}', Wrong(None, "String")),
    "61-null-inside": (
        {"type": "array", "items": {"type": "object", "properties": {"id": TEXT}, "required": ["id"]}},
        '{"p":[{"id":null}]}',
        Wrong(None, "String"),
    ),
    "62-nulls-in-a-list": ({"type": "array", "items": {"type": ["string", "null"]}}, '{"p":["a",null,"b"]}', ["a", "b"]),
    "64-extra": (TEXT, '{"p":"x","q":1}', "x"),
}


@pytest.fixture(scope="module")
def loaded(shared_station: Any, line: Any) -> Any:
    schemas = shared_station.schemas
    schemas.put("iglu:com.acme/types/jsonschema/1-0-0", properties={case: schema for case, (schema, _) in TYPES.items()})
    lines = [line(event=("iglu:com.acme/types/jsonschema/1-0-0", {}))]
    for at, (case, (schema, data, _)) in enumerate(VALUES.items()):
        keywords = {key: value for key, value in schema.items() if key != "must"}
        required = {"required": ["p"]} if "must" in schema else {}
        schemas.put(f"iglu:com.acme/v{at}/jsonschema/1-0-0", properties={"p": keywords}, **required)
        value, _ = jsontext.loads(data)
        lines.append(line(event=(f"iglu:com.acme/v{at}/jsonschema/1-0-0", value), app_id=case))
    shared_station.load_lines(*lines)
    return shared_station


@pytest.mark.parametrize("case", TYPES)
def test_43_to_51_types_of_properties(loaded: Any, case: str) -> None:
    kinds = loaded.one("SELECT unstruct_event_com_acme_types_1 FROM events WHERE app_id IS NULL")
    field = "_" + case.replace("-", "_")
    assert field in kinds
    assert loaded.one(f'SELECT typeof(unstruct_event_com_acme_types_1."{field}") FROM events LIMIT 1') == TYPES[case][1]


@pytest.mark.parametrize("case", VALUES)
def test_52_to_64_values_and_what_becomes_of_them(loaded: Any, case: str) -> None:
    expected = VALUES[case][2]
    if isinstance(expected, Wrong):
        (original,) = loaded.one("SELECT [original] FROM failed_events WHERE app_id = ?", case)
        failures = json.loads(original)["data"]["failure"]
        assert [(failure["value"], failure["expected"]) for failure in failures] == [expected]
        assert loaded.one("SELECT count(*) FROM events WHERE app_id = ?", case) == 0
    else:
        column = f"unstruct_event_com_acme_v{list(VALUES).index(case)}_1"
        assert loaded.one(f"SELECT {column}.p FROM events WHERE app_id = ?", case) == expected
