"""Whatever comes in is accounted for, and what goes out has the right form."""

import json
import string
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backbone import thrift
from backbone.event import COLUMNS
from backbone.payload import CollectorPayload
from enricher.parameters import TABLE

TEXT = st.text(max_size=40)
NAMES = st.sampled_from([*TABLE, "co", "cx", "ue_pr", "ue_px", "unknown"])
VALUES = st.one_of(
    TEXT, st.from_regex(r"[0-9.xeE+-]{1,20}", fullmatch=True), st.sampled_from(["pv", "ue", "null", "", "http://h/?a=%"])
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)
PATHS = st.sampled_from(
    ["/i", "/com.snowplowanalytics.snowplow/tp2", "/r/tp2", "/com.snowplowanalytics.iglu/v1", "/com.sendgrid/v3", "", "/a/b/c"]
)
TYPES = st.sampled_from([None, "application/json", "application/x-www-form-urlencoded", "text/plain"])
MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def accounted_for(enricher: Any, record: bytes) -> None:
    outputs = enricher.process(record, 1_746_007_500_250)
    streams = [stream for stream, _ in outputs]
    assert streams.count("enriched") + streams.count("bad") >= 1
    assert streams.count("failed") <= streams.count("bad")
    for stream, data in outputs:
        if stream == "bad":
            row = json.loads(data)
            assert row["schema"].startswith("iglu:com.snowplowanalytics.snowplow.badrows/")
            assert "generic_error" not in row["schema"], row["data"]["failure"]
        else:
            assert data.decode().count("\t") == len(COLUMNS) - 1
            assert b"\n" not in data.replace(b"\r", b"\n")


@MANY
@given(st.binary(max_size=200))
def test_any_bytes_are_accounted_for(enricher: Any, data: bytes) -> None:
    accounted_for(enricher, data)


@MANY
@given(st.binary(max_size=60), st.sampled_from([b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"]))
def test_any_container_is_accounted_for(enricher: Any, data: bytes, magic: bytes) -> None:
    accounted_for(enricher, magic + data)


@MANY
@given(st.data())
def test_any_request_is_accounted_for(enricher: Any, data: Any) -> None:
    payload = CollectorPayload(
        ip_address=data.draw(st.none() | TEXT),
        timestamp=data.draw(st.integers(-(2**63), 2**63 - 1)),
        collector=data.draw(st.none() | TEXT),
        user_agent=data.draw(st.none() | TEXT),
        referer_uri=data.draw(st.none() | TEXT),
        path=data.draw(PATHS | TEXT),
        querystring=data.draw(st.none() | TEXT | st.text(string.ascii_letters + "=&%;+", max_size=60)),
        body=data.draw(st.none() | TEXT | JSON.map(json.dumps)),
        headers=data.draw(st.lists(TEXT, max_size=3)),
        content_type=data.draw(TYPES),
        network_user_id=data.draw(st.none() | TEXT),
    )
    accounted_for(enricher, thrift.encode(payload))


@MANY
@given(st.lists(st.dictionaries(NAMES, VALUES, max_size=12), min_size=1, max_size=3))
def test_any_parameters_are_accounted_for_event_by_event(enricher: Any, rig: Any, events: list[dict[str, str]]) -> None:
    allowed = [
        {"tv": "t", "p": "web", "e": "pv", **{k: v for k, v in event.items() if k not in ("cv", "unknown") and k[:3] != "ev_"}}
        for event in events
    ]
    uri = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
    body = json.dumps({"schema": uri, "data": allowed})
    record = rig.record(None, path="/com.snowplowanalytics.snowplow/tp2", body=body, content_type="application/json")
    accounted_for(enricher, record)
    found = rig.outcome(enricher, record)
    if "tracker_protocol_violations" not in found.kinds:
        assert len(found.good) + len(found.bad) == len(events)
        assert len(found.failed) == len(found.bad)


@MANY
@given(JSON)
def test_any_json_in_place_of_entities_is_accounted_for(enricher: Any, rig: Any, value: Any) -> None:
    for text in (json.dumps(value), rig.contexts(value), rig.unstruct(value)):
        for name in ("co", "ue_pr"):
            body = json.dumps(
                {
                    "schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4",
                    "data": [{"tv": "t", "p": "web", "e": "ue", name: text}],
                }
            )
            accounted_for(
                enricher, rig.record(None, path="/com.snowplowanalytics.snowplow/tp2", body=body, content_type="application/json")
            )


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_a_hundred_thousand_levels_are_a_bad_row(enricher: Any, rig: Any, opening: str) -> None:
    text = opening * 100_000
    record = rig.record(None, path="/com.snowplowanalytics.snowplow/tp2", body=text, content_type="application/json")
    assert rig.outcome(enricher, record).kinds == ["tracker_protocol_violations"]
