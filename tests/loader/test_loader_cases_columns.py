"""The numbered loader cases about columns; see test_loader_cases_lines.py."""

from typing import Any

import pytest

from backbone.iglu.registries import FolderRegistry, Place
from backbone.iglu.resolver import Resolver
from backbone.schema_types import Array, Struct
from backbone.selfdescribing import parse_key
from loader.batch import Batches
from loader.columns import Families, Target
from loader.enriched import parse
from loader.lookups import Lookups
from loader.warehouses.bigquery_values import ENCODING
from loader.warehouses.ducklake import DuckLake
from loader.warehouses.protocol import Batch, Change

TEXT, NUMBER, INTEGER, BOOLEAN = ({"type": kind} for kind in ("string", "number", "integer", "boolean"))


def uri(version: str, name: str = "cart") -> str:
    return f"iglu:com.acme/{name}/jsonschema/{version}"


def fields(schemas: Any, kind: Any, *uris: str) -> list[tuple[str, bool]]:
    """(name, nullable) of the column's fields after a batch with these versions."""
    families = Families(Lookups(Resolver([FolderRegistry(Place("test"), schemas.folder)])), ENCODING)
    for text in uris:
        families.outcome(kind, parse_key(text))
    outcome = families.outcome(kind, parse_key(uris[-1]))
    assert isinstance(outcome, Target)
    shown = outcome.field.type
    element = shown.element if isinstance(shown, Array) else shown
    assert isinstance(element, Struct)
    return [(field.name, field.nullable) for field in element.fields]


def changes(station: Any, *lines: bytes) -> list[Change]:
    """What the table needs before these lines fit."""
    warehouse = DuckLake(station.folder / "warehouse", 10)
    try:
        batch = Batch("")
        events: Any = [parse(data) for data in lines]
        Batches(station.resolver, warehouse).extend({}, events, dict(warehouse.columns()), batch)
        return batch.changes
    finally:
        warehouse.close()


def test_12_to_14_names_of_columns_and_fields(station: Any, schemas: Any, line: Any) -> None:
    properties = ["userIDToken", "", "test1,test2.test3;test4", ",.;:", "_50a,b"]
    for name in ("mySchema", "UserIDToken"):
        schemas.put(f"iglu:com.example/{name}/jsonschema/1-0-0", properties=dict.fromkeys(properties, TEXT))
    entities = [(f"iglu:com.example/{name}/jsonschema/1-0-0", {}) for name in ("mySchema", "UserIDToken")]
    station.load_lines(line(entities=entities))
    assert set(list(station.columns())[129:]) == {"contexts_com_example_my_schema_1", "contexts_com_example_user_idtoken_1"}
    shown = set(station.one("SELECT contexts_com_example_my_schema_1[1] FROM events"))
    assert shown == {"_schema_version", "user_id_token", "(unnamed)", "test1_test2_test3_test4", "____", "_50a_b"}


def test_15_a_property_that_begins_with_a_digit(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(uri("1-0-0"), properties={"1col_a": TEXT})
    station.load_lines(line(event=(uri("1-0-0"), {"1col_a": "x"})))
    assert station.one("SELECT unstruct_event_com_acme_cart_1 FROM events") == {"_1col_a": "x"}


def test_16_properties_that_share_a_name_share_a_field(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(uri("1-0-0"), properties={"_ga": INTEGER, "__b": INTEGER, "_Ga": INTEGER})
    assert fields(schemas, "event", uri("1-0-0")) == [("__b", True), ("_ga", True)]
    station.load_lines(*(line(event=(uri("1-0-0"), {key: 5})) for key in ("_ga", "_Ga")))
    assert station.sql("SELECT unstruct_event_com_acme_cart_1._ga FROM events") == [(5,), (5,)]


@pytest.mark.parametrize("order", [("xyz", "XYZ"), ("XYZ", "xyz")])
def test_17_the_type_of_a_shared_field_is_that_of_the_first_by_alphabet(
    station: Any, schemas: Any, line: Any, order: tuple[str, str]
) -> None:
    kinds = {"xyz": INTEGER, "XYZ": TEXT}
    schemas.put(uri("1-0-0"), properties={key: kinds[key] for key in order})
    station.load_lines(line(event=(uri("1-0-0"), {"XYZ": "text"})))
    assert station.columns()["unstruct_event_com_acme_cart_1"] == "STRUCT(xyz VARCHAR)"


def test_18_of_several_properties_the_first_that_fits_counts(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(uri("1-0-0"), properties={"xyz": INTEGER, "XYZ": INTEGER})
    data = [{"xyz": 42, "XYZ": "bad"}, {"xyz": None, "XYZ": "bad"}]
    station.load_lines(*(line(event=(uri("1-0-0"), datum), app_id=str(at)) for at, datum in enumerate(data)))
    assert station.sql("SELECT unstruct_event_com_acme_cart_1.xyz FROM events ORDER BY app_id") == [(42,), (None,)]


def test_19_fields_are_in_order_of_their_names(schemas: Any) -> None:
    schemas.put(uri("1-0-0"), properties=dict.fromkeys(("Apple", "cherry", "banana", "Damson"), TEXT))
    assert [name for name, _ in fields(schemas, "event", uri("1-0-0"))] == ["apple", "banana", "cherry", "damson"]


def test_21_to_23_versions_share_a_column_models_do_not_and_the_version_is_ours(station: Any, schemas: Any, line: Any) -> None:
    for version in ("1-0-0", "1-1-0", "2-0-0"):
        schemas.put(uri(version), properties={"a": TEXT, "_schema_version": TEXT})
    data = {"a": "x", "_schema_version": "9-9-9"}
    station.load_lines(line(entities=[(uri(version), data) for version in ("1-0-0", "1-1-0", "2-0-0")]))
    query = "SELECT list_transform(contexts_com_acme_cart_{}, item -> item._schema_version) FROM events"
    assert station.one(query.format(1)) == ["1-0-0", "1-1-0"]
    assert station.one(query.format(2)) == ["2-0-0"]


@pytest.mark.parametrize(
    ("kind", "seen", "expected"),
    [
        ("event", ["7-0-0"], [("a", False)]),
        ("event", ["7-1-0"], [("a", False), ("b", True), ("c", True)]),
        ("entity", ["7-1-0"], [("_schema_version", False), ("a", False), ("b", True), ("c", True)]),
        ("event", ["10-0-0", "10-0-1"], [("m", True), ("n", True), ("a", True), ("z", True)]),
        ("event", ["1-0-0", "1-0-1"], [("my_string", True)]),
        ("event", ["5-0-0", "5-0-1"], [("a", True)]),
    ],
    ids=["24", "25", "26", "27", "28", "38-outside-a-list"],
)
def test_24_to_28_versions_of_a_family_merge(schemas: Any, kind: Any, seen: list[str], expected: list[tuple[str, bool]]) -> None:
    schemas.put(uri("7-0-0"), properties={"a": TEXT}, required=["a"])
    schemas.put(uri("7-0-1"), properties={"a": TEXT, "b": TEXT}, required=["a", "b"])
    schemas.put(uri("7-1-0"), properties={"a": TEXT, "c": TEXT}, required=["a"])
    schemas.put(uri("10-0-0"), properties={"m": TEXT, "n": TEXT})
    schemas.put(uri("10-0-1"), properties={"a": TEXT, "m": TEXT, "z": TEXT})
    schemas.put(uri("1-0-0"), additionalProperties=False)
    schemas.put(uri("1-0-1"), properties={"myString": TEXT})
    schemas.put(uri("5-0-0"), properties={"a": TEXT})
    schemas.put(uri("5-0-1"), properties={"a": TEXT}, required=["a"])
    assert fields(schemas, kind, *map(uri, seen)) == expected


def test_29_a_schema_that_allows_no_data_has_no_column(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(uri("1-0-0", "ad_break_end_event"), additionalProperties=False)
    station.load_lines(line(event=(uri("1-0-0", "ad_break_end_event"), {})))
    assert (len(station.columns()), station.totals.loaded) == (129, 1)


def test_30_a_schema_of_anything_is_json(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(uri("1-0-0", "anything-a"))
    station.load_lines(line(event=(uri("1-0-0", "anything-a"), {"x": 1}), entities=[(uri("1-0-0", "anything-a"), {"x": 1})]))
    assert list(station.columns().items())[129:] == [
        ("contexts_com_acme_anything_a_1", "JSON[]"),
        ("unstruct_event_com_acme_anything_a_1", "JSON"),
    ]


def test_31_to_34_breaking_versions_go_to_recovery_columns_once_they_occur(station: Any, schemas: Any, line: Any) -> None:
    for at, kind in enumerate((TEXT, NUMBER, BOOLEAN)):
        schemas.put(uri(f"1-0-{at}"), properties={"col_a": kind}, required=["col_a"])
    values = ("x", 1.5, True)
    events = [line(event=(uri(f"1-0-{at}"), {"col_a": value}), app_id=f"{at}") for at, value in enumerate(values)]
    main = "unstruct_event_com_acme_cart_1"
    recovery = [f"{main}_recovered_1_0_1_e7cf2565", f"{main}_recovered_1_0_2_cacf6738"]
    station.load_lines(events[0])
    assert list(station.columns())[129:] == [main]
    station.load_lines(*events[1:])
    assert list(station.columns())[129:] == [main, *recovery]
    schemas.put(uri("1-0-3"), properties={"col_a": TEXT, "col_b": INTEGER})
    station.load_lines(line(event=(uri("1-0-3"), {"col_a": "y", "col_b": 2}), app_id="3"))
    assert list(station.columns())[129:] == [main, *recovery]
    rows = station.sql(f"SELECT {main}.col_a, {main}.col_b, {recovery[0]}.col_a, {recovery[1]}.col_a FROM events ORDER BY app_id")
    assert rows == [("x", None, None, None), (None, None, 1.5, None), (None, None, None, True), ("y", 2, None, None)]


def test_32_the_own_column_of_a_family_is_there_although_only_a_breaking_version_came(
    station: Any, schemas: Any, line: Any
) -> None:
    schemas.put(uri("1-0-0"), properties={"a": TEXT})
    schemas.put(uri("1-0-1"), properties={"a": NUMBER})
    station.load_lines(line(entities=[(uri("1-0-1"), {"a": 1.5})]))
    assert station.columns()["contexts_com_acme_cart_1"] == "STRUCT(_schema_version VARCHAR, a VARCHAR)[]"
    assert station.one("SELECT contexts_com_acme_cart_1 FROM events") is None


def nested(inner: Any) -> Any:
    return {"type": "object", "properties": {"x": inner}}


def listed(inner: Any) -> Any:
    return {"type": "array", "items": inner}


@pytest.mark.parametrize(
    ("old", "new", "recovered"),
    [
        (nested(TEXT), nested(INTEGER), True),
        (listed({"type": ["integer", "null"]}), listed(TEXT), True),
        (listed(nested(TEXT)), listed({"type": "object", "properties": {"x": TEXT, "y": TEXT}}), False),
        (listed(nested(TEXT)), listed({**nested(TEXT), "required": ["x"]}), False),
    ],
    ids=["35-type-inside", "36-type-of-items", "37-field-in-a-list", "38-required-in-a-list"],
)
def test_35_to_38_which_changes_inside_break(station: Any, schemas: Any, line: Any, old: Any, new: Any, recovered: bool) -> None:
    schemas.put(uri("1-0-0"), properties={"p": old})
    schemas.put(uri("1-0-1"), properties={"p": new})
    station.load_lines(*(line(event=(uri(version), {})) for version in ("1-0-0", "1-0-1")))
    assert any("_recovered_1_0_1_" in name for name in station.columns()) is recovered
    assert station.totals.loaded == 2


def test_65_to_68_the_table_is_altered_once_and_only_for_what_it_lacks(station: Any, schemas: Any, line: Any) -> None:
    deep, many = nested(TEXT), listed(nested(TEXT))
    schemas.put(uri("1-0-0"), properties={"a": TEXT, "deep": deep, "many": many}, required=["a"])
    first = line(event=(uri("1-0-0"), {"a": "1", "deep": {"x": "1"}, "many": [{"x": "1"}]}))
    column = "unstruct_event_com_acme_cart_1"
    assert [change.path for change in changes(station, first, first)] == [(column,)]
    station.load_lines(first)
    assert changes(station, first) == []
    more = {"type": "object", "properties": {"x": TEXT, "y": TEXT}}
    schemas.put(uri("1-0-1"), properties={"a": TEXT, "deep": more, "many": listed(more), "b": TEXT})
    relaxed = line(event=(uri("1-0-1"), {"b": "2", "deep": {"y": "2"}, "many": [{"y": "2"}]}), app_id="new")
    paths = [change.path for change in changes(station, relaxed)]
    assert paths == [(column, "deep", "y"), (column, "many", "element", "y"), (column, "b")]
    station.load_lines(relaxed)
    values = station.one(f"SELECT {column}.a, {column}.deep.y, {column}.many[1].y, {column}.b FROM events WHERE app_id = 'new'")
    assert values == (None, "2", "2", "2")


def test_86_a_new_field_inside_a_list_is_seen_before_it_is_inserted(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(uri("1-0-0"), properties={"a": TEXT})
    station.load_lines(line(entities=[(uri("1-0-0"), {"a": "old"})]))
    schemas.put(uri("1-0-1"), properties={"a": TEXT, "f": listed(TEXT)})
    event = line(entities=[(uri("1-0-1"), {"f": ["new"]})], app_id="new")
    assert [change.path for change in changes(station, event)] == [("contexts_com_acme_cart_1", "element", "f")]
    station.load_lines(event)
    assert station.one("SELECT contexts_com_acme_cart_1[1].f FROM events WHERE app_id = 'new'") == ["new"]
