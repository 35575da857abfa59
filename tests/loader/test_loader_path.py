"""Enriched lines in, typed rows out."""

import datetime
from decimal import Decimal
from typing import Any

PRODUCT = "iglu:com.acme/product/jsonschema/1-0-0"
ORDER = "iglu:com.acme/orderPlaced/jsonschema/1-0-0"
MOMENT = datetime.datetime(2026, 1, 1, 10, 0, tzinfo=datetime.UTC)


def test_a_minimal_event_is_one_row_with_atomic_types(station: Any, line: Any) -> None:
    station.load_lines(line(tr_total="12.34", br_cookies=1, domain_sessionidx=7, geo_latitude=51.5, se_value="1.5"))
    row = station.one("SELECT collector_tstamp, tr_total, br_cookies, domain_sessionidx, geo_latitude, se_value FROM events")
    assert row == (MOMENT, Decimal("12.34"), True, 7, 51.5, 1.5)
    assert station.one("SELECT count(*) FROM events WHERE load_tstamp IS NULL OR app_id IS NOT NULL") == 0


def test_the_table_has_the_atomic_columns_in_order_then_load_tstamp(station: Any, line: Any) -> None:
    from backbone.event import ATOMIC

    station.load_lines(line())
    assert list(station.columns()) == [*(field.name for field in ATOMIC), "load_tstamp"]


def test_entities_and_events_get_typed_columns(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(PRODUCT, properties={"sku": {"type": "string"}, "price": {"type": "number"}}, required=["sku"])
    schemas.put(ORDER, properties={"orderId": {"type": "integer"}, "placedAt": {"type": "string", "format": "date-time"}})
    station.load_lines(
        line(
            entities=[(PRODUCT, {"sku": "a", "price": 1.5}), (PRODUCT, {"sku": "b"})],
            event=(ORDER, {"orderId": 5, "placedAt": "2026-01-01T10:00:00Z"}),
        )
    )
    assert station.one("SELECT contexts_com_acme_product_1 FROM events") == [
        {"_schema_version": "1-0-0", "price": 1.5, "sku": "a"},
        {"_schema_version": "1-0-0", "price": None, "sku": "b"},
    ]
    order = station.one("SELECT unstruct_event_com_acme_order_placed_1 FROM events")
    assert order == {"order_id": 5, "placed_at": MOMENT}


def test_custom_entities_come_before_derived_ones_in_one_column(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(PRODUCT, properties={"sku": {"type": "string"}})
    station.load_lines(line(entities=[(PRODUCT, {"sku": "custom"})], derived=[(PRODUCT, {"sku": "derived"})]))
    assert station.one("SELECT list_transform(contexts_com_acme_product_1, x -> x.sku) FROM events") == ["custom", "derived"]


def test_a_column_says_which_schemas_it_holds(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(PRODUCT, properties={"sku": {"type": "string"}})
    station.load_lines(line(entities=[(PRODUCT, {"sku": "a"})]))
    comment = "SELECT comment FROM duckdb_columns() WHERE column_name = 'contexts_com_acme_product_1'"
    assert station.one(comment) == "iglu:com.acme/product/jsonschema/1-*-*"
