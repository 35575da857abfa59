"""Pub/Sub between our services and Snowplow's: each topic carries what the counterpart reads, and is read as it writes.

Snowplow's collector sets neither attributes nor ordering keys; its enricher sets columns as attributes where it is told to.
`recorded_enrich.jsonl` holds requests of real trackers as Snowplow's collector stores them and what OpenSnowcat Enrich 1.3.1
(Apache-2.0), and Snowplow's alike, made of them. More recordings are found through SNOWMELT_GOLDEN.
"""

import asyncio
import base64
import gzip
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("google.pubsub_v1", reason="the libraries of Google Cloud are not installed")

import grpc
from google.pubsub_v1.services.publisher import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber import SubscriberClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from snowplow_analytics_sdk.event_transformer import transform

from backbone import thrift
from backbone.bus.emulator import Emulator
from backbone.bus.pubsub import PubSubBus
from backbone.bus.pubsub_topics import Names
from backbone.event import COLUMNS
from backbone.iglu import build_resolver
from backbone.iglu.resolver import Resolver
from backbone.iglu.validator import Validator
from backbone.settings import IgluSettings
from collector.app import Collector
from collector.settings import CollectorSettings
from enricher.app import Service
from enricher.enrich import Enricher
from enricher.enrichments import Enrichments
from enricher.settings import EnricherSettings
from loader.app import Loader
from loader.settings import LoaderSettings
from loader.warehouses.ducklake import DuckLake
from loader.warehouses.ducklake_catalog import open_reader

ROOT = Path(__file__).parents[2]
GOLDEN = Path(os.environ.get("SNOWMELT_GOLDEN", ROOT / "../shared/data/golden"))
NAMES = Names("test")
RECORDED = [json.loads(line) for line in (Path(__file__).parent / "recorded_enrich.jsonl").read_text("utf-8").splitlines()]
COLLECTED = sorted((GOLDEN / "reference/collector").glob("cases*.jsonl.gz"))
QUICK = EnricherSettings(poll_seconds=0.02)
BROKEN = {"e": "pv", "p": "web", "tv": "t-1", "vid": "x"}
"""Parameters of an event that fails."""


class Others:
    """Google's own clients, as other programs use them."""

    def __init__(self, endpoint: str) -> None:
        channel = grpc.insecure_channel(endpoint)
        self._publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        self._subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))

    def publish(self, stream: Any, messages: Sequence[dict[str, Any]]) -> None:
        for start in range(0, len(messages), 200):
            request = {"topic": NAMES.topic(stream), "messages": messages[start : start + 200]}
            self._publisher.publish(request=request)

    def read(self, subscription: str, many: int) -> list[Any]:
        """The next messages, acknowledged."""
        found: list[Any] = []
        deadline = time.monotonic() + 20
        while len(found) < many:
            assert time.monotonic() < deadline, f"{len(found)} of {many} messages"
            request = {"subscription": subscription, "max_messages": many}
            received = self._subscriber.pull(request=request, timeout=30).received_messages
            ids = [one.ack_id for one in received]
            self._subscriber.acknowledge(request={"subscription": subscription, "ack_ids": ids})
            found += [one.message for one in received]
        return found


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    running = Emulator().start()
    yield running
    running.stop()


@pytest.fixture
def bus(emulator: Emulator) -> Iterator[PubSubBus]:
    opened = PubSubBus(NAMES, emulator.endpoint, create=True)
    opened.publisher("test")  # creates topics
    yield opened
    opened.close()


@pytest.fixture
def others(emulator: Emulator, bus: PubSubBus) -> Others:
    return Others(emulator.endpoint)


@pytest.fixture(scope="module")
def resolver() -> Iterator[Resolver]:
    built = build_resolver(IgluSettings(schemas=(ROOT / "schemas",)))
    yield built
    built.close()


@pytest.fixture
def enricher(resolver: Resolver) -> Enricher:
    return Enricher(Validator(resolver), Enrichments(), QUICK.limits())


@contextmanager
def enriching(bus: PubSubBus, enricher: Enricher) -> Iterator[None]:
    stop = threading.Event()
    service = threading.Thread(target=Service(bus, enricher, QUICK, stop).run)
    service.start()
    try:
        yield
    finally:
        stop.set()
        service.join(20)


def eventually(question: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not question():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.02)


def snowplows(data: bytes, **attributes: str) -> dict[str, Any]:
    return {"data": data, "attributes": attributes}


# --- our collector, Snowplow's enricher


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_raw_message_is_one_thrift_record_and_nothing_else(bus: PubSubBus, others: Others, method: str) -> None:
    asked(Collector(CollectorSettings(), "ssc-0.0.0-t", bus.publisher("collector")), method)
    (message,) = others.read(NAMES.subscription("raw", "enricher"), 1)
    assert (dict(message.attributes), message.ordering_key) == ({}, "")
    payload = thrift.decode(message.data)
    assert message.data == thrift.encode(payload)  # no frame around it, nothing behind it
    assert message.data[:3] == b"\x0b\x00\x64"  # a string, field 100: as a struct of the binary protocol begins
    assert payload.path == "/com.snowplowanalytics.snowplow/tp2"
    assert (payload.querystring, payload.body) == (("e=pv&p=web", None) if method == "GET" else ("", "{}"))


def asked(collector: Collector, method: str) -> None:
    """One request, through the whole life of the application."""
    scope: Any = {
        "type": "http",
        "method": method,
        "path": "/com.snowplowanalytics.snowplow/tp2",
        "raw_path": b"/com.snowplowanalytics.snowplow/tp2",
        "query_string": b"e=pv&p=web" if method == "GET" else b"",
        "headers": [(b"content-type", b"application/json")],
        "snowmelt.headers": [(b"Content-Type", b"application/json")],
        "client": ("192.0.2.2", 50_000),
        "scheme": "http",
        "server": ("127.0.0.1", 9090),
        "root_path": "",
    }

    async def life() -> None:
        body = [{"type": "http.request", "body": b"" if method == "GET" else b"{}"}]
        told: list[Any] = []

        async def receive() -> Any:
            return body.pop() if body else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            told.append(message)

        collector._commits.start()
        await collector(scope, receive, send)
        await collector._commits.close()
        assert told[0]["status"] == 200

    asyncio.run(life())


# --- Snowplow's collector, our enricher


def test_what_snowplows_collector_stored_is_enriched_alike(bus: PubSubBus, others: Others, enricher: Enricher) -> None:
    """With attributes and ordering keys too, which other publishers may set."""
    for number, case in enumerate(RECORDED):
        message = snowplows(base64.b64decode(case["thrift_b64"]), **({"app_id": "x", "stream": "else"} if number % 2 else {}))
        others.publish("raw", [{**message, "ordering_key": f"key-{number}" if number % 3 else ""}])
    expected = {event["event_id"]: event for case in RECORDED for event in case["out"]}
    with enriching(bus, enricher):
        messages = others.read(NAMES.subscription("enriched", "loader"), len(expected))
    actual = {event["event_id"]: event for event in (cells(message.data) for message in messages)}
    assert actual.keys() == expected.keys()
    for event_id, event in expected.items():
        differing = {name for name in {*event, *actual[event_id]} if event.get(name) != actual[event_id].get(name)}
        assert differing <= {"v_etl", "etl_tstamp"}, event_id


def cells(line: bytes) -> dict[str, str]:
    """Columns that are not empty."""
    values = line.decode().split("\t")
    assert len(values) == 131
    return {name: value for name, value in zip(COLUMNS, values, strict=True) if value}


@pytest.mark.conformance
@pytest.mark.skipif(not COLLECTED, reason=f"no recordings in {GOLDEN} (SNOWMELT_GOLDEN)")
def test_every_recorded_message_is_read_and_accounted_for(
    emulator: Emulator, bus: PubSubBus, others: Others, enricher: Enricher
) -> None:
    lines = (line for file in COLLECTED for line in gzip.decompress(file.read_bytes()).decode("utf-8").splitlines())
    stored = [one for line in lines for one in json.loads(line)["stored"] if one.get("thrift_b64")]
    assert len(stored) > 500
    others.publish("raw", [snowplows(base64.b64decode(one["thrift_b64"])) for one in stored])
    raw = NAMES.subscription("raw", "enricher")
    with enriching(bus, enricher):
        eventually(lambda: emulator.topics.unfinished(raw) == 0)
    good = [message.sent.data for message in emulator.topics.subscriptions[NAMES.subscription("enriched", "loader")].waiting]
    bad = [
        json.loads(message.sent.data) for message in emulator.topics.subscriptions[NAMES.subscription("bad", "loader")].waiting
    ]
    assert len(good) + len(bad) >= len(stored)
    assert len(good) > 500
    assert all(len(line.split(b"\t")) == 131 for line in good)
    unreadable = [row for row in bad if "collector_payload_format_violation" in row["schema"]]
    # Requests with an odd path or user id are recorded, too: their records can be read, which `error` would deny.
    assert all("payloadField" in row["data"]["failure"]["message"] for row in unreadable)


# --- our enricher, Snowplow's loader


def test_enriched_messages_are_bare_lines_of_131_columns(bus: PubSubBus, others: Others, enricher: Enricher) -> None:
    payload = thrift.decode(base64.b64decode(RECORDED[0]["thrift_b64"]))
    body = {"schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4", "data": [BROKEN]}
    broken = thrift.encode(replace(payload, body=json.dumps(body)))
    others.publish("raw", [snowplows(base64.b64decode(RECORDED[0]["thrift_b64"])), snowplows(broken)])
    with enriching(bus, enricher):
        good = others.read(NAMES.subscription("enriched", "loader"), len(RECORDED[0]["out"]))
        (failed,) = others.read(NAMES.subscription("failed", "loader"), 1)
        (bad,) = others.read(NAMES.subscription("bad", "loader"), 1)
    for message in (*good, failed, bad):
        assert (dict(message.attributes), message.ordering_key) == ({}, "")
    for message in (*good, failed):
        assert len(message.data.split(b"\t")) == 131
        assert b"\n" not in message.data
        assert transform(message.data.decode())["event_id"]
    assert json.loads(bad.data)["schema"].startswith("iglu:com.snowplowanalytics.snowplow.badrows/schema_violations/")


# --- Snowplow's enricher, our loader


def test_lines_of_snowplows_enricher_are_loaded(
    emulator: Emulator, bus: PubSubBus, others: Others, resolver: Resolver, tmp_path: Path
) -> None:
    """With the attributes it can be told to set."""
    events = [event for case in RECORDED for event in case["out"]]
    lines = ["\t".join(event.get(name, "") for name in COLUMNS).encode() for event in events]
    others.publish("enriched", [snowplows(line, app_id="x", event_name="page_view") for line in lines])
    loader = Loader(bus, DuckLake(tmp_path / "warehouse", 1000), resolver, LoaderSettings(batch_seconds=0.05))
    stop = threading.Event()
    running = threading.Thread(target=loader.run, args=(stop.is_set,))
    running.start()
    try:
        eventually(lambda: emulator.topics.unfinished(NAMES.subscription("enriched", "loader")) == 0)
    finally:
        stop.set()
        running.join(20)
        loader.close()
    with open_reader(tmp_path) as reading:
        rows = reading.execute("select event_id, event_name, v_etl from events").fetchall()
    assert sorted(row[0] for row in rows) == sorted(event["event_id"] for event in events)
    assert {row[2] for row in rows} == {event["v_etl"] for event in events}
