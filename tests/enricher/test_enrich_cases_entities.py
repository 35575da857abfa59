"""Cases of the enrichment specification: self-describing data, limits, what fails and how. The number starts the test's id."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from backbone import tsv
from backbone.errors import RegistryUnavailable
from backbone.event import Event
from backbone.selfdescribing import SelfDescribing, parse_key
from enricher.enrichments.protocol import EnrichmentFailure, SimpleMessage

USER = {"schema": "iglu:com.acme/user/jsonschema/1-0-0", "data": {"id": "u"}}
LOST = {"schema": "iglu:com.acme/lost/jsonschema/1-0-0", "data": {}}
SNOWPLOW = "iglu:com.snowplowanalytics.snowplow"
CONTEXTS = f"{SNOWPLOW}/contexts/jsonschema"


def entities(event: dict[str, str], column: str = "contexts") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(event[column])["data"] if column in event else []
    return found


def test_73_a_bad_entity_is_lost_alone(get: Any, rig: Any) -> None:
    found = get(f"co={quote(rig.contexts(USER, LOST))}")
    assert [message["error"]["error"] for message in found.messages] == ["ResolutionError"]
    assert entities(found.failed[0]) == [USER]
    assert found.failures[0]["schema"] == LOST["schema"]


def test_74_a_wrapper_that_is_wrong_loses_all_with_one_message(get: Any, rig: Any) -> None:
    found = get(f"co={quote(rig.contexts(USER, {'schema': USER['schema']}))}")
    (message,) = found.messages
    assert message["schemaKey"] == f"{CONTEXTS}/1-0-0"
    assert "contexts" not in found.failed[0]


def test_75_an_empty_list_is_fine_since_1_0_1(get: Any, rig: Any) -> None:
    assert "contexts" not in get(f"co={quote(rig.contexts(version='1-0-1'))}").event
    assert [report["keyword"] for report in get(f"co={quote(rig.contexts())}").reports] == ["minItems"]


def test_76_the_column_always_says_1_0_1(get: Any, rig: Any) -> None:
    event = get(f"co={quote(rig.contexts(USER))}").event
    assert json.loads(event["contexts"]) == {"schema": f"{CONTEXTS}/1-0-1", "data": [USER]}


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("iglu:com.acme/user/jsonschema/1--", "schemaKey"),
        ("iglu:com.acme/user/jsonschema/0-0-0", "INVALID_SCHEMAVER"),
        (f"iglu:{'v' * 129}/user/jsonschema/1-0-0", "INVALID_IGLUURI"),
    ],
)
def test_77_a_malformed_key_is_found_by_the_wrapper_or_by_the_key(get: Any, rig: Any, uri: str, expected: str) -> None:
    (message,) = get(f"co={quote(rig.contexts({'schema': uri, 'data': {}}))}").messages
    assert expected in (message.get("error"), *message)


def test_78_another_wrapper_mismatches_the_criterion(get: Any, rig: Any) -> None:
    (message,) = get(f"e=ue&ue_pr={quote(rig.unstruct(USER, f'{SNOWPLOW}/foo/jsonschema/1-0-0'))}").messages
    assert message == {
        "schemaKey": f"{SNOWPLOW}/foo/jsonschema/1-0-0",
        "schemaCriterion": f"{SNOWPLOW}/unstruct_event/jsonschema/1-0-*",
    }


@pytest.mark.parametrize(("query", "value"), [("ue_px=%C2%A2%C2%A2", ""), ("ue_pr=", ""), ("ue_px=_w", "�")])
def test_79_what_is_no_json_is_said_with_what_was_read(get: Any, query: str, value: str) -> None:
    (message,) = get(f"e=ue&{query}").messages
    assert (message["field"], message["value"]) == ("unstruct", value)
    assert message["error"].startswith("invalid json: ")


def test_79_nothing_at_all_is_exhausted_input(get: Any) -> None:
    assert get("e=ue&ue_px=%C2%A2").messages[0]["error"] == "invalid json: exhausted input"


@pytest.mark.parametrize("strip", ["=", ""], ids=["no padding", "padding"])
def test_base64_is_read_in_both_alphabets(get: Any, rig: Any, strip: str) -> None:
    text = rig.contexts({**USER, "data": {"id": "??>>~~"}}, USER)
    code = rig.base64(text).rstrip(strip or "!")
    for variant in (code, code.replace("-", "+").replace("_", "/"), code[:8] + "\n !" + code[8:]):
        assert len(entities(get(f"cx={quote(variant, safe='')}").event)) == 2


def test_80_a_superseded_schema_is_replaced_and_said_once(get: Any, rig: Any) -> None:
    old = {"schema": "iglu:com.acme/product/jsonschema/2-0-0", "data": {"sku": "s"}}
    event = get(f"e=ue&ue_pr={quote(rig.unstruct(old))}&co={quote(rig.contexts(old, old))}").event
    assert event["event_version"] == "2-0-1"
    assert {item["schema"] for item in entities(event)} == {"iglu:com.acme/product/jsonschema/2-0-1"}
    assert entities(event, "derived_contexts") == [
        {
            "schema": "iglu:com.snowplowanalytics.iglu/validation_info/jsonschema/1-0-0",
            "data": {"originalSchema": old["schema"], "validatedWith": "2-0-1"},
        }
    ]


def test_80_data_that_break_the_later_schema_keep_their_own_key(get: Any, rig: Any) -> None:
    (message,) = get(f"co={quote(rig.contexts({'schema': 'iglu:com.acme/product/jsonschema/2-0-0', 'data': {}}))}").messages
    assert message["schemaKey"] == "iglu:com.acme/product/jsonschema/2-0-0"
    assert message["error"]["supersededBy"] == "2-0-1"


@pytest.mark.parametrize(("levels", "good"), [(48, True), (49, False), (10_000, False)])
def test_81_depth_is_bounded(post: Any, rig: Any, levels: int, good: bool) -> None:
    datum = '{"schema":"iglu:com.acme/any/jsonschema/1-0-0","data":' + "[" * levels + "]" * levels + "}"
    text = rig.unstruct(5).replace("5}", datum + "}")
    found = post({"e": "ue", "p": "web", "tv": "t", "ue_pr": text})
    assert bool(found.good) == good
    if not good:
        assert found.messages[0]["error"] == "invalid json: maximum allowed JSON depth exceeded"


def test_82_a_text_that_is_too_long_fails_and_is_left_out(get: Any, build: Any, rig: Any) -> None:
    found = get("tv=" + "x" * 101)
    assert [(report["path"], report["keyword"]) for report in found.reports] == [("v_tracker", "atomic_field_length_exceeded")]
    assert "v_tracker" not in found.failed[0]
    roomier = build(settings={"field_limits": {"v_tracker": 101}})
    assert len(rig.outcome(roomier, rig.record(f"{rig.base}&tv={'x' * 101}")).event["v_tracker"]) == 101


@pytest.mark.parametrize(("emoji", "good"), [(127, True), (128, False)])
def test_83_lengths_count_utf_16_units(get: Any, emoji: int, good: bool) -> None:
    assert bool(get("aid=" + quote("😀" * emoji)).good) == good


def test_a_long_event_id_or_collector_stays_in_the_failed_event(get: Any) -> None:
    found = get("cv=" + "c" * 101)
    assert found.kinds == ["schema_violations"]
    assert len(found.failed[0]["v_collector"]) == 101


class Step:
    """An enrichment that does what it is told."""

    schema_key = parse_key("iglu:com.acme/step/jsonschema/1-0-0")

    def __init__(self, entity: SelfDescribing | None = None, error: str | None = None) -> None:
        self.entity, self.error = entity, error

    def enrich(self, working: Any) -> None:
        if self.entity is not None:
            working.entities.insert(0, SelfDescribing(self.entity.key, self.entity.data))
        if self.error is not None:
            working.failures.insert(0, EnrichmentFailure(SimpleMessage(self.error), self.schema_key, "step"))


def with_steps(build: Any, **steps: Step) -> Any:
    enricher = build()
    enricher._last = [step.enrich for step in steps.values()]
    return enricher


def test_84_a_failing_enrichment_leaves_the_event_whole(build: Any, rig: Any) -> None:
    entity = SelfDescribing(parse_key(USER["schema"]), {"id": "derived"})
    enricher = with_steps(build, a=Step(entity=entity), b=Step(error="x" * 600))
    found = rig.outcome(enricher, rig.record())
    assert found.kinds == ["enrichment_failures"]
    assert found.messages[0]["enrichment"] == {"schemaKey": "iglu:com.acme/step/jsonschema/1-0-0", "identifier": "step"}
    assert len(found.messages[0]["message"]["error"]) == 512
    derived = entities(found.failed[0], "derived_contexts")
    assert [item["schema"].split("/")[1] for item in derived] == ["failure", "user"]
    assert derived[0]["data"]["failureType"] == "EnrichmentError: step"


def test_85_an_invalid_derived_entity_is_left_out(build: Any, rig: Any) -> None:
    found = rig.outcome(with_steps(build, a=Step(entity=SelfDescribing(parse_key(USER["schema"]), {}))), rig.record())
    assert found.kinds == ["schema_violations"]
    assert [failure["errors"][0]["source"] for failure in found.failures] == ["derived_contexts"]
    assert len(entities(found.failed[0], "derived_contexts")) == 1


def test_86_an_event_waits_while_its_registry_does_not_answer(build: Any, rig: Any) -> None:
    class Unreachable:
        def check(self, datum: SelfDescribing) -> Any:
            raise RegistryUnavailable("registry of Acme: no answer")

    with pytest.raises(RegistryUnavailable):
        build(checks=Unreachable()).process(rig.record(f"{rig.base}&co={quote(rig.contexts(USER))}"), rig.clock)


def test_87_an_empty_event_is_130_tabs() -> None:
    assert tsv.line(Event()) == "\t" * 130


def test_88_an_event_that_is_too_large_is_a_size_violation_only(build: Any, rig: Any) -> None:
    found = rig.outcome(build(settings={"max_record_bytes": 1000}), rig.record(f"{rig.base}&page={'x' * 1500}"))
    assert found.kinds == ["size_violation"]
    assert not found.good
    failure = found.bad[0]["data"]["failure"]
    assert failure["maximumAllowedSizeBytes"] == 1000
    assert 1500 < failure["actualSizeBytes"] < 2500
    assert len(found.bad[0]["data"]["payload"]) == 100


def test_a_bad_row_that_is_too_large_is_cut_and_its_failed_event_left_out(build: Any, rig: Any) -> None:
    found = rig.outcome(build(settings={"max_record_bytes": 1000}), rig.record(f"e=foo&page={quote('é' * 1500)}"))
    assert found.kinds == ["size_violation"]
    assert not found.failed


def test_an_unexpected_fault_is_a_bad_row_that_holds_the_record(build: Any, rig: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def check(self, datum: SelfDescribing) -> Any:
            raise KeyError("secret of an event")

    found = rig.outcome(build(checks=Broken()), rig.record(f"{rig.base}&co={quote(rig.contexts(USER))}"))
    assert found.kinds == ["generic_error"]
    assert "secret" not in json.dumps(found.bad) + caplog.text
