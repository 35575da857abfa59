"""`snowmelt schema`: columns, casts and verdicts of our own schemas, and what becomes of questions that are none."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from backbone.errors import ConfigurationError
from snowmelt.cli import app

SELF = "http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#"
Run = Callable[..., str]


def schema(version: str, vendor: str = "org.example", **properties: Any) -> dict[str, Any]:
    about = {"vendor": vendor, "name": "order", "format": "jsonschema", "version": version}
    return {"$schema": SELF, "self": about, "type": "object", "properties": properties, "additionalProperties": False}


TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
HISTORY = [schema("1-0-0", sku=TEXT), schema("1-0-1", sku=NUMBER), schema("1-0-2", sku=TEXT, count=NUMBER)]
PRODUCT = "iglu:org.example/order/jsonschema"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry; it is also where commands run."""
    monkeypatch.chdir(tmp_path)
    for document in HISTORY:
        file = tmp_path / "registry/org.example/order/jsonschema" / document["self"]["version"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document))
    return tmp_path / "registry"


@pytest.fixture
def run(folder: Path) -> Run:
    def invoke(command: str, *arguments: str, given: bytes | None = None, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["schema", command, "--schemas", str(folder), *arguments], input=given)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return done.stdout

    return invoke


def names(found: str) -> list[str]:
    columns = json.loads(found)["entity"]["columns"]
    return [name for column in columns for name in (column["field"]["name"], *(r["field"]["name"] for r in column["recoveries"]))]


def test_a_whole_family_gets_its_column_and_one_for_each_breaking_version(run: Run) -> None:
    main, recovery = names(run("columns", "--json", f"{PRODUCT}/1-*-*"))
    assert main == "contexts_org_example_order_1"
    assert recovery.startswith("contexts_org_example_order_1_recovered_1_0_1_")


def test_a_version_named_alone_is_all_there_is_among_the_data(run: Run) -> None:
    assert names(run("columns", "--json", f"{PRODUCT}/1-0-2")) == ["contexts_org_example_order_1"]


def test_files_are_a_family_and_may_continue_one_of_a_registry(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "next.json"
    file.write_text(json.dumps(schema("1-0-3", gift={"type": "boolean"})))
    found = json.loads(run("columns", "--json", "--kind", "event", str(file)))
    assert set(found) == {"event"}
    (column,) = found["event"]["columns"]
    assert [field["name"] for field in column["bigquery"]["fields"]] == ["sku", "count", "gift"]
    assert column["merged"] == ["1-0-0", "1-0-2", "1-0-3"]


def test_changes_from_version_to_version_are_told(run: Run) -> None:
    pairs = json.loads(run("columns", "--json", PRODUCT))["pairs"]
    assert pairs == [
        {"from": "1-0-0", "to": "1-0-1", "migrations": ["breaking: Incompatible type change String to Long at /sku"]},
        {
            "from": "1-0-1",
            "to": "1-0-2",
            "migrations": ["breaking: Incompatible type change Long to String at /sku", "ok: Schema key addition at /count"],
        },
    ]


@pytest.mark.parametrize(("target", "whole", "text"), [("ducklake", "BIGINT", "VARCHAR"), ("bigquery", "INT64", "STRING")])
def test_the_tree_shows_the_types_of_the_target(run: Run, target: str, whole: str, text: str) -> None:
    tree = run("columns", "--target", target, "--kind", "entity", f"{PRODUCT}/1-*-*")
    first, second, *_ = tree.split("\n\n")
    assert first.startswith("contexts_org_example_order_1  STRUCT[]  from 1-0-0, 1-0-2\n")
    assert [line.split()[:2] for line in first.splitlines()[1:]] == [["_schema_version", text], ["sku", text], ["count", whole]]
    assert "_recovered_1_0_1_" in second
    assert ["sku", whole] in [line.split()[:2] for line in second.splitlines()]


def test_a_version_without_a_schema_is_a_failure_beside_the_columns_of_the_others(run: Run) -> None:
    found = json.loads(run("columns", "--json", "--kind", "event", f"{PRODUCT}/1-0-0", f"{PRODUCT}/1-0-9"))["event"]
    assert [column["merged"] for column in found["columns"]] == [["1-0-0"]]
    (failure,) = found["failures"]
    assert failure["versions"] == ["1-0-9"]
    assert failure["failure"]["schemaKey"] == f"{PRODUCT}/1-0-3"
    assert "no column for 1-0-9 (event)" in run("columns", "--kind", "event", f"{PRODUCT}/1-0-0", f"{PRODUCT}/1-0-9")


def test_versions_that_the_loader_is_set_to_treat_otherwise_are_told(run: Run, tmp_path: Path) -> None:
    legacy, skipped = "iglu:*/order/jsonschema/1-0-0", f"{PRODUCT}/1-*-*"
    (tmp_path / "snowmelt.toml").write_text(f"[loader]\nlegacy_columns = ['{legacy}']\nskip_schemas = ['{skipped}']\n")
    tree = run("columns", f"{PRODUCT}/1-0-0", f"{PRODUCT}/1-0-1")
    first, second = tree.splitlines()[-2:]
    assert "goes to unstruct_event_org_example_order_1_0_0 and contexts_org_example_order_1_0_0 instead" in first
    assert second == f"{PRODUCT}/1-0-1 is not loaded (loader.skip_schemas)"


def test_every_argument_at_fault_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "nameless.json").write_text("{}")
    with pytest.raises(ConfigurationError) as raised:
        run("columns", "absent.json", "broken.json", "nameless.json", "iglu:no", "iglu:org.example/nothing/jsonschema/1-*-*")
    assert [(fault.file, fault.key) for fault in raised.value.faults] == [
        ("absent.json", ""),
        ("broken.json", ""),
        ("nameless.json", "self"),
        ("command line", "iglu:no"),
        ("command line", "iglu:org.example/nothing/jsonschema/1-*-*"),
    ]


def answers(run: Run, command: str, *questions: Any, code: int = 0) -> list[Any]:
    lines = [question if isinstance(question, bytes) else json.dumps(question).encode() for question in questions]
    out = run(command, "--lines", "-", given=b"\n".join(lines), code=code)
    return [json.loads(line) for line in out.splitlines()]


def test_data_is_cast_into_columns_or_refused(run: Run) -> None:
    data = [{"version": "1-0-0", "data": {"sku": "a"}}, {"version": "1-0-1", "data": {"sku": 5}}, {"data": {"sku": 5}}]
    question = {"id": 7, "kind": "event", "schemas": HISTORY, "data": data}
    (answer,) = answers(run, "cast", question)
    first, second, third = answer["result"]
    (main, recovery) = sorted(first["row"])
    assert answer["id"] == 7
    assert (first["row"], first["write"]) == ({main: {"sku": "a"}, recovery: None}, "ok")
    assert second["row"] == {main: None, recovery: {"sku": 5}}
    assert third["errors"] == [{"schemaKey": f"{PRODUCT}/1-0-2", "value": 5, "expected": "String"}]
    assert third["legacy"]["row"]["unstruct_event_org_example_order_1_0_2"] == {"sku": "5"}


def test_schemas_of_a_cast_may_come_from_a_registry(run: Run) -> None:
    items = [{"version": "1-0-0", "data": {"sku": "a"}}, {"schema": f"{PRODUCT}/1-0-2", "data": {"sku": "b"}}]
    question = {"kind": "entity", "uris": [f"{PRODUCT}/1-0-0"], "data": [{"entities": items[:1], "derived": items[1:]}]}
    (answer,) = answers(run, "cast", question)
    assert answer["result"][0]["row"] == {
        "contexts_org_example_order_1": [{"_schema_version": "1-0-0", "sku": "a"}, {"_schema_version": "1-0-2", "sku": "b"}]
    }


def test_separate_data_do_not_share_a_batch(run: Run) -> None:
    data = [{"version": "1-0-0", "data": {"sku": "a"}}, {"version": "1-0-1", "data": {"sku": 5}}]
    (answer,) = answers(run, "cast", {"kind": "event", "schemas": HISTORY, "data": data, "separate": True})
    assert list(answer["result"][0]["row"]) == ["unstruct_event_org_example_order_1"]


def test_what_bigquery_could_not_write_is_told(run: Run) -> None:
    document = schema("1-0-0", lists={"type": "array", "items": {"type": "array", "items": TEXT}})
    (answer,) = answers(run, "cast", {"kind": "event", "schemas": [document], "data": [{"data": {"lists": [["a"]]}}]})
    assert answer["result"][0]["write"] == {
        "serialization": "Field unstruct_event_org_example_order_1.lists[0] is a list inside a list, of which BigQuery has none"
    }


def test_instances_are_judged(run: Run) -> None:
    fits, breaks, elsewhere = answers(
        run,
        "validate",
        {"id": "a", "schema": schema("1-0-0", sku=TEXT), "instance": {"sku": "x"}},
        {"schema": {"type": "object", "required": ["sku"]}, "instance": {}},
        {"uri": f"{PRODUCT}/1-0-1", "instance": {"sku": "x"}},
    )
    assert fits == {"id": "a", "valid": True, "reports": [], "schemaIssues": []}
    assert breaks["reports"] == [{"path": "$", "keyword": "required", "targets": ["sku"]}]
    assert elsewhere["reports"] == [{"path": "$.sku", "keyword": "type", "targets": ["string", "integer"]}]


def test_depth_and_unusable_schemas_are_told(run: Run) -> None:
    deep, broken = answers(
        run,
        "validate",
        {"schema": {"type": "object"}, "instance": {"a": {"b": 1}}, "maxJsonDepth": 2},
        {"schema": {"type": 3}, "instance": 1},
    )
    assert (deep["valid"], len(deep["reports"])) == (False, 1)
    assert (broken["valid"], broken["reports"]) == (False, [])
    assert {issue["path"] for issue in broken["schemaIssues"]} == {"$.type"}


NO_QUESTIONS = [b"", b"{", b"[]", b"7", b"\xff\xfe", b"{}", b'{"id":1,"instance":1}', b"[" * 10_000]


@pytest.mark.parametrize("command", ["cast", "validate"])
def test_a_line_that_is_no_question_is_answered_by_an_error_and_the_next_ones_are_answered(run: Run, command: str) -> None:
    good = {"id": 2, "kind": "event", "schemas": HISTORY, "data": [], "schema": {}, "instance": 1}
    *errors, last = answers(run, command, *NO_QUESTIONS, good, code=1)
    assert [error["line"] for error in errors] == list(range(1, len(NO_QUESTIONS) + 1))
    assert all(error["error"] for error in errors)
    assert errors[-2]["id"] == 1
    assert last["id"] == 2
    assert "error" not in last


CASTS_THAT_ARE_NONE = [
    {"kind": "row", "schemas": HISTORY, "data": []},
    {"kind": "event", "schemas": HISTORY, "data": {}},
    {"kind": "event", "schemas": HISTORY, "data": [3]},
    {"kind": "event", "schemas": HISTORY, "data": [{"version": "1-0-0"}]},
    {"kind": "event", "schemas": HISTORY, "data": [{"version": "one", "data": 1}]},
    {"kind": "entity", "schemas": HISTORY, "data": [{"entities": 3}]},
    {"kind": "event", "schemas": [{}], "data": []},
    {"kind": "event", "schemas": {}, "data": []},
    {"kind": "event", "uris": ["order"], "data": []},
    {"kind": "event", "uris": [3], "data": []},
    {"kind": "event", "data": [{"data": {}}]},
]


@pytest.mark.parametrize("question", CASTS_THAT_ARE_NONE, ids=json.dumps)
def test_a_cast_that_is_none_is_refused_without_its_data(run: Run, question: Any) -> None:
    (answer,) = answers(run, "cast", question, code=1)
    assert set(answer) == {"line", "error"}


def test_an_unknown_uri_is_an_error_not_a_verdict(run: Run) -> None:
    (answer,) = answers(run, "validate", {"uri": "iglu:org.example/nothing/jsonschema/1-0-0", "instance": 1}, code=1)
    assert "NotFound" in answer["error"]


def test_a_file_of_lines_that_is_not_there_is_a_fault(run: Run) -> None:
    with pytest.raises(ConfigurationError):
        run("validate", "--lines", "absent.jsonl")
