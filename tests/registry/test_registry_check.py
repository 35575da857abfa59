import json
from pathlib import Path
from typing import Any

import pytest

from backbone.iglu.metaschema import IGLU_SCHEMA
from registry.check import check, warnings


def document(version: str = "1-0-0", **changes: Any) -> dict[str, Any]:
    return {
        "$schema": IGLU_SCHEMA,
        "self": {"vendor": "com.acme", "name": "thing", "format": "jsonschema", "version": version},
        "type": "object",
        **changes,
    }


def put(folder: Path, content: Any, at: str = "com.acme/thing/jsonschema/1-0-0") -> None:
    file = folder / at
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


def problems(folder: Path) -> list[tuple[str, str]]:
    return [(fault.key, fault.problem) for fault in check(folder)]


@pytest.mark.parametrize("inside", ["", "schemas"])
def test_a_good_schema_has_no_faults(tmp_path: Path, inside: str) -> None:
    put(tmp_path / inside, document())
    assert check(tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"$schema": IGLU_SCHEMA.rstrip("#")}, ["$schema"]),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, ["$schema"]),
        ({"self": None}, ["self"]),
        (
            {"self": {"vendor": "com.other", "name": "thing", "format": "jsonschema", "version": 1, "x": 1}},
            ["self.vendor", "self.version", "self.x"],
        ),
        ({"type": "any"}, ["$.type"]),
        ({"required": [], "multipleOf": 0}, ["$.multipleOf", "$.required"]),
        ({"properties": {"a": {"pattern": "("}}}, ["$.properties.a"]),
        ({"properties": {"a": {"pattern": r"\p{InLinearB}"}}}, ["$.properties.a"]),
        ({"patternProperties": {"[": {}}}, ["$"]),
        ({"anyOf": [{"items": {"not": {"pattern": "a**"}}}]}, ["$.anyOf[0].items.not"]),
        ({"definitions": {"d": {}}, "properties": {"a": {"$ref": "#/definitions/d"}}}, []),
        ({"properties": {"a": {"$ref": "#/definitions/d"}}}, ["$.properties.a.$ref"]),
        ({"properties": {"a": {"$ref": "http://example.com/x"}}}, ["$.properties.a.$ref"]),
        ({"items": [{"$ref": 5}]}, ["$.items[0].$ref"]),
        ({"$supersedes": ["1-0-0"]}, ["$supersedes"]),
        ({"$supersedes": "1-0-0"}, ["$supersedes"]),
        ({"$supersedes": [5, "x"]}, ["$supersedes", "$supersedes"]),
    ],
)
def test_faults_name_the_place(tmp_path: Path, changes: dict[str, Any], keys: list[str]) -> None:
    put(tmp_path, document(**changes))
    assert sorted(key for key, _ in problems(tmp_path)) == sorted(keys)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b"\xff", "is not JSON"),
        (b'{"a": {"b": 1, "b": 2}}', "holds the key `b` twice"),
        (b"[" * 1000, "is not JSON"),
    ],
    ids=["empty", "cut", "array", "no-text", "repeated-key", "deep"],
)
def test_a_file_that_is_no_json_object_is_one_fault(tmp_path: Path, content: bytes, problem: str) -> None:
    put(tmp_path, content)
    assert [text.startswith(problem) for _, text in problems(tmp_path)] == [True]


def test_a_schema_nested_too_deeply_is_a_fault(tmp_path: Path) -> None:
    schema: dict[str, Any] = {}
    for _ in range(60):
        schema = {"items": schema}
    put(tmp_path, document(**schema))
    assert problems(tmp_path) == [("", "is nested more than 50 levels deep")]


def test_superseding_an_existing_lower_version_is_fine(tmp_path: Path) -> None:
    put(tmp_path, document())
    put(tmp_path, document("1-0-1", **{"$supersedes": ["1-0-0"]}), "com.acme/thing/jsonschema/1-0-1")
    assert check(tmp_path) == []


@pytest.mark.parametrize(
    "at", ["com.acme/thing/1-0-0", "com.acme/thing/jsonschema/1-0", "com.acme/th.ing/jsonschema/1-0-0", "a/b/c/d/e"]
)
def test_files_in_wrong_places_are_faults(tmp_path: Path, at: str) -> None:
    put(tmp_path, document(), at)
    assert [problem for _, problem in problems(tmp_path)] == ["is not at vendor/name/format/version"]


def test_what_stands_beside_the_schemas_is_left_alone(tmp_path: Path) -> None:
    for at in ("README.md", ".git/x/y/z", "com.acme/.DS_Store", "com.acme/thing/jsonschema/1"):
        put(tmp_path, b"text", at)
    assert check(tmp_path) == []


def test_other_formats_need_only_be_json(tmp_path: Path) -> None:
    put(tmp_path, {"type": "record"}, "com.acme/thing/avro/1-0-0")
    assert check(tmp_path) == []
    put(tmp_path, b"{", "com.acme/thing/avro/1-0-0")
    assert len(check(tmp_path)) == 1


def test_paths_that_differ_only_in_case_are_a_fault(tmp_path: Path) -> None:
    put(tmp_path, document())
    put(tmp_path, document(self={**document()["self"], "name": "Thing"}), "com.acme/Thing/jsonschema/1-0-0")
    if len(list((tmp_path / "com.acme").iterdir())) < 2:
        pytest.skip("this file system does not tell upper from lower case")
    assert [problem for _, problem in problems(tmp_path)] == ["differs from com.acme/Thing/jsonschema/1-0-0 only in case"]


def test_an_absent_folder_is_a_fault(tmp_path: Path) -> None:
    assert problems(tmp_path / "nowhere") == [("", "is no folder")]


@pytest.mark.parametrize(
    ("versions", "gaps"),
    [
        (["1-0-0", "1-0-1", "1-1-0", "2-0-0"], []),
        (["1-0-1"], ["1-0-0"]),
        (["1-0-0", "1-0-2"], ["1-0-1"]),
        (["1-1-0"], ["1-0-0"]),
        (["2-0-0", "2-1-1"], ["2-1-0"]),
    ],
)
def test_gaps_between_versions_are_warnings(tmp_path: Path, versions: list[str], gaps: list[str]) -> None:
    for version in versions:
        put(tmp_path, document(version), f"com.acme/thing/jsonschema/{version}")
    assert check(tmp_path) == []
    assert [warning.problem.split(" ")[0] for warning in warnings(tmp_path)] == gaps
