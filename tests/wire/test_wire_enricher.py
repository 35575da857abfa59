"""The enricher's formats as others read them: exact bytes of a line and a bad row, and a reader no one here wrote."""

import json
from pathlib import Path
from typing import Any

import pytest
from snowplow_analytics_sdk.event_transformer import transform

from backbone import thrift
from backbone.badrow import processor
from backbone.iglu import build_resolver
from backbone.iglu.validator import Validator
from backbone.payload import CollectorPayload
from backbone.selfdescribing import SchemaKey, from_value
from backbone.settings import IgluSettings
from enricher.enrich import ARTIFACT, Enricher
from enricher.enrichments import Enrichments
from enricher.settings import EnricherSettings

ROOT = Path(__file__).parents[2]
CLOCK = 1_746_007_500_250
EVENT_ID = "c6ef3124-b53a-4b13-a233-0088f79dcbcb"
VERSION = processor(ARTIFACT).version
SNOWPLOW = "iglu:com.snowplowanalytics.snowplow"
PAGE = {"schema": f"{SNOWPLOW}/web_page/jsonschema/1-0-0", "data": {"id": "024629f0-6917-4d64-9a89-e7c1cf1f7e26"}}
EVENT = {
    "e": "pv",
    "p": "web",
    "tv": "js-4.0.0",
    "eid": EVENT_ID,
    "url": "http://shop.example/a b?utm_source=s#top",
    "page": "Tab\there",
    "dtm": "1746007100000",
    "stm": "1746007190000",
    "vid": "3",
    "res": "1920x1080",
    "se_va": "1E7",
    "co": json.dumps({"schema": f"{SNOWPLOW}/contexts/jsonschema/1-0-0", "data": [PAGE]}),
}


@pytest.fixture(scope="module")
def validator() -> Any:
    resolver = build_resolver(IgluSettings(schemas=(ROOT / "schemas",)))
    yield Validator(resolver)
    resolver.close()


@pytest.fixture(scope="module")
def enricher(validator: Validator) -> Enricher:
    return Enricher(validator, Enrichments(), EnricherSettings().limits())


def posted(**changes: str) -> bytes:
    body = {"schema": f"{SNOWPLOW}/payload_data/jsonschema/1-0-4", "data": [{**EVENT, **changes}]}
    return thrift.encode(
        CollectorPayload(
            ip_address="203.0.113.7",
            timestamp=1_746_007_200_000,
            collector="c-1",
            user_agent="UA",
            path="/com.snowplowanalytics.snowplow/tp2",
            body=json.dumps(body),
            headers=["User-Agent: UA"],
            content_type="application/json",
            network_user_id="8712a379-4bcb-46ee-815d-85f26540577f",
        )
    )


GOOD = {
    1: "web",
    2: "2025-04-30 10:05:00.250",
    3: "2025-04-30 10:00:00.000",
    4: "2025-04-30 09:58:20.000",
    5: "page_view",
    6: EVENT_ID,
    9: "js-4.0.0",
    10: "c-1",
    11: f"snowmelt-enricher-{VERSION}",
    13: "203.0.113.7",
    16: "3",
    17: "8712a379-4bcb-46ee-815d-85f26540577f",
    29: "http://shop.example/a%20b?utm_source=s#top",
    30: "Tab    here",
    32: "http",
    33: "shop.example",
    34: "80",
    35: "/a%20b",
    36: "utm_source=s",
    37: "top",
    52: '{"schema":"iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1","data":['
    '{"schema":"iglu:com.snowplowanalytics.snowplow/web_page/jsonschema/1-0-0","data":{"id":"024629f0-6917-4d64-9a89-e7c1cf1f7e26"}}]}',
    57: "10000000",
    77: "UA",
    103: "1920",
    104: "1080",
    119: "2025-04-30 09:59:50.000",
    124: "2025-04-30 09:58:30.000",
    125: "com.snowplowanalytics.snowplow",
    126: "page_view",
    127: "jsonschema",
    128: "1-0-0",
}


def test_a_good_event_is_this_line(enricher: Enricher) -> None:
    ((stream, line),) = enricher.process(posted(), CLOCK)
    assert stream == "enriched"
    cells = line.decode().split("\t")
    assert len(cells) == 131
    assert {at: cell for at, cell in enumerate(cells) if cell} == GOOD


def test_a_good_event_is_understood_by_the_analytics_sdk(enricher: Enricher) -> None:
    ((_, line),) = enricher.process(posted(), CLOCK)
    event = transform(line.decode())
    assert event["event_id"] == EVENT_ID
    assert event["domain_sessionidx"] == 3
    assert event["contexts_com_snowplowanalytics_snowplow_web_page_1"] == [PAGE["data"]]


def test_a_failed_event_is_understood_by_the_analytics_sdk(enricher: Enricher) -> None:
    (failed, line), (bad, _) = enricher.process(posted(vid="x"), CLOCK)
    assert (failed, bad) == ("failed", "bad")
    event = transform(line.decode())
    (failure,) = event["contexts_com_snowplowanalytics_snowplow_failure_1"]
    assert failure == {
        "failureType": "ValidationError",
        "errors": [
            {
                "message": "Cannot be converted to java.lang.Integer",
                "source": "atomic_field",
                "path": "vid",
                "keyword": "atomic_field_parse_error",
                "targets": [],
            }
        ],
        "schema": f"{SNOWPLOW}/atomic/jsonschema/1-0-0",
        "data": {"vid": "x"},
        "timestamp": "2025-04-30T10:05:00.250Z",
        "componentName": "snowmelt-enricher",
        "componentVersion": VERSION,
    }


def test_a_bad_row_has_these_parts(enricher: Enricher) -> None:
    _, (_, data) = enricher.process(posted(vid="x"), CLOCK)
    row = json.loads(data)
    assert row["schema"] == f"{SNOWPLOW}.badrows/schema_violations/jsonschema/2-0-1"
    assert row["data"]["processor"] == {"artifact": "snowmelt-enricher", "version": VERSION}
    assert list(row["data"]) == ["processor", "failure", "payload"]
    enriched, raw = row["data"]["payload"]["enriched"], row["data"]["payload"]["raw"]
    assert len(enriched) == 131
    assert (enriched["event_id"], enriched["se_value"], enriched["dvce_screenwidth"]) == (EVENT_ID, "10000000", 1920)
    assert isinstance(enriched["contexts"], str)
    assert "/failure/" in enriched["derived_contexts"]
    parameters = {pair["name"]: pair["value"] for pair in raw.pop("parameters")}
    assert parameters == {**EVENT, "vid": "x"}
    assert raw == {
        "vendor": "com.snowplowanalytics.snowplow",
        "version": "tp2",
        "contentType": "application/json",
        "loaderName": "c-1",
        "encoding": "UTF-8",
        "hostname": None,
        "timestamp": "2025-04-30T10:00:00.000Z",
        "ipAddress": "203.0.113.7",
        "useragent": "UA",
        "refererUri": None,
        "headers": ["User-Agent: UA"],
        "userId": "8712a379-4bcb-46ee-815d-85f26540577f",
    }


RECORDS = {
    "schema_violations": posted(vid="x"),
    "enrichment_failures": posted(url="http://"),
    "tracker_protocol_violations": posted(unknown="x"),
    "adapter_failures": thrift.encode(CollectorPayload(path="/a/b", collector="c", timestamp=1)),
    "collector_payload_format_violation": b"nonsense",
}


@pytest.mark.parametrize("kind", RECORDS)
def test_every_bad_row_keeps_to_its_published_schema(enricher: Enricher, validator: Validator, kind: str) -> None:
    row = from_value(json.loads(enricher.process(RECORDS[kind], CLOCK)[-1][1]))
    assert row.key.name == kind
    checked = validator.check(row)
    assert isinstance(checked, SchemaKey), str(checked)


def test_a_failure_entity_keeps_to_its_published_schema(enricher: Enricher, validator: Validator) -> None:
    for record in (
        posted(vid="x"),
        posted(url="http://"),
        posted(co="{"),
        posted(co="{}"),
        posted(co='{"schema":"iglu:a/b/c/1-0-0","data":{}}'),
    ):
        (stream, line), _ = enricher.process(record, CLOCK)
        assert stream == "failed"
        for item in json.loads(line.decode().split("\t")[122])["data"]:
            checked = validator.check(from_value(item))
            assert isinstance(checked, SchemaKey), str(checked)
