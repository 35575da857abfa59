"""Every bad row is explained in words that name the cause and the cure, and quote nothing of the data."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbone.explanation import explain

USER = "iglu:com.acme/user/jsonschema/1-0-0"
ATOMIC = "iglu:com.snowplowanalytics.snowplow/atomic/jsonschema/1-0-0"


def row(kind: str, failure: Any, payload: Any = None, artifact: str = "snowmelt-enricher") -> dict[str, Any]:
    schema = f"iglu:com.snowplowanalytics.snowplow.badrows/{kind}/jsonschema/1-0-0"
    return {
        "schema": schema,
        "data": {"processor": {"artifact": artifact, "version": "1.0.0"}, "failure": failure, "payload": payload},
    }


def broken(schema: str, *reports: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"schemaKey": schema, "error": {"error": "ValidationError", "dataReports": list(reports)}}]}


def report(keyword: str, *targets: str, path: str = "$.p", message: str = "secret") -> dict[str, Any]:
    return {"message": message, "path": path, "keyword": keyword, "targets": list(targets)}


@pytest.mark.parametrize(
    ("reported", "reason", "remedy"),
    [
        (
            report("required", "sku", path="$"),
            f"The property `sku` is missing, which the schema {USER} requires.",
            "Make `sku` optional in",
        ),
        (report("required", "k", path="$.a[0]"), "The property `k` at `$.a[0]` is missing", "make the tracker send `k`"),
        (
            report("additionalProperties", "x", path="$"),
            "The property `x` is not defined",
            "Add the property `x` to schemas/com.acme/user",
        ),
        (
            report("type", "integer", "string"),
            "The value at `$.p` is of the type integer, not string",
            "Change schemas/com.acme/user",
        ),
        (
            report("unionType", "integer", "[string, null]"),
            "is of the type integer, not string or null",
            "Change schemas/com.acme/user",
        ),
        (report("maxLength", "5"), "is longer than 5 characters", "Change schemas/com.acme/user"),
        (report("minimum", "0"), "is smaller than 0", "Change schemas/com.acme/user"),
        (report("enum", "a"), "is not one of the listed values", "Change schemas/com.acme/user"),
        (report("uuid", "secret", "uuid"), "is not a UUID", "Change schemas/com.acme/user"),
        (report("format", "uri"), "is not a well-formed uri", "Change schemas/com.acme/user"),
        (report("surprise"), "breaks the rule `surprise`", "Change schemas/com.acme/user"),
    ],
    ids=lambda value: value["keyword"] if isinstance(value, dict) else "",
)
def test_a_broken_schema_names_the_property_and_the_file(reported: dict[str, Any], reason: str, remedy: str) -> None:
    found = explain(row("schema_violations", broken(USER, reported)))
    assert reason in found.reason
    assert remedy in found.remedy
    assert f"snowmelt replay --schema {USER}" in found.remedy
    assert (found.kind, found.stage, found.schema) == ("schema_violations", "enricher", USER)
    assert "secret" not in found.reason + found.remedy


@pytest.mark.parametrize(
    ("reported", "reason"),
    [
        (
            report("atomic_field_parse_error", path="tr_tt", message="Cannot be converted to java.math.BigDecimal. Error : x"),
            "`tr_tt` is not a decimal",
        ),
        (
            report("atomic_field_parse_error", path="eid", message="Not a valid UUID"),
            "The tracker parameter `eid` is not a UUID.",
        ),
        (report("atomic_field_parse_error", path="dtm", message="Formatting as x is not"), "`dtm` is a time outside the years"),
        (
            report("atomic_field_length_exceeded", path="v_tracker", message="Field is longer than maximum allowed size 100"),
            "The field `v_tracker` is longer than 100 characters.",
        ),
    ],
)
def test_an_atomic_field_is_named_with_what_it_should_be(reported: dict[str, Any], reason: str) -> None:
    assert reason in explain(row("schema_violations", broken(ATOMIC, reported))).reason


def test_a_schema_that_is_nowhere_is_to_be_added() -> None:
    history = [{"repository": "schemas", "errors": [{"error": "NotFound"}], "attempts": 1, "lastAttempt": "x"}]
    message = {"schemaKey": USER, "error": {"error": "ResolutionError", "lookupHistory": history}}
    found = explain(row("schema_violations", {"messages": [message]}))
    assert found.reason == f"The schema {USER} was not found in any registry (asked: schemas)."
    assert "schemas/com.acme/user/jsonschema/1-0-0" in found.remedy


def test_a_schema_that_is_itself_broken_is_to_be_corrected() -> None:
    error = {"error": "ValidationError", "schemaIssues": [{"path": "$.properties", "message": "must be an object"}]}
    found = explain(row("schema_violations", {"messages": [{"schemaKey": USER, "error": error}]}))
    assert "is itself not valid (at $.properties: must be an object)" in found.reason
    assert found.remedy.startswith("Correct schemas/com.acme/user")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            {"field": "unstruct", "value": "secret", "error": "invalid json: secret"},
            "self-describing event (`ue_pr`, `ue_px`) is not valid JSON",
        ),
        ({"field": "contexts", "value": "secret", "error": "x"}, "list of entities (`co`, `cx`) is not valid JSON"),
        ({"json": {"a": "secret"}, "error": "INVALID_IGLUURI"}, "in another form than iglu:vendor/name/jsonschema/1-0-0"),
        ({"json": {}, "error": "INVALID_SCHEMAVER"}, "that is not three numbers"),
        (
            {"schemaKey": USER, "schemaCriterion": "iglu:x/y/jsonschema/1-0-*"},
            "where one of iglu:x/y/jsonschema/1-0-* is expected",
        ),
    ],
)
def test_data_that_is_not_self_describing(message: dict[str, Any], reason: str) -> None:
    found = explain(row("schema_violations", {"messages": [message]}))
    assert reason in found.reason
    assert "secret" not in found.reason


def test_more_problems_are_counted() -> None:
    failure = broken(USER, report("required", "a"), report("required", "b"))
    assert "(1 more fault of this kind of data.)" in explain(row("schema_violations", failure)).reason
    failure["messages"] *= 3
    assert explain(row("schema_violations", failure)).reason.endswith("(2 more problems in the row.)")


def messages(*found: dict[str, Any]) -> dict[str, Any]:
    return {"vendor": "a", "version": "b", "messages": list(found)}


BUILT_IN = {"enrichment": None, "message": {"field": "event", "value": None, "expectation": "x"}}
CONFIGURED = {"enrichment": {"schemaKey": USER, "identifier": "api"}, "message": {"error": "x"}}
PATH = {"payloadField": "path", "value": "/x", "expectation": "y"}
FIELD = {"field": "contentType", "value": "secret", "expectation": "y"}
NOT_JSON = {"field": "body", "value": "secret", "error": "secret"}
API = {"field": "vendor/version", "value": "a/b", "expectation": "x"}


@pytest.mark.parametrize(
    ("kind", "failure", "reason"),
    [
        ("enrichment_failures", messages(BUILT_IN), "event's type"),
        ("enrichment_failures", messages(CONFIGURED), "enrichment api failed"),
        ("adapter_failures", messages(API), "path /a/b"),
        ("tracker_protocol_violations", messages(FIELD), "content type"),
        ("tracker_protocol_violations", messages(NOT_JSON), "body of a request to /a/b is not JSON"),
        ("tracker_protocol_violations", broken(USER, report("required", "e")), "property `e`"),
        ("collector_payload_format_violation", {"message": PATH}, "path is not one"),
        ("collector_payload_format_violation", {"message": {"error": "x"}}, "not a payload as the collector writes it"),
        ("size_violation", {"maximumAllowedSizeBytes": 5, "actualSizeBytes": 9}, "It is 9 bytes long, more than the 5"),
        ("generic_error", {"errors": ["x"]}, "Snowmelt itself failed"),
        ("loader_parsing_error", {"type": "NotTSV"}, "131 columns"),
        ("loader_iglu_error", [{"schemaKey": USER, "value": "secret", "expected": "Long"}], "does not fit its column: Long"),
        ("loader_runtime_error", "x", "The warehouse refused"),
        ("something_new", {}, "does not know"),
    ],
)
def test_every_kind_is_explained(kind: str, failure: Any, reason: str) -> None:
    found = explain(row(kind, failure))
    assert reason in found.reason
    assert found.remedy.endswith(".")
    assert "secret" not in found.reason + found.remedy


@pytest.mark.parametrize(
    ("artifact", "stage"),
    [("snowmelt-collector", "collector"), ("ssc", "collector"), ("bigquery-loader-pubsub", "loader"), ("x", "enricher")],
)
def test_the_stage_is_that_of_the_program_that_refused(artifact: str, stage: str) -> None:
    assert explain(row("size_violation", {}, artifact=artifact)).stage == stage


def test_the_event_and_its_app_are_named() -> None:
    found = explain(row("schema_violations", {}, {"enriched": {"event_id": "e", "app_id": "a"}, "raw": {}}))
    assert (found.event_id, found.app_id) == ("e", "a")
    found = explain(row("adapter_failures", {}, {"querystring": [{"name": "aid", "value": "q"}]}))
    assert (found.event_id, found.app_id) == (None, "q")


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
)
KINDS = st.sampled_from(
    ["schema_violations", "enrichment_failures", "adapter_failures", "size_violation", "loader_iglu_error", "?"]
)
MESSAGE = st.dictionaries(
    st.sampled_from(["schemaKey", "error", "json", "field", "message", "enrichment", "dataReports", "expected"]), JSON
)


@given(KINDS, st.lists(MESSAGE | JSON, max_size=3) | JSON, JSON)
def test_no_row_is_too_odd_to_be_explained(kind: str, messages: Any, payload: Any) -> None:
    for failure in ({"messages": messages}, messages):
        found = explain(row(kind, failure, payload))
        assert found.reason
        assert found.remedy
    assert explain({"schema": payload, "data": messages}).kind


def test_schemas_of_the_protocol_are_not_for_changing() -> None:
    uri = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
    found = explain(row("tracker_protocol_violations", broken(uri, report("additionalProperties", "x", path="$[0]"))))
    assert found.remedy.startswith("Fix the tracker, for events to come")
    assert "replay" not in found.remedy


def test_a_limit_can_be_raised() -> None:
    found = explain(
        row(
            "schema_violations",
            broken(
                ATOMIC,
                report("atomic_field_length_exceeded", path="app_id", message="Field is longer than maximum allowed size 255"),
            ),
        )
    )
    assert found.remedy.startswith(f"Set `enricher.field_limits.app_id` higher and run `snowmelt replay --schema {ATOMIC}`")
