from typing import Any

import pytest

from backbone import jsontext
from backbone.iglu.metaschema import IGLU_SCHEMA
from backbone.iglu.validator import CompiledSchema, validate


def reports(schema: Any, value: Any, max_depth: int | None = None) -> list[tuple[str, str | None, tuple[str, ...]]]:
    failure = validate(schema, value, max_depth)
    if failure is None:
        return []
    assert failure.schema_issues == ()
    return sorted((report.path, report.keyword, report.targets) for report in failure.data_reports)


def issues(schema: Any, value: Any = None, max_depth: int | None = None) -> list[str]:
    failure = validate(schema, value, max_depth)
    return [] if failure is None else [issue.path for issue in failure.schema_issues]


def parsed(text: str) -> Any:
    return jsontext.loads(text)[0]


def properties(**schemas: Any) -> dict[str, Any]:
    return {"type": "object", "properties": schemas}


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"type": "string"}, 5, [("$", "type", ("integer", "string"))]),
        ({"type": "number"}, 5, []),
        ({"type": ["integer", "null"]}, 1.5, [("$", "unionType", ("number", "[integer, null]"))]),
        ({"type": ["integer"]}, "x", [("$", "unionType", ("string", "[integer]"))]),
        (properties(a={"type": "string"}), {"a": 1}, [("$.a", "type", ("integer", "string"))]),
        ({"required": ["a", "b"]}, {"a": 1}, [("$", "required", ("b",))]),
        ({"additionalProperties": False}, {"x": 1}, [("$", "additionalProperties", ("x",))]),
        ({"additionalProperties": False}, {"#x": 1}, []),
        ({"additionalProperties": {"type": "null"}}, {"x": 1}, [("$.x", "type", ("integer", "null"))]),
        ({"patternProperties": {"^x": {"type": "null"}}}, {"x1": 1, "y": 1}, [("$.x1", "type", ("integer", "null"))]),
        ({"items": {"type": "null"}}, [None, 1], [("$[1]", "type", ("integer", "null"))]),
        ({"items": [{}], "additionalItems": False}, [1, 2], [("$", "items", ("1",))]),
        ({"items": [{}], "additionalItems": {"type": "null"}}, [1, 2], [("$[1]", "type", ("integer", "null"))]),
        (properties(a=properties(b={"items": {"maxLength": 1}})), {"a": {"b": ["xx"]}}, [("$.a.b[0]", "maxLength", ("1",))]),
        ({"enum": ["a", 1, None, 1.5]}, "x", [("$", "enum", ("[a, 1, null, 1.5]",))]),
        ({"enum": [1]}, 1.0, []),
        ({"enum": [[1]]}, [1.0], [("$", "enum", ("[]",))]),
        ({"minimum": 5, "exclusiveMinimum": True}, 5, [("$", "minimum", ("5",))]),
        ({"maximum": 5, "exclusiveMaximum": False}, 5, []),
        ({"minLength": 2}, "😀", [("$", "minLength", ("2",))]),
        ({"maxItems": 0}, [1], [("$", "maxItems", ("0",))]),
        ({"minProperties": 1}, {}, [("$", "minProperties", ("1",))]),
        ({"uniqueItems": True}, [{"a": 1, "b": 2}, {"b": 2, "a": 1}], [("$", "uniqueItems", ())]),
        ({"uniqueItems": True}, [1, 1.0, True, "1"], []),
        ({"pattern": "^a"}, "b", [("$", "pattern", ("^a",))]),
        ({"format": "date-time"}, "x", [("$", "dateTime", ("x", "date-time"))]),
        ({"format": "uuid"}, "x", [("$", "uuid", ("x", "uuid"))]),
        ({"format": "email"}, "x", [("$", "format", ("x", "email"))]),
        ({"format": "alpha"}, "1", [("$", "format", ("alpha", "^[a-zA-Z]+$"))]),
        ({"format": "no-such"}, "1", []),
        ({"not": {"type": "null"}}, None, [("$", "not", ('"not" : {"type":"null"}',))]),
        ({"dependencies": {"a": ["b", "c"]}}, {"a": 1}, [("$", "dependencies", ("{a=[b, c]}",))]),
        ({"dependencies": {"a": {"required": ["b"]}}}, {"a": 1}, [("$", "required", ("b",))]),
        ({"allOf": [{"type": "null"}, {"minimum": 9}]}, 1, [("$", "minimum", ("9",)), ("$", "type", ("integer", "null"))]),
        ({"anyOf": [{"type": "null"}, {"minimum": 9}]}, 1, [("$", "minimum", ("9",)), ("$", "type", ("integer", "null"))]),
        ({"oneOf": [{}, {"type": "null"}]}, None, [("$", "oneOf", ('{}{"type":"null"}',))]),
        ({"contains": {"type": "null"}, "const": 1, "if": {}, "propertyNames": {"maxLength": 0}}, {"abc": 1}, []),
    ],
)
def test_reports_have_upstreams_path_keyword_and_targets(schema: Any, value: Any, expected: Any) -> None:
    assert reports(schema, value) == expected


def test_one_of_tells_the_likeliest_reasons_only() -> None:
    schema = {"oneOf": [{"required": ["a"]}, {"type": "object", "additionalProperties": False}, {"maxProperties": 0}]}
    assert reports(schema, {"x": 1}) == [("$", "maxProperties", ("0",))]


def test_a_branch_of_one_of_that_lacks_a_property_reports_only_that() -> None:
    branch = {"properties": {"a": {"type": "null"}, "b": {}}, "required": ["b"]}
    assert reports({"oneOf": [branch]}, {"a": 1}) == [("$", "required", ("b",))]


def test_the_same_report_from_two_places_counts_twice_from_one_place_once() -> None:
    assert len(reports({"anyOf": [{"type": "null"}, {"type": "null"}]}, 1)) == 2
    assert len(reports({"properties": {"a": {}, "b": {}}, "required": ["c"]}, {})) == 1


@pytest.mark.parametrize(
    ("text", "is_integer"),
    [
        ("1", True),
        ("1" + "0" * 40, True),
        ("-0", True),
        ("1.0", False),
        ("1e2", False),
        ("-0.0", False),
        ("1e400", False),
        ("9" * 5000, True),
    ],
)
def test_an_integer_is_told_by_its_spelling(text: str, is_integer: bool) -> None:
    assert bool(reports({"type": "integer"}, parsed(text))) is not is_integer
    assert reports({"type": "number"}, parsed(text)) == []


@pytest.mark.parametrize(
    ("schema", "text", "valid"),
    [
        ('{"maximum": 0.1}', "0.1000000000000000000000001", False),
        ('{"minimum": 0.1}', "0.09999999999999999999999", False),
        ('{"maximum": 1e3}', "1000.0", True),
        ('{"multipleOf": 0.01}', "19.99", True),
        ('{"multipleOf": 0.01}', "19.990000000000000000001", False),
        ('{"multipleOf": 0.01}', "1e-400", False),
        ('{"multipleOf": 2}', "1e400", True),
        ('{"multipleOf": 3}', "1e1000000", False),
        ('{"multipleOf": 0.5}', "1e99999999999999999999", True),
        ('{"maximum": 5}', "1e99999999999999999999", False),
        ('{"minimum": -5}', "-1e-99999999999999999999", True),
        ('{"enum": [1.50]}', "1.5", True),
        ('{"maxLength": 1000000000000}', '"abc"', True),
        ('{"minLength": 2147483648}', '"abc"', False),
        ('{"maxItems": 100000000000000000000}', "[1]", True),
    ],
)
def test_numbers_are_compared_exactly(schema: str, text: str, valid: bool) -> None:
    value, exact = jsontext.loads(text)
    assert (CompiledSchema(parsed(schema)).failure(value, exact) is None) is valid


def test_numbers_in_reports_are_spelt_as_java_does() -> None:
    schema = parsed('{"minimum": 0.10, "maximum": -1e3, "multipleOf": 0.0001}')
    assert reports(schema, parsed("0.00001")) == [
        ("$", "maximum", ("-1E+3",)),
        ("$", "minimum", ("0.10",)),
        ("$", "multipleOf", ("1.0E-4",)),
    ]


@pytest.mark.parametrize(
    ("schema", "value", "valid"),
    [
        ({"type": "string", "nullable": True}, None, True),
        ({"enum": ["a"], "nullable": True}, None, True),
        ({"type": "string", "nullable": True}, 5, False),
        ({"type": "string", "nullable": False}, None, False),
        ({"nullable": True, "properties": {"a": {"type": "string"}}}, {"a": None}, True),
        ({"properties": {"a": {"type": "string"}}}, {"a": None}, False),
    ],
)
def test_nullable_admits_null(schema: Any, value: Any, valid: bool) -> None:
    assert (reports(schema, value) == []) is valid


@pytest.mark.parametrize(
    ("target", "value", "valid"),
    [
        ("#/definitions/d", 1, True),
        ("#/definitions/d", "x", False),
        ("#/definitions/a~1b", "x", False),
        ("#/definitions/c~0d", "x", False),
        ("#/definitions/e%25f", "x", False),
        ("#/definitions/list/anyOf/1", "x", False),
        ("#named", "x", False),
        ("http://example.com/s.json", "x", True),
        ("http://json-schema.org/draft-04/schema#", "x", True),
    ],
)
def test_references(target: str, value: Any, valid: bool) -> None:
    integer = {"type": "integer"}
    definitions = dict.fromkeys(("d", "a/b", "c~d", "e%f"), integer) | {
        "list": {"anyOf": [{}, integer]},
        "n": {"id": "#named", **integer},
    }
    assert (reports({"properties": {"a": {"$ref": target}}, "definitions": definitions}, {"a": value}) == []) is valid


def test_what_stands_beside_a_reference_counts_too() -> None:
    schema = {"properties": {"a": {"$ref": "#/definitions/d", "maximum": 5}}, "definitions": {"d": {"type": "integer"}}}
    assert reports(schema, {"a": 6}) == [("$.a", "maximum", ("5",))]
    assert reports(schema, {"a": 5}) == []


def test_a_recursive_schema_is_followed_into_the_data() -> None:
    schema = {"properties": {"next": {"$ref": "#"}}, "additionalProperties": False}
    assert reports(schema, {"next": {"next": {"x": 1}}}) == [("$.next.next", "additionalProperties", ("x",))]


def test_a_reference_to_itself_ends() -> None:
    assert reports({"$ref": "#", "minimum": 5}, 4) == [("$", "minimum", ("5",))]


@pytest.mark.parametrize(
    "target", ["#/definitions/none", "#none", "other.json", "urn:x", "iglu:com.acme/x/jsonschema/1-0-0", "file:///x", 5]
)
def test_a_reference_to_nowhere_spoils_only_data_that_reach_it(target: Any) -> None:
    schema = {"properties": {"a": {"$ref": target}}}
    assert issues(schema, {"a": 1}) == ["$.properties.a.$ref"]
    assert validate(schema, {}) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "("},
        {"pattern": r"\p{InLinearB}"},
        {"patternProperties": {"(": {}}},
        {"additionalProperties": False, "patternProperties": {"(": {}}},
    ],
)
def test_a_broken_pattern_is_a_fault_of_the_schema(schema: Any) -> None:
    assert len(issues({"properties": {"a": schema}}, {"a": {}})) == 1
    assert validate({"properties": {"a": schema}}, {}) is None


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ({"type": "any"}, ["$.type", "$.type"]),
        ({"required": []}, ["$.required"]),
        ({"properties": {"a": {"required": True}}}, ["$.properties.a.required"]),
        ({"exclusiveMinimum": True}, ["$"]),
        ({"maxLength": 2.5}, ["$.maxLength"]),
        ({"enum": [1, 1]}, ["$.enum"]),
        ({"multipleOf": 0}, ["$.multipleOf"]),
        (None, ["$"]),
        ([], ["$"]),
        (True, ["$"]),
        ({"$schema": 5}, ["$.$schema"]),
        ({"$schema": IGLU_SCHEMA.rstrip("#")}, ["$"]),
        ({"$schema": IGLU_SCHEMA.replace("http:", "https:")}, ["$"]),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, ["$"]),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, ["$"]),
        ({"$schema": ""}, ["$"]),
        ({"$schema": IGLU_SCHEMA}, []),
        ({}, []),
    ],
)
def test_a_schema_must_pass_the_metaschema_and_name_the_right_one(schema: Any, paths: list[str]) -> None:
    assert issues(schema) == paths


def test_depth_is_bounded_in_data_and_schemas() -> None:
    assert reports({}, [[1]], max_depth=3) == []
    assert reports({}, [[[1]]], max_depth=3) == [("/", None, ())]
    assert issues({"items": {"items": {}}}, 1, max_depth=2) == ["/"]


@pytest.mark.parametrize("schema", [{"maxLength": 1}, {"pattern": "^a$"}, {"format": "uri"}, {"enum": ["a"]}, {"minLength": 9}])
def test_lone_surrogates_are_data_like_any_other(schema: Any) -> None:
    assert reports(schema, "\ud800\ud800")


def test_lone_surrogates_in_names_and_valid_data() -> None:
    assert validate({"properties": {"a": {}}}, {"\ud800": "\udfff"}) is None


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"items": {"type": "null"}}, [1] * 50_000),
        ({"items": [{}], "additionalItems": False}, [1] * 50_000),
        ({"additionalProperties": False}, {str(number): 1 for number in range(50_000)}),
        ({"patternProperties": {"": {"type": "null"}}}, {str(number): 1 for number in range(50_000)}),
        ({"items": {"items": {"type": "null"}}}, [[1] * 500] * 500),
    ],
    ids=["items", "tuple", "additional", "pattern", "nested"],
)
def test_masses_of_faults_are_reported_in_part(schema: Any, value: Any) -> None:
    assert 1_000 <= len(reports(schema, value)) <= 2_000


def test_values_are_given_as_bad_rows_hold_them() -> None:
    invalid = validate({"required": ["sku"]}, {})
    unusable = validate({"type": 5}, {})
    assert invalid is not None
    assert unusable is not None
    report = {"message": "$.sku: is missing but it is required", "path": "$", "keyword": "required", "targets": ["sku"]}
    assert invalid.value() == {"error": "ValidationError", "dataReports": [report]}
    assert set(unusable.value()) == {"error", "schemaIssues"}
    assert set(unusable.value()["schemaIssues"][0]) == {"path", "message"}
    assert "sku" in str(invalid)
