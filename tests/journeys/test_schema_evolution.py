"""A schema dropped into the registry folder while everything runs becomes columns; a later version makes them grow."""

import threading

import pytest
from pipeline import Pipeline
from tracker import event, self_describing, send

pytestmark = pytest.mark.journey
COLUMN = "unstruct_event_com_evolving_order_placed_1"
ENTITY = "contexts_com_evolving_courier_1"


def test_new_schemas_and_versions_need_no_restart(pipeline: Pipeline) -> None:
    stop = threading.Event()
    sent: list[str] = []

    def keep_sending() -> None:
        while not stop.wait(0.05):
            sent.extend(send(pipeline.url, event("pv", url="https://shop.example/")))

    background = threading.Thread(target=keep_sending)
    background.start()
    try:
        old = new_schema_lands_in_a_typed_column(pipeline)
        new = next_version_grows_the_column(pipeline)
        entities_grow_too(pipeline)
    finally:
        stop.set()
        background.join()
    before = pipeline.row(old, columns=f"{COLUMN} as data")["data"]
    assert before["order"] == "A-1"
    assert before["total"] == 12.5
    assert before["coupon"] is None
    assert pipeline.row(new, columns=f"{COLUMN} as data")["data"]["coupon"] == "AUTUMN"
    assert len(pipeline.rows(sent, timeout=60)) == len(sent), "no row was lost meanwhile"
    assert pipeline.sql("select count(*) as n from failed_events")[0]["n"] == 0


ORDER = {
    "description": "An order",
    "type": "object",
    "properties": {
        "order": {"type": "string", "maxLength": 20, "description": "Number"},
        "total": {"type": "number", "minimum": 0, "maximum": 1e9, "description": "Amount"},
    },
    "required": ["order"],
    "additionalProperties": False,
}


def with_property(schema: dict[str, object], name: str) -> dict[str, object]:
    properties = dict(schema["properties"])  # type: ignore[call-overload]
    return {**schema, "properties": {**properties, name: {"type": ["string", "null"], "maxLength": 20, "description": name}}}


def new_schema_lands_in_a_typed_column(pipeline: Pipeline) -> str:
    pipeline.add_schema("com.evolving", "order_placed", "1-0-0", ORDER)
    (event_id,) = send(
        pipeline.url, self_describing("iglu:com.evolving/order_placed/jsonschema/1-0-0", {"order": "A-1", "total": 12.5})
    )
    row = pipeline.row(event_id, columns=f"{COLUMN} as data, typeof({COLUMN}) as type")
    assert row["data"]["total"] == 12.5
    assert "STRUCT" in row["type"]
    assert "DOUBLE" in row["type"]
    return event_id


def next_version_grows_the_column(pipeline: Pipeline) -> str:
    pipeline.add_schema("com.evolving", "order_placed", "1-0-1", with_property(ORDER, "coupon"))
    data = {"order": "A-2", "coupon": "AUTUMN"}
    (event_id,) = send(pipeline.url, self_describing("iglu:com.evolving/order_placed/jsonschema/1-0-1", data))
    assert pipeline.row(event_id, columns=f"{COLUMN} as data")["data"]["order"] == "A-2"
    return event_id


def entities_grow_too(pipeline: Pipeline) -> None:
    pipeline.add_schema("com.evolving", "courier", "1-0-0", ORDER)
    pipeline.add_schema("com.evolving", "courier", "1-0-1", with_property(ORDER, "bike"))
    entities = [
        {"schema": "iglu:com.evolving/courier/jsonschema/1-0-0", "data": {"order": "A-3"}},
        {"schema": "iglu:com.evolving/courier/jsonschema/1-0-1", "data": {"order": "A-3", "bike": "red"}},
    ]
    data = {"order": "A-3"}
    (event_id,) = send(pipeline.url, self_describing("iglu:com.evolving/order_placed/jsonschema/1-0-0", data, entities))
    couriers = pipeline.row(event_id, columns=f"{ENTITY} as data")["data"]
    assert [courier["_schema_version"] for courier in couriers] == ["1-0-0", "1-0-1"]
    assert [courier["bike"] for courier in couriers] == [None, "red"]
