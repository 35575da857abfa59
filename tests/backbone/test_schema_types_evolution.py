"""A family of schema versions → one growing column, recovery columns, their hash. Case numbers: the loader's specification."""

from typing import Any

import pytest

from backbone.column_families import FamilyColumns, UnreadableSchema, family_columns
from backbone.schema_hash import schema_hash
from backbone.schema_types import Array, Field, Struct
from backbone.selfdescribing import parse_version

TEXT = {"type": "string"}
SELF_DESCRIBING = "http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#"


def fields(found: Field | None) -> dict[str, tuple[str, bool, tuple[str, ...]]]:
    assert found is not None
    kind = found.type.element if isinstance(found.type, Array) else found.type
    assert isinstance(kind, Struct)
    return {field.name: (str(field.type), field.nullable, field.accessors) for field in kind.fields}


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
