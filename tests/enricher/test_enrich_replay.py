"""A bad row holds enough to send what failed through the enricher again, as the same event."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backbone import thrift
from backbone.iglu import build_resolver
from backbone.iglu.validator import Validator
from backbone.replayable import raw_payload
from backbone.selfdescribing import parse_key
from backbone.settings import IgluSettings
from enricher.enrich import Enricher
from enricher.enrichments import Enrichments
from enricher.enrichments.event_fingerprint import EventFingerprint
from enricher.settings import EnricherSettings

ROOT = Path(__file__).parents[2]
SCHEMA = "com.acme/order/jsonschema/1-0-0"
ORDER = {"schema": f"iglu:{SCHEMA}", "data": {"id": 1}}
TP2 = "/com.snowplowanalytics.snowplow/tp2"
HEADERS = ["X-Forwarded-For: 198.51.100.9", "User-Agent: UA", "Cookie: sp=1"]
REQUEST: dict[str, Any] = {
    "headers": HEADERS,
    "user_agent": "UA",
    "referer_uri": "http://a.example/from",
    "hostname": "c.example",
    "network_user_id": "8712a379-4bcb-46ee-815d-85f26540577f",
}


@pytest.fixture
def stages(tmp_path: Path, rig: Any) -> Any:
    """Two enrichers: one that lacks the schema of orders, one that has it."""
    resolvers = []

    def make(folder: Path) -> Enricher:
        folder.mkdir(exist_ok=True)
        resolvers.append(build_resolver(IgluSettings(schemas=(folder, ROOT / "schemas"))))
        return Enricher(Validator(resolvers[-1]), Enrichments(), EnricherSettings().limits())

    rig.publish(tmp_path / "mended", SCHEMA, {"type": "object", "properties": {"id": {"type": "integer"}}})
    yield make(tmp_path / "broken"), make(tmp_path / "mended")
    for resolver in resolvers:
        resolver.close()


def replayed(stages: Any, rig: Any, record: bytes) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """(what the record gives once the schema is there, what its bad rows give when sent again)."""
    broken, mended = stages
    before, wanted = rig.outcome(broken, record), rig.outcome(mended, record)
    again: list[dict[str, str]] = list(before.good)
    for row in before.bad:
        payload = raw_payload(row)
        assert payload is not None
        found = rig.outcome(mended, payload)
        assert not found.bad, found.bad[0]["data"]["failure"]
        again += found.good
    return wanted.good, again


def test_an_event_of_a_batch_comes_back_as_itself(stages: Any, rig: Any) -> None:
    ids = [f"00000000-0000-4000-8000-00000000000{n}" for n in range(3)]
    events = [
        {"e": "pv", "p": "web", "tv": "t", "eid": ids[0], "url": "http://h.example/ü?a=b&c"},
        {"e": "ue", "p": "web", "tv": "t", "eid": ids[1], "ue_pr": rig.unstruct(ORDER), "page": "a&b=c;d#e+f%"},
        {"e": "pv", "p": "web", "tv": "t", "eid": ids[2], "cx": rig.base64(rig.contexts(ORDER)), "dtm": "1746007100000"},
    ]
    body = {"schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4", "data": events}
    record = rig.record("aid=q&uid", path=TP2, body=json.dumps(body), content_type="application/json", **REQUEST)
    wanted, again = replayed(stages, rig, record)
    assert len(again) == 3
    assert again == wanted


def test_an_event_without_an_id_keeps_the_one_it_was_given(stages: Any, rig: Any) -> None:
    broken, mended = stages
    failed = rig.outcome(broken, rig.record(f"e=ue&ue_px={rig.base64(rig.unstruct(ORDER))}", **REQUEST))
    payload = raw_payload(failed.bad[0])
    assert payload is not None
    first, second = (rig.outcome(mended, payload).event for _ in range(2))
    assert first == second
    assert first["event_id"] == failed.failed[0]["event_id"]


def test_an_id_that_was_none_is_replaced(stages: Any, rig: Any) -> None:
    failed = rig.outcome(stages[0], rig.record("e=pv&eid=nonsense"))
    payload = raw_payload(failed.bad[0])
    assert payload is not None
    assert rig.outcome(stages[1], payload).event["event_id"] == failed.failed[0]["event_id"]


@pytest.mark.parametrize(("sent", "excluded"), [(True, ()), (False, ("eid",))], ids=["id sent", "id not sent but not counted"])
def test_the_fingerprint_stays_the_same(stages: Any, rig: Any, sent: bool, excluded: tuple[str, ...]) -> None:
    broken, mended = stages
    key = parse_key("iglu:com.snowplowanalytics.snowplow/event_fingerprint_config/jsonschema/1-0-1")
    for enricher in stages:
        enricher._fingerprint = [EventFingerprint(key, "SHA256", excluded).enrich]
    record = rig.record(f"e=ue&aid=%C3%BC&{f'eid={rig.event_id}&' if sent else ''}ue_px={rig.base64(rig.unstruct(ORDER))}")
    payload = raw_payload(rig.outcome(broken, record).bad[0])
    assert payload is not None
    assert rig.outcome(mended, payload).event["event_fingerprint"] == rig.outcome(mended, record).event["event_fingerprint"]


def test_the_iglu_webhook_comes_back(stages: Any, rig: Any) -> None:
    record = rig.record(
        "aid=a", path="/com.snowplowanalytics.iglu/v1", body=json.dumps(ORDER), content_type="application/json", **REQUEST
    )
    wanted, again = replayed(stages, rig, record)
    without_id = [{k: v for k, v in event.items() if k != "event_id"} for event in wanted + again]
    assert without_id[0] == without_id[1]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/r/tp2", "aid=1&n=%C3%A9&novalue&u&x=%00%2B+y"),
        ("/com.sendgrid/v3", None),
        (TP2, "a=b"),
        ("/com.sandgrod/v3", "a=1&a=2"),
    ],
)
def test_a_rejected_request_comes_back_whole(rig: Any, process: Any, path: str, query: str | None) -> None:
    record = rig.record(query, path=path, body='[{"x":"é"}]', content_type="application/json", **REQUEST)
    (row,) = process(record).bad
    payload = raw_payload(row)
    assert payload is not None
    (same,) = process(payload).bad
    assert same["data"]["payload"] == row["data"]["payload"]
    assert same["data"]["failure"] == row["data"]["failure"]


def test_a_record_that_could_not_be_read_comes_back_as_it_was(process: Any) -> None:
    assert raw_payload(process(b"nonsense").bad[0]) == b"nonsense"


def test_what_was_cut_cannot_come_back(build: Any, rig: Any) -> None:
    found = rig.outcome(build(settings={"max_record_bytes": 1000}), rig.record(f"{rig.base}&page={'x' * 1500}"))
    assert raw_payload(found.bad[0]) is None


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"schema": 5},
        {"schema": "iglu:x/schema_violations/y/1-0-0", "data": {"payload": {"raw": {}}}},
        {"schema": "a/generic_error", "data": {"payload": "!"}},
    ],
)
def test_rows_that_are_none_give_nothing(row: Any) -> None:
    assert raw_payload(row) is None


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.sampled_from(["aid", "page", "uid", "duid", "se_ca", "refr", "lang", "x", "ö"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAMES, st.none() | TEXT), st.integers(-(10**15), 10**15), st.none() | TEXT, st.lists(TEXT, max_size=2))
def test_any_event_comes_back_as_itself(
    stages: Any, rig: Any, given: dict[str, Any], moment: int, agent: Any, headers: list[str]
) -> None:
    query = "&".join(quote(name) if value is None else f"{quote(name)}={quote(value, safe='')}" for name, value in given.items())
    fixed = f"e=ue&eid={rig.event_id}&ue_px={rig.base64(rig.unstruct(ORDER))}"
    record = rig.record(f"{fixed}&{query}", timestamp=moment, user_agent=agent, headers=headers)
    wanted = rig.outcome(stages[1], record)
    if wanted.good:
        assert replayed(stages, rig, record) == (wanted.good, wanted.good)
    (row,) = rig.outcome(stages[0], record).bad
    payload = raw_payload(row)
    assert payload is not None
    assert thrift.decode(payload).timestamp == moment
