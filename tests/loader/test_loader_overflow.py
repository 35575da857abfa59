"""What the table has no room or no name for goes to the column `overflow`; rows and versions that fit do not notice."""

import json
import logging
import os
from typing import Any

import pytest

from backbone.column_families import recovery_name
from backbone.iglu.resolver import Resolver
from backbone.selfdescribing import SchemaVer
from loader.overflow import field_count
from loader.warehouses.ducklake_catalog import open_writer
from loader.warehouses.protocol import Leaf, ListOf, Record

CART, CLICK = "cart", "click"
COLUMN = "contexts_com_acme_cart_1"
ATOMIC = 129
TEXT, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}


def uri(name: str, version: str = "1-0-0") -> str:
    return f"iglu:com.acme/{name}/jsonschema/{version}"


def overflow(station: Any, app_id: str) -> Any:
    text = station.one("SELECT overflow::VARCHAR FROM events WHERE app_id = ?", app_id)
    return None if text is None else json.loads(text)


def test_a_new_column_beyond_the_limit_goes_to_overflow(
    station: Any, schemas: Any, line: Any, caplog: pytest.LogCaptureFixture
) -> None:
    station.max_fields = ATOMIC + 3  # the record, its version, one field
    schemas.put(uri(CART), properties={"a": TEXT})
    schemas.put(uri(CLICK), properties={"b": TEXT})
    both = {"entities": [(uri(CART), {"a": "x"}), (uri(CLICK), {"b": "1"}), (uri(CLICK), {"b": "2"})]}
    with caplog.at_level(logging.WARNING, "snowmelt.loader"):
        station.load_lines(*(line(app_id=str(at), page_url="u", event=(uri(CLICK), {"b": "3"}), **both) for at in range(2)))
    assert station.sql(f"SELECT {COLUMN}[1].a, page_url FROM events") == [("x", "u")] * 2
    assert overflow(station, "1") == {
        "contexts_com_acme_click_1": [{"b": "1", "_schema_version": "1-0-0"}, {"b": "2", "_schema_version": "1-0-0"}],
        "unstruct_event_com_acme_click_1": {"b": "3"},
    }
    assert station.columns()["overflow"] == "JSON"
    assert len(station.columns()) == ATOMIC + 2
    assert station.one("SELECT count(*) FROM failed_events") == 0
    assert caplog.text.count("overflow") == 1


def test_a_version_that_needs_more_fields_overflows_whole_and_the_others_stay(station: Any, schemas: Any, line: Any) -> None:
    station.max_fields = ATOMIC + 3
    schemas.put(uri(CART), properties={"a": TEXT})
    schemas.put(uri(CART, "1-0-1"), properties={"a": TEXT, "b": {"type": "object", "properties": {"c": TEXT}}})
    old, new = (uri(CART), {"a": "old"}), (uri(CART, "1-0-1"), {"a": "new", "b": {"c": "deep"}})
    station.load_lines(line(entities=[old]), line(entities=[old, new], app_id="mixed"))
    for _ in range(2):  # in the same process, and after a restart
        station.load_lines(line(entities=[new], app_id="new"), line(entities=[old], app_id="old"))
        assert overflow(station, "mixed") == {COLUMN: [{"a": "new", "b": {"c": "deep"}, "_schema_version": "1-0-1"}]}
        assert station.sql(f"SELECT DISTINCT {COLUMN} IS NULL, overflow IS NULL FROM events WHERE app_id = 'new'") == [
            (True, False)
        ]
        assert station.sql(f"SELECT DISTINCT {COLUMN}[1].a, overflow IS NULL FROM events WHERE app_id = 'old'") == [("old", True)]
    assert station.columns()[COLUMN] == "STRUCT(_schema_version VARCHAR, a VARCHAR)[]"


def test_a_higher_limit_makes_room(station: Any, schemas: Any, line: Any) -> None:
    station.max_fields = ATOMIC
    schemas.put(uri(CART), properties={"a": TEXT})
    station.load_lines(line(entities=[(uri(CART), {"a": "x"})]))
    assert COLUMN not in station.columns()
    station.max_fields = ATOMIC + 3
    station.load_lines(line(entities=[(uri(CART), {"a": "y"})], app_id="y"))
    assert station.one(f"SELECT {COLUMN}[1].a FROM events WHERE app_id = 'y'") == "y"


def test_no_room_for_a_recovery_column(station: Any, schemas: Any, line: Any) -> None:
    station.max_fields = ATOMIC + 3
    schemas.put(uri(CART), properties={"a": TEXT})
    schemas.put(uri(CART, "1-0-1"), properties={"a": NUMBER})
    station.load_lines(
        line(entities=[(uri(CART), {"a": "x"})], app_id="fits"),
        line(entities=[(uri(CART, "1-0-1"), {"a": 1.10})], app_id="breaks"),
    )
    ((name, items),) = overflow(station, "breaks").items()
    assert name.startswith(f"{COLUMN}_recovered_1_0_1_")
    assert items == [{"a": 1.1, "_schema_version": "1-0-1"}]
    assert station.one(f"SELECT {COLUMN}[1].a, overflow FROM events WHERE app_id = 'fits'") == ("x", None)


def test_data_whose_recovery_column_is_taken_too_overflows(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(uri(CART), properties={"a": TEXT})
    station.load_lines(line(entities=[(uri(CART), {"a": "x"})]))
    schemas.put(uri(CART), properties={"a": INTEGER})
    document = json.loads((schemas.folder / "com.acme/cart/jsonschema/1-0-0").read_text())
    taken = recovery_name(COLUMN, SchemaVer(1, 0, 0), document)
    connection, lock = open_writer(station.folder / "warehouse")
    connection.execute(f"ALTER TABLE events ADD COLUMN {taken} VARCHAR")
    connection.close()
    os.close(lock)
    station.resolver = Resolver(station.resolver.registries)
    station.load_lines(line(entities=[(uri(CART), {"a": 5})], app_id="y"))
    assert overflow(station, "y") == {COLUMN: [{"a": 5, "_schema_version": "1-0-0"}]}


def test_numbers_in_overflow_keep_their_spelling(station: Any, schemas: Any, line: Any) -> None:
    station.max_fields = ATOMIC
    schemas.put(uri(CART), properties={"a": NUMBER})
    text = line(entities=[(uri(CART), {"marker": 1})]).replace(b'{"marker":1}', b'{"a":1.10,"b":123456789012345678901234567890}')
    station.load_lines(text)
    expected = f'{{"{COLUMN}":[{{"a":1.10,"b":123456789012345678901234567890,"_schema_version":"1-0-0"}}]}}'
    assert station.one("SELECT overflow::VARCHAR FROM events") == expected


def test_equal_events_in_overflow_are_one(station: Any, schemas: Any, line: Any) -> None:
    station.max_fields = ATOMIC
    schemas.put(uri(CART), properties={"a": TEXT})
    event_id = "0f0e0d0c-0b0a-4908-8706-050403020100"
    for value in "xxy":
        station.load_lines(line(event_id=event_id, entities=[(uri(CART), {"a": value})]))
    assert station.one("SELECT count(*) FROM events") == 2


def test_fields_are_counted_as_bigquery_does() -> None:
    leaf = Leaf("VARCHAR")
    assert field_count([leaf, ListOf(leaf), Record({"a": leaf, "b": ListOf(Record({"c": leaf}))})]) == 1 + 1 + 4
