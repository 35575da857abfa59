"""An event that breaks its schema: one row with its reason and cure, and a replay that lands it once, however often it is run."""

import json

import pytest
from pipeline import Pipeline
from tracker import self_describing, send

pytestmark = pytest.mark.journey
SCHEMA = "iglu:com.failing/reading/jsonschema/1-0-0"


def reading(kind: str) -> dict[str, object]:
    return {
        "description": "A meter was read",
        "type": "object",
        "properties": {"meter": {"type": kind, "description": "Which meter"}},
        "required": ["meter"],
        "additionalProperties": False,
    }


def replayed(pipeline: Pipeline, *flags: str) -> None:
    pipeline.run("replay", "--schema", SCHEMA, *flags)


def test_a_broken_event_is_explained_replayed_and_lands_once(pipeline: Pipeline) -> None:
    pipeline.add_schema("com.failing", "reading", "1-0-0", reading("integer"))
    good, broken = send(pipeline.url, self_describing(SCHEMA, {"meter": 7}), self_describing(SCHEMA, {"meter": "seven"}))
    assert pipeline.row(good)["unstruct_event_com_failing_reading_1"]["meter"] == 7

    failed = pipeline.row(broken, table="failed_events")
    assert "com.failing/reading" in json.dumps(failed["schema"])
    assert "meter" in failed["reason"], "the reason names the field"
    assert failed["remedy"], "and something can be done about it"
    assert pipeline.sql(f"select count(*) as n from events where event_id = '{broken}'")[0]["n"] == 0

    why = f"select contexts_com_snowplowanalytics_snowplow_failure_1 as why from failed_events where event_id = '{broken}'"
    (failure,) = pipeline.sql(why)[0]["why"]
    assert (failure["failure_type"], failure["schema"]) == ("ValidationError", SCHEMA)
    assert failure["errors"][0]["path"] == "$.meter"
    assert failure["data"] == {"meter": "seven"}

    replayed(pipeline, "--dry-run")
    assert pipeline.row(broken, table="failed_events")["event_id"] == broken

    pipeline.add_schema("com.failing", "reading", "2-0-0", reading("string"))
    pipeline.add_schema(
        "com.failing", "reading", "1-0-0", {**reading("integer"), "properties": {"meter": {"type": ["integer", "string"]}}}
    )
    replayed(pipeline)
    replayed(pipeline)
    assert pipeline.row(broken)["event_id"] == broken
    replayed(pipeline)
    assert len(pipeline.sql(f"select event_id from events where event_id in ('{broken}', '{good}')")) == 2
    settled = f"select event_id from failed_events where event_id = '{broken}'"
    assert pipeline.sql(settled) == [], "it is in one table, not in both"


def test_a_replay_of_what_still_fails_stays_one_failed_row(pipeline: Pipeline) -> None:
    (unknown,) = send(pipeline.url, self_describing("iglu:com.failing/never_published/jsonschema/1-0-0", {"a": 1}))
    assert pipeline.row(unknown, table="failed_events")["remedy"]
    pipeline.run("replay", "--schema", "iglu:com.failing/never_published/jsonschema/1-0-0")
    before = pipeline.sql("select count(*) as n from failed_events")[0]["n"]
    pipeline.run("replay", "--schema", "iglu:com.failing/never_published/jsonschema/1-0-0")
    assert pipeline.row(unknown, table="failed_events")["event_id"] == unknown
    assert pipeline.sql("select count(*) as n from failed_events")[0]["n"] == before
