import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from backbone.iglu.failures import NOT_FOUND, RegistryError
from backbone.iglu.registries import MAX_SCHEMA_BYTES, FolderRegistry, Place
from backbone.selfdescribing import SchemaKey, parse_version


def key(version: str = "1-0-0", vendor: str = "com.acme", name: str = "thing") -> SchemaKey:
    return SchemaKey(vendor, name, "jsonschema", parse_version(version))


def put(folder: Path, version: str = "1-0-0", **document: Any) -> Path:
    file = folder / key(version).path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"type": "object", **document}))
    return file


def registry(folder: Path) -> FolderRegistry:
    return FolderRegistry(Place("test"), folder)


def found(answer: Any) -> dict[str, Any]:
    assert isinstance(answer, dict), answer
    return answer


@pytest.mark.parametrize("inside", ["", "schemas"])
def test_a_schema_is_found_below_the_folder_or_its_schemas(tmp_path: Path, inside: str) -> None:
    put(tmp_path / inside, title="x")
    assert found(registry(tmp_path).get(key()))["title"] == "x"


def test_what_is_absent_is_not_found(tmp_path: Path) -> None:
    put(tmp_path)
    assert registry(tmp_path).get(key("1-0-1")) is NOT_FOUND
    assert registry(tmp_path / "nowhere").get(key()) is NOT_FOUND


@pytest.mark.parametrize("vendor", ["..", "."])
def test_no_path_leads_out_of_the_folder(tmp_path: Path, vendor: str) -> None:
    outside = tmp_path / "thing" / "jsonschema" / "1-0-0"
    outside.parent.mkdir(parents=True)
    outside.write_text("{}")
    inner = tmp_path / "inner"
    inner.mkdir()
    folder = registry(inner if vendor == ".." else tmp_path)
    assert folder.get(key(vendor=vendor)) is NOT_FOUND
    assert folder.versions(vendor, "thing") == []
    assert folder.stamp(key(vendor=vendor)) == ()


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"{", "not JSON"), (b"[]", "not a JSON object"), (b"\xff", "not JSON"), (b" " * (MAX_SCHEMA_BYTES + 1), "longer than")],
    ids=["cut", "array", "no-text", "huge"],
)
def test_a_broken_file_fails_finally_once_it_is_surely_written(tmp_path: Path, content: bytes, problem: str) -> None:
    file = put(tmp_path)
    file.write_bytes(content)
    young = registry(tmp_path).get(key())
    os.utime(file, (time.time() - 60, time.time() - 60))
    old = registry(tmp_path).get(key())
    assert isinstance(young, RegistryError)
    assert young.transient
    assert isinstance(old, RegistryError)
    assert not old.transient
    assert old.kind == "ClientFailure"
    assert problem in (old.message or "")


def test_versions_are_listed_in_numeric_order_and_strangers_ignored(tmp_path: Path) -> None:
    for version in ("1-0-10", "1-0-9", "1-1-0", "2-0-0"):
        put(tmp_path, version)
    for stranger in ("1", "README", ".1-0-0", "1-0-0~"):
        (tmp_path / "com.acme/thing/jsonschema" / stranger).write_text("x")
    assert [str(version) for version in registry(tmp_path).versions("com.acme", "thing")] == ["1-0-9", "1-0-10", "1-1-0", "2-0-0"]


@pytest.mark.parametrize(
    ("supersedes", "expected"),
    [
        ({"1-0-1": ["1-0-0"]}, {"1-0-0": "1-0-1", "1-0-1": None}),
        ({"1-0-1": ["1-0-0"], "1-0-2": ["1-0-1"]}, {"1-0-0": "1-0-2", "1-0-1": "1-0-2", "1-0-2": None}),
        ({"1-0-1": ["1-0-0"], "1-0-2": ["1-0-0"], "1-0-3": ["1-0-1"]}, {"1-0-0": "1-0-3", "1-0-2": None}),
        ({"1-0-1": ["1-0-2"]}, {"1-0-0": None, "1-0-1": None, "1-0-2": None}),
        ({"1-0-1": "1-0-0"}, {"1-0-0": None}),
        ({"1-0-1": [5, None, "1-0-0"]}, {"1-0-0": "1-0-1"}),
    ],
    ids=["direct", "transitive", "newest-wins", "never-an-older-one", "no-list", "odd-members"],
)
def test_superseded_by_is_derived_from_the_folder(tmp_path: Path, supersedes: dict[str, Any], expected: dict[str, Any]) -> None:
    for version in ("1-0-0", "1-0-1", "1-0-2", "1-0-3"):
        put(tmp_path, version, **({"$supersedes": supersedes[version]} if version in supersedes else {}))
    for version, successor in expected.items():
        assert found(registry(tmp_path).get(key(version))).get("$supersededBy") == successor


def test_a_successor_the_file_names_itself_stays(tmp_path: Path) -> None:
    put(tmp_path, "1-0-0", **{"$supersededBy": "1-0-1"})
    put(tmp_path, "1-0-2", **{"$supersedes": ["1-0-0"]})
    assert found(registry(tmp_path).get(key()))["$supersededBy"] == "1-0-1"


def settled(folder: Path) -> FolderRegistry:
    """The registry, after the files in it are old enough for their time stamps to tell any change."""
    time.sleep(0.06)
    return registry(folder)


@pytest.mark.parametrize("change", ["rewrite", "add", "remove", "replace"])
def test_the_stamp_changes_with_any_file_of_the_family(tmp_path: Path, change: str) -> None:
    file = put(tmp_path)
    before = settled(tmp_path).stamp(key())
    if change == "rewrite":
        put(tmp_path, title="other")
    elif change == "add":
        put(tmp_path, "1-0-1")
    elif change == "remove":
        file.unlink()
    else:
        (tmp_path / "new").write_text(file.read_text())
        os.utime(tmp_path / "new", ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
        os.replace(tmp_path / "new", file)
    assert registry(tmp_path).stamp(key()) != before


def test_the_stamp_of_an_unchanged_family_stays(tmp_path: Path) -> None:
    put(tmp_path)
    folder = settled(tmp_path)
    assert folder.stamp(key()) == folder.stamp(key())


def test_a_file_just_written_is_not_trusted_to_be_unchanged(tmp_path: Path) -> None:
    put(tmp_path)
    os.utime(tmp_path / key().path, ns=(time.time_ns() + 10**9,) * 2)
    folder = registry(tmp_path)
    assert folder.stamp(key()) != folder.stamp(key())


def test_numbers_in_schemas_keep_their_spelling(tmp_path: Path) -> None:
    file = put(tmp_path)
    file.write_text('{"multipleOf": 0.10}')
    assert found(registry(tmp_path).get(key()))["multipleOf"].text == "0.10"
