"""Splitting of requests and size violations (cases 52 to 58 of the specification, sizes recomputed where names are ours)."""

import json
from typing import Any

import pytest

from backbone import thrift
from backbone.payload import CollectorPayload
from collector.settings import LimitSettings
from collector.size_limits import SizeLimits, described, pack

SCHEMA = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
UNLIMITED = 10**9


def outcome(
    payload: CollectorPayload, record: int, largest: int = UNLIMITED
) -> tuple[list[CollectorPayload], list[dict[str, Any]]]:
    """Good payloads, and the data of the bad rows."""
    records = SizeLimits(LimitSettings(record_bytes=record, payload_bytes=largest)).records(payload)
    good = [thrift.decode(data) for stream, data in records if stream == "raw"]
    return good, [json.loads(data)["data"] for stream, data in records if stream == "bad"]


def batch(*events: Any, **more: Any) -> str:
    return json.dumps({"schema": SCHEMA, "data": list(events), **more}, separators=(",", ":"))


def test_52_small_payloads_pass_unchanged() -> None:
    payload = CollectorPayload()
    assert outcome(payload, 1_000) == ([payload], [])


def test_53_a_get_cannot_be_split() -> None:
    payload = CollectorPayload(querystring="x" * 1000)
    size = len(thrift.encode(payload))
    good, (row,) = outcome(payload, 100, size)
    assert good == []
    assert row["failure"]["maximumAllowedSizeBytes"] == 100
    assert row["failure"]["actualSizeBytes"] == size
    assert row["failure"]["expectation"] == "oversized collector payload: GET requests cannot be split"
    assert row["payload"] == "CollectorP"
    assert row["processor"]["artifact"] == "snowmelt-collector"


def test_54_above_the_largest_payload_nothing_is_split() -> None:
    payload = CollectorPayload(body=batch({"a": "s" * 1010}))
    size = len(thrift.encode(payload))
    _, (row,) = outcome(payload, 1000, 1000)
    assert row["failure"]["maximumAllowedSizeBytes"] == 1000
    expectation = f"oversized collector payload: Payload exceeds max size of 1000. Actual length: {size}"
    assert row["failure"]["expectation"] == expectation


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param("s" * 1000, "cannot split POST requests which are not json", id="55-not-json"),
        pytest.param("[" * 5000, "cannot split POST requests which are not json", id="too-deep"),
        pytest.param(json.dumps({"schema": "s", "data": ["x" * 1000]}), "are not self-describing", id="56-bad-schema"),
        pytest.param(json.dumps({"data": ["x" * 1000]}), "are not self-describing", id="56-no-schema"),
        pytest.param(json.dumps(["x" * 1000]), "are not self-describing", id="56-no-object"),
        pytest.param(
            json.dumps({"schema": SCHEMA, "data": {"x": "y" * 1000}}), "do not contain a data array", id="data-is-no-array"
        ),
        pytest.param(batch(1, other="x" * 1000), 'event without "data" field is still too big', id="rest-too-big"),
    ],
)
def test_55_56_bodies_that_cannot_be_split(body: str, problem: str) -> None:
    good, (row,) = outcome(CollectorPayload(body=body), 900)
    assert good == []
    assert problem in row["failure"]["expectation"]
    assert len(row["failure"]["expectation"]) <= 256


def test_57_split_between_events_in_their_order() -> None:
    sizes = [600, 5, 600, 1000, 1000, 1000, 1000]
    events = [{"n": number, "s": "x" * size} for number, size in enumerate(sizes)]
    good, bad = outcome(CollectorPayload(body=batch(*events), path="/a/b"), 1_000, 10_000)
    assert [[event["n"] for event in json.loads(payload.body or "")["data"]] for payload in good] == [[0, 1], [2]]
    assert all(payload.path == "/a/b" for payload in good)
    assert all(json.loads(payload.body or "")["schema"] == SCHEMA for payload in good)
    assert [row["failure"]["actualSizeBytes"] for row in bad] == [
        len(json.dumps(event, separators=(",", ":"))) for event in events[3:]
    ]
    assert {row["failure"]["expectation"] for row in bad} == {
        "oversized collector payload: this POST request split is still too large"
    }


def test_records_after_a_split_are_below_the_limit() -> None:
    events = [{"n": number, "s": "é" * (number * 37 % 200)} for number in range(200)]
    body = json.dumps({"schema": SCHEMA, "data": events}, ensure_ascii=False, separators=(",", ":"))
    payload = CollectorPayload(body=body, headers=["Host: x"], network_user_id="n")
    records = SizeLimits(LimitSettings(record_bytes=2_000, payload_bytes=UNLIMITED)).records(payload)
    assert all(stream == "raw" and len(data) <= 2_000 for stream, data in records)
    stored = [event for _, data in records for event in json.loads(thrift.decode(data).body or "")["data"]]
    assert stored == events


def test_a_split_keeps_numbers_as_they_are_spelt() -> None:
    texts = ['{"a":1.10,"b":' + "9" * 30 + ',"c":1e400,"pad":"' + "x" * 400 + '"}' for _ in range(3)]
    body = '{"schema":"' + SCHEMA + '","data":[' + ",".join(texts) + "]}"
    good, bad = outcome(CollectorPayload(body=body), 800)
    assert bad == []
    assert [payload.body for payload in good] == ['{"schema":"' + SCHEMA + '","data":[' + text + "]}" for text in texts]


def test_58_packing() -> None:
    lengths = [12, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    groups, rejected = pack([length + 2 for length in lengths], 13, join=0)
    assert [[lengths[index] for index in group] for group in groups] == [[9], [8], [7], [6], [5, 4], [3, 2, 1]]
    assert [lengths[index] for index in rejected] == [12]


def test_the_excerpt_lists_what_is_set_in_the_order_of_the_format() -> None:
    payload = CollectorPayload(
        ip_address="1.2.3.4", timestamp=5, collector="c", path="/i", querystring="a=b", headers=["Host: x", "A: b"]
    )
    payload.network_user_id = "n"
    assert described(payload, 1000) == (
        f"CollectorPayload(schema:{payload.schema}, ipAddress:1.2.3.4, timestamp:5, encoding:UTF-8, collector:c, "
        "path:/i, querystring:a=b, headers:[Host: x, A: b], networkUserId:n)"
    )
    assert described(payload, 25) == f"CollectorPayload(schema:{payload.schema}"[:25]
