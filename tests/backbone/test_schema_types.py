"""Schemas → warehouse fields: names, types, evolution. Case numbers are those of the loader's specification."""

from typing import Any

import pytest

from backbone.column_families import FamilyColumns, UnreadableSchema, family_columns
from backbone.column_names import column_name, field_name
from backbone.schema_hash import schema_hash
from backbone.schema_keywords import parse
from backbone.schema_types import Array, Field, Struct, entity_field, event_field
from backbone.selfdescribing import parse_version

TEXT = {"type": "string"}
SELF_DESCRIBING = "http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("buttonPress", "button_press"),
        ("UserIDToken", "user_idtoken"),
        ("URLPath", "urlpath"),
        ("PerformanceTiming", "performance_timing"),
        ("anything-a", "anything_a"),
        ("my_Schema", "my_schema"),
    ],
)
def test_schema_names_become_column_parts(name: str, part: str) -> None:
    assert column_name("entity", "com.acme-corp.v2", name, 3) == f"contexts_com_acme_corp_v2_{part}_3"
    assert column_name("event", "com.acme", name, 1) == f"unstruct_event_com_acme_{part}_1"


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("lastName", "last_name"),
        ("userIDToken", "user_id_token"),
        ("URLPath", "url_path"),
        ("parseHTML5Doc", "parse_html5_doc"),
        ("IPv6Addr", "i_pv6_addr"),
        ("1test", "_1test"),
        ("$id", "_id"),
        ("résumé", "r_sum_"),
        ("", ""),
        ("test1,test2.test3;test4", "test1_test2_test3_test4"),
        (",.;:", "____"),
        ("_50a,b", "_50a_b"),
        ("smile😀", "smile_"),
    ],
)
def test_properties_become_field_names(key: str, name: str) -> None:
    assert field_name(key) == name


def typed(schema: dict[str, Any], required: bool = False) -> tuple[str, str] | None:
    """(type, mode) of a property."""
    keywords = parse({"type": "object", "properties": {"v": schema, "z": TEXT}, "required": ["v"] if required else []})
    assert keywords is not None
    field = event_field("column", keywords)
    assert field is not None
    assert isinstance(field.type, Struct)
    found = next((field for field in field.type.fields if field.name == "v"), None)
    return None if found is None else (str(found.type), "nullable" if found.nullable else "required")


# cases 43-51
@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer", "minimum": 0, "maximum": 10}, "Integer"),
        ({"type": "integer"}, "Long"),
        ({"type": "integer", "minimum": 0, "maximum": 2**31}, "Long"),
        ({"type": "integer", "minimum": 0, "maximum": 2**63}, "Decimal(Digits38,0)"),
        ({"type": "integer", "minimum": 0, "maximum": 10**40}, "Double"),
        ({"type": "number", "multipleOf": 0.01, "minimum": 0, "maximum": 500}, "Decimal(Digits9,2)"),
        ({"type": "number", "multipleOf": 0.01, "minimum": 0, "maximum": 2**31}, "Decimal(Digits18,2)"),
        ({"type": "number", "multipleOf": 1e-10, "minimum": 0, "maximum": 1}, "Decimal(Digits18,10)"),
        ({"type": "number", "multipleOf": 0.01, "minimum": 0}, "Double"),
        ({"type": "number", "multipleOf": 10, "minimum": 0, "maximum": 10}, "Integer"),
        ({"type": "number", "multipleOf": 10}, "Long"),
        ({"type": ["number", "integer"]}, "Double"),
        ({"enum": [1, 2, None, 3]}, "Integer"),
        ({"enum": [0.1, 222, 3.3]}, "Decimal(Digits9,1)"),
        ({"enum": [0.1, "x"]}, "Json"),
        ({"enum": ["a", "b"]}, "String"),
        ({"enum": []}, "Integer"),
        ({"type": ["string", "integer"]}, "Json"),
        ({"type": "null"}, "Json"),
        ({}, "Json"),
        ({"type": "array", "items": {}}, "Array(Json,Nullable)"),
        ({"type": ["array", "null"], "items": {"type": "boolean"}}, "Array(Boolean,Required)"),
        ({"type": "array"}, "Array(Json,Nullable)"),
        ({"type": "array", "items": [TEXT, {"type": "number"}]}, "Array(Json,Required)"),
        ({"type": "array", "items": [TEXT, TEXT]}, "Array(String,Required)"),
        ({"type": "string", "format": "date"}, "Date"),
        ({"type": "string", "format": "date-time"}, "Timestamp"),
        ({"type": "string", "format": "uuid"}, "String"),
        ({"type": "object"}, "Json"),
        ({"type": "object", "additionalProperties": False}, None),
        ({"type": "object", "properties": {"x": {"type": "object", "additionalProperties": False}}}, None),
        (
            {"type": "object", "oneOf": [{"properties": {"a": TEXT}}, {"properties": {"b": {"type": "number"}}}]},
            "Struct(NonEmptyVector(Field(a,String,Nullable,Set(a)), Field(b,Double,Nullable,Set(b))))",
        ),
        ({"oneOf": [TEXT, {"type": "null"}]}, "String"),
        ({"anyOf": [TEXT, {"type": "number"}]}, "Json"),
        ({"type": "string", "oneOf": [{"format": "date"}, {"format": "date"}]}, "Date"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_types_of_properties(schema: dict[str, Any], expected: str | None) -> None:
    found = typed(schema)
    assert (found and found[0]) == expected


@pytest.mark.parametrize(
    ("schema", "required", "mode"),
    [
        (TEXT, True, "required"),
        (TEXT, False, "nullable"),
        ({"type": ["string", "null"]}, True, "nullable"),
        ({"enum": ["a", None]}, True, "nullable"),
        ({"enum": ["a"]}, True, "required"),
        ({}, True, "nullable"),
        ({"type": ["object", "null"], "properties": {"a": TEXT}}, True, "nullable"),
    ],
    ids=["required", "optional", "null-type", "null-enum", "enum", "anything", "null-object"],
)
def test_modes_of_properties(schema: dict[str, Any], required: bool, mode: str) -> None:
    found = typed(schema, required)
    assert found is not None
    assert found[1] == mode


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": "text"},
        {"properties": {"a": 5}},
        {"type": "strin"},
        {"type": 5},
        {"enum": "a"},
        {"items": True},
        {"maxLength": 1.5},
        {"format": 5},
        {"required": "a"},
        {"additionalProperties": "x"},
        {"description": 5},
        [],
        None,
    ],
    ids=str,
)
def test_schemas_that_cannot_be_read(schema: Any) -> None:
    assert parse(schema) is None


def test_a_schema_nested_without_end_cannot_be_read() -> None:
    schema: dict[str, Any] = {}
    for _ in range(500):
        schema = {"items": schema}
    assert parse(schema) is None


def fields(found: Field | None) -> dict[str, tuple[str, bool, tuple[str, ...]]]:
    assert found is not None
    kind = found.type.element if isinstance(found.type, Array) else found.type
    assert isinstance(kind, Struct)
    return {field.name: (str(field.type), field.nullable, field.accessors) for field in kind.fields}


def keywords_of(properties: dict[str, Any]) -> Any:
    return parse({"type": "object", "properties": properties})


# cases 16, 17, 19
def test_properties_that_share_a_name_become_one_field() -> None:
    found = fields(event_field("c", keywords_of({"_ga": TEXT, "__b": TEXT, "_Ga": {"type": "integer"}})))
    assert list(found) == ["__b", "_ga"]
    assert found["_ga"] == ("Long", True, ("_Ga", "_ga"))


@pytest.mark.parametrize("order", [("xyz", "XYZ"), ("XYZ", "xyz")])
def test_the_type_of_a_shared_field_does_not_depend_on_order(order: tuple[str, str]) -> None:
    kinds = {"xyz": {"type": "integer"}, "XYZ": TEXT}
    found = fields(event_field("c", keywords_of({key: kinds[key] for key in order})))
    assert found["xyz"][0] == "String"


def test_fields_are_in_order_of_their_names_and_the_version_is_first() -> None:
    keywords = keywords_of(dict.fromkeys(("Apple", "cherry", "banana", "Damson", "_schema_version"), TEXT))
    assert list(fields(event_field("c", keywords)))[1:] == ["apple", "banana", "cherry", "damson"]
    assert list(fields(entity_field("c", keywords))) == ["_schema_version", "apple", "banana", "cherry", "damson"]


def family(versions: dict[str, Any], seen: list[str] | None = None, kind: Any = "event") -> FamilyColumns:
    schemas = {parse_version(text): {"type": "object", **schema} for text, schema in versions.items()}
    found = family_columns(kind, "com.acme", "badevo", schemas, [parse_version(text) for text in seen or versions])
    assert isinstance(found, FamilyColumns)
    return found


SEVEN = {
    "7-0-0": {"properties": {"a": TEXT}, "required": ["a"]},
    "7-0-1": {"properties": {"a": TEXT, "b": TEXT}, "required": ["a"]},
    "7-1-0": {"properties": {"a": TEXT, "c": TEXT}, "required": ["a"]},
}


# cases 24-28
def test_versions_are_merged_and_what_is_new_or_gone_may_be_null() -> None:
    found = family(SEVEN)
    assert [(name, nullable) for name, (_, nullable, _) in fields(found.field).items()] == [
        ("a", False),
        ("b", True),
        ("c", True),
    ]
    assert list(map(str, found.merged)) == ["7-0-0", "7-0-1", "7-1-0"]


def test_new_fields_come_after_the_old_ones() -> None:
    found = family(
        {"10-0-0": {"properties": {"m": TEXT, "n": TEXT}}, "10-0-1": {"properties": {"a": TEXT, "m": TEXT, "z": TEXT}}}
    )
    assert list(fields(found.field)) == ["m", "n", "a", "z"]


def test_a_version_with_nothing_to_store_is_passed_over() -> None:
    found = family({"1-0-0": {"additionalProperties": False}, "1-0-1": {"properties": {"myString": TEXT}}})
    assert list(map(str, found.merged)) == ["1-0-1"]
    assert list(fields(found.field)) == ["my_string"]


def test_a_family_with_nothing_to_store_has_no_column() -> None:
    assert (
        family_columns("event", "com.acme", "x", {parse_version("1-0-0"): {"type": "object", "additionalProperties": False}}, [])
        is None
    )


def test_an_unreadable_version_is_named() -> None:
    schemas = {parse_version("1-0-0"): {"type": "object"}, parse_version("1-0-1"): {"type": "unheard-of"}}
    assert family_columns("event", "com.acme", "x", schemas, []) == UnreadableSchema(parse_version("1-0-1"))


def breaking(kind: str) -> dict[str, Any]:

    return {"$schema": SELF_DESCRIBING, "properties": {"col_a": {"type": kind}}, "required": ["col_a"]}


BAD = {"1-0-0": breaking("string"), "1-0-1": breaking("number"), "1-0-2": breaking("boolean")}


# cases 31-33
@pytest.mark.parametrize(
    ("seen", "recovered"),
    [
        (["1-0-0"], []),
        (["1-0-0", "1-0-1", "1-0-2"], ["_recovered_1_0_1_e7cf2565", "_recovered_1_0_2_cacf6738"]),
        (["1-0-2"], ["_recovered_1_0_2_cacf6738"]),
    ],
    ids=["not-seen", "both-seen", "one-seen"],
)
def test_breaking_versions_get_recovery_columns_if_they_occur(seen: list[str], recovered: list[str]) -> None:
    found = family(BAD, seen)
    assert [recovery.field.name for recovery in found.recoveries] == [
        f"unstruct_event_com_acme_badevo_1{name}" for name in recovered
    ]


def test_later_versions_merge_with_the_last_good_state() -> None:
    later = {"properties": {"col_a": TEXT, "b": {"type": "integer"}}}
    found = family({**BAD, "1-0-3": later})
    assert list(fields(found.field)) == ["col_a", "b"]
    assert len(found.recoveries) == 2


# cases 35-38
@pytest.mark.parametrize(
    ("old", "new", "merges"),
    [
        ({"type": "object", "properties": {"x": TEXT}}, {"type": "object", "properties": {"x": {"type": "integer"}}}, False),
        ({"type": "array", "items": {"type": ["integer", "null"]}}, {"type": "array", "items": TEXT}, False),
        (
            {"type": "array", "items": {"type": "object", "properties": {"x": TEXT}}},
            {"type": "array", "items": {"type": "object", "properties": {"x": TEXT, "y": TEXT}}},
            True,
        ),
        ({"type": "integer", "minimum": 0, "maximum": 10}, {"type": "integer"}, False),
        ({"type": "integer"}, {"type": "number"}, False),
        (TEXT, {"type": ["string", "null"]}, True),
        ({"type": "object", "properties": {"x": TEXT}}, TEXT, False),
        ({"type": "array", "items": TEXT}, TEXT, False),
        (TEXT, {"type": "string", "format": "uuid"}, True),
        (TEXT, {"type": "string", "format": "date-time"}, False),
    ],
    ids=["nested", "items", "items-grow", "wider-integer", "number", "null", "struct-scalar", "array-scalar", "uuid", "time"],
)
def test_which_changes_break(old: Any, new: Any, merges: bool) -> None:
    found = family({"1-0-0": {"properties": {"v": old}}, "1-0-1": {"properties": {"v": new}}})
    assert bool(found.recoveries) is not merges


def test_a_field_once_nullable_stays_so() -> None:
    item = {"type": "object", "properties": {"x": TEXT}}
    required = {"type": "array", "items": {**item, "required": ["x"]}}
    found = family({"1-0-0": {"properties": {"v": {"type": "array", "items": item}}}, "1-0-1": {"properties": {"v": required}}})
    assert "Field(x,String,Nullable" in fields(found.field)["v"][0]


def test_maps_of_more_than_four_keys_are_hashed_in_the_order_of_the_original() -> None:
    properties = {
        "alpha": TEXT,
        "beta": {"type": "integer"},
        "gamma": {"type": "number"},
        "delta": {"type": "boolean"},
        "epsilon": {"type": ["string", "null"]},
        "zeta": {"type": "string", "maxLength": 10},
    }
    schema = {"$schema": SELF_DESCRIBING, "type": "object", "properties": properties, "required": ["alpha"]}
    schema["additionalProperties"] = False
    assert schema_hash(schema) == "353b8e6c"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"multipleOf": 1.0}, {"multipleOf": 1}, True),
        ({"title": "a"}, {"title": "b"}, True),
        ({"type": ["string"]}, {"type": "string"}, True),
        ({"description": "a"}, {"description": "b"}, False),
        ({"enum": [1.0]}, {"enum": [1]}, False),
    ],
    ids=["whole-numbers", "unknown-keyword", "one-type", "description", "enum-spelling"],
)
def test_what_the_hash_tells_apart(one: Any, other: Any, same: bool) -> None:
    assert (schema_hash(one) == schema_hash(other)) is same
