"""Schemas → warehouse fields: names, types, evolution. Case numbers are those of the loader's specification."""

from typing import Any

import pytest

from backbone.column_names import column_name, field_name
from backbone.schema_keywords import parse
from backbone.schema_types import Array, Field, Struct, entity_field, event_field

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
