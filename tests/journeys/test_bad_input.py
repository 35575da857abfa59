"""Whatever the network brings: never a 5xx but 503, never a stopped service, and everything stored is accounted for."""

import gzip
import json
import random

import pytest
from pipeline import Pipeline, eventually
from tracker import PAYLOAD_DATA, TP2, call, event, self_describing, send

pytestmark = pytest.mark.journey
JSON = {"Content-Type": "application/json"}
GARBAGE = random.Random(5).randbytes(5000)
DEEP = json.dumps({"schema": PAYLOAD_DATA, "data": [event("ue", ue_pr="[" * 5000 + "]" * 5000)]}).encode()

POSTS = {
    "garbage": GARBAGE,
    "empty": b"",
    "no-json": b"{",
    "json-scalar": b"7",
    "json-null": b"null",
    "not-self-describing": b'{"a":1}',
    "data-is-no-list": json.dumps({"schema": PAYLOAD_DATA, "data": {}}).encode(),
    "no-events": json.dumps({"schema": PAYLOAD_DATA, "data": []}).encode(),
    "event-is-no-object": json.dumps({"schema": PAYLOAD_DATA, "data": [7]}).encode(),
    "number-in-event": json.dumps({"schema": PAYLOAD_DATA, "data": [{"e": "pv", "p": "web", "tv": "x", "vid": 7}]}).encode(),
    "unknown-schema": json.dumps({"schema": "iglu:a.b/c/jsonschema/1-0-0", "data": []}).encode(),
    "no-iglu-uri": json.dumps({"schema": "nonsense", "data": []}).encode(),
    "deep-brackets": b"[" * 200_000,
    "deep-json-inside": DEEP,
    "bad-utf8": b'{"schema":"' + PAYLOAD_DATA.encode() + b'","data":[{"e":"pv","p":"web","tv":"\xff\xfe","eid":"\xc3"}]}',
    "nul-bytes": b"\0" * 100,
    "ten-megabytes": json.dumps({"schema": PAYLOAD_DATA, "data": [{"e": "pv", "page": "x" * 10_000_000}]}).encode(),
    "gzip-without-saying-so": gzip.compress(b'{"schema":"x"}'),
    "huge-number": b'{"schema":"' + PAYLOAD_DATA.encode() + b'","data":[{"e":"se","p":"web","tv":"x","se_va":"1e999"}]}',
    "lone-surrogate": b'{"schema":"' + PAYLOAD_DATA.encode() + b'","data":[{"e":"pv","p":"web","tv":"\\ud800"}]}',
}
GETS = {
    "nothing": "/i",
    "no-such-event-type": "/i?e=zz&p=web&tv=x",
    "broken-base64": "/i?e=ue&p=web&tv=x&ue_px=%%%25%25",
    "base64-of-nonsense": "/i?e=ue&p=web&tv=x&ue_px=bm9uc2Vuc2U",
    "bad-percent": "/i?e=pv&page=%zz",
    "bad-utf8": "/i?e=pv&p=web&tv=%ff%fe",
    "bad-uuid": "/i?e=pv&p=web&tv=x&eid=nonsense",
    "bad-url": "/i?e=pv&p=web&tv=x&url=http%3A%2F%2F%5B%3A%3A1",
    "bad-time": "/i?e=pv&p=web&tv=x&dtm=99999999999999999999",
    "long-query": "/i?e=pv&p=web&tv=x&page=" + "y" * 15_000,
    "too-long-query": "/i?e=pv&p=web&tv=x&page=" + "y" * 100_000,
    "unknown-two-segments": "/wp-admin/setup.php?x=1",
    "unknown-path": "/a/b/c/d",
    "dots": "/../../etc/passwd",
    "redirect": "/r/tp2?u=https%3A%2F%2Fevil.example",
}


def count(pipeline: Pipeline, source: str) -> int:
    return int(pipeline.sql(f"select count(*) as n from {source}")[0]["n"])


@pytest.mark.parametrize("name", POSTS)
def test_posts_are_stored_or_refused(pipeline: Pipeline, name: str) -> None:
    status, _ = call(pipeline.url, "POST", TP2, POSTS[name], JSON)
    assert status == 200 or 400 <= status < 500


@pytest.mark.parametrize("name", GETS)
def test_gets_are_stored_or_refused(pipeline: Pipeline, name: str) -> None:
    status, _ = call(pipeline.url, "GET", GETS[name])
    assert status in (200, 302) or 400 <= status < 500


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "NONSENSE"])
def test_other_methods_are_refused(pipeline: Pipeline, method: str) -> None:
    status, _ = call(pipeline.url, method, TP2, b"x", JSON)
    assert 400 <= status < 500


def test_strange_headers_are_stored_or_refused(pipeline: Pipeline) -> None:
    headers = {
        "Cookie": "a; b=; =c; sp=not a uuid; \x7f",
        "Content-Type": "nonsense/;;charset=klingon",
        "X-Forwarded-For": "unknown, 999.1.1.1",
        "Referer": "\\\\",
        "Origin": "null",
        "User-Agent": "x" * 8000,
    }
    status, _ = call(pipeline.url, "POST", TP2, b"{}", headers)
    assert status == 200 or 400 <= status < 500


def test_after_all_that_the_pipeline_still_works_and_has_accounted_for_everything(pipeline: Pipeline) -> None:
    wide = {f"k{number}": number for number in range(5000)}
    sound, odd = send(pipeline.url, event("pv"), self_describing("iglu:a.b/c/jsonschema/1-0-0", wide))
    assert pipeline.row(sound)["event"] == "page_view"
    assert pipeline.row(odd, table="failed_events")["reason"]
    if pipeline.flags:
        pytest.skip("Pub/Sub does not keep what was read, so there is nothing to count")
    raw = len(pipeline.tail("raw", "base64"))
    bad = [json.loads(line) for line in pipeline.tail("bad")]
    assert raw > 20
    assert all(row["schema"].startswith("iglu:com.snowplowanalytics.snowplow.badrows/") for row in bad)
    assert eventually(lambda: count(pipeline, "failed_events where stage <> 'loader'") == len(bad), what="a row for each bad row")
    enriched = len(pipeline.tail("enriched", "tsv"))
    loaded, refused = count(pipeline, "events"), count(pipeline, "failed_events where stage = 'loader'")
    assert loaded + refused == enriched, "a row for each enriched event"
    empty = "select count(*) as n from failed_events where reason is null or remedy is null or reason = '' or remedy = ''"
    assert pipeline.sql(empty)[0]["n"] == 0
    for service in ("collector", "enricher", "loader"):
        assert f"{service}: running again" not in pipeline.said()
        log = (pipeline.data / "logs" / f"{service}.log").read_text("utf-8", "replace")
        assert "Traceback" not in log
