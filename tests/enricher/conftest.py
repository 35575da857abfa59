"""An enricher with a registry of its own, and short ways of asking what becomes of a request."""

import base64
import gzip
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from backbone import thrift
from backbone.event import COLUMNS
from backbone.iglu import build_resolver
from backbone.iglu.validator import Validator
from backbone.payload import CollectorPayload
from backbone.settings import IgluSettings
from enricher.enrich import Enricher, Limits
from enricher.enrichments import Enrichments
from enricher.settings import EnricherSettings

ROOT = Path(__file__).parents[2]
CLOCK = 1_746_007_500_250
COLLECTED = 1_746_007_200_000
EVENT_ID = "c6ef3124-b53a-4b13-a233-0088f79dcbcb"
BASE = f"e=pv&p=web&tv=t&eid={EVENT_ID}"
TEXT: dict[str, Any] = {"type": "string", "maxLength": 20}
SCHEMAS: dict[str, dict[str, Any]] = {
    "com.acme/user/jsonschema/1-0-0": {
        "type": "object",
        "properties": {"id": TEXT, "n": {"type": "integer", "minimum": 0}},
        "required": ["id"],
        "additionalProperties": False,
    },
    "com.acme/campaign/jsonschema/1-0-0": {"type": "object", "properties": {"name": {"type": ["string", "null"]}}},
    "com.acme/product/jsonschema/2-0-0": {"type": "object", "properties": {"sku": TEXT}, "$supersededBy": "2-0-1"},
    "com.acme/product/jsonschema/2-0-1": {"type": "object", "properties": {"sku": TEXT}, "required": ["sku"]},
    "com.acme/any/jsonschema/1-0-0": {},
}


def publish(folder: Path, path: str, schema: dict[str, Any]) -> None:
    vendor, name, form, version = path.split("/")
    own = {"vendor": vendor, "name": name, "format": form, "version": version}
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    meta = "http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#"
    file.write_text(json.dumps({"$schema": meta, "self": own, **schema}))


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `com.acme` schemas."""
    folder = tmp_path_factory.mktemp("registry")
    for path, schema in SCHEMAS.items():
        publish(folder, path, schema)
    return folder


@pytest.fixture(scope="session")
def validator(registry: Path) -> Iterator[Validator]:
    resolver = build_resolver(IgluSettings(schemas=(registry, ROOT / "schemas")))
    yield Validator(resolver)
    resolver.close()


@dataclass
class Outcome:
    """What came of one record, by stream, in order; TSV lines as columns that are not empty."""

    good: list[dict[str, str]]
    failed: list[dict[str, str]]
    bad: list[dict[str, Any]]

    @property
    def kinds(self) -> list[str]:
        return [row["schema"].split("/")[1] for row in self.bad]

    @property
    def event(self) -> dict[str, str]:
        """The one event, which is good."""
        assert not self.bad, json.dumps(self.bad[0]["data"]["failure"])
        (event,) = self.good
        return event

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Those of the one bad row."""
        (row,) = self.bad
        failure: dict[str, Any] = row["data"]["failure"]
        return failure["messages"] if "messages" in failure else [failure["message"]]

    @property
    def reports(self) -> list[dict[str, Any]]:
        """Those of the first message of the one bad row."""
        found: list[dict[str, Any]] = self.messages[0]["error"]["dataReports"]
        return found

    @property
    def failures(self) -> list[dict[str, Any]]:
        """Data of the `failure` entities of the one failed event."""
        (event,) = self.failed
        return [item["data"] for item in json.loads(event["derived_contexts"])["data"] if "/failure/" in item["schema"]]


def columns(line: bytes) -> dict[str, str]:
    values = line.decode().split("\t")
    assert len(values) == len(COLUMNS) == 131
    return {name: value for name, value in zip(COLUMNS, values, strict=True) if value}


def outcome(enricher: Enricher, record: bytes) -> Outcome:
    found = Outcome([], [], [])
    for stream, data in enricher.process(record, CLOCK):
        if stream == "bad":
            found.bad.append(orjson.loads(data))
        else:
            (found.good if stream == "enriched" else found.failed).append(columns(data))
    return found


def record(query: str | None = BASE, **fields: Any) -> bytes:
    """A GET of `/i` unless fields of the payload say otherwise."""
    defaults = {"ip_address": "203.0.113.7", "timestamp": COLLECTED, "collector": "c-1", "path": "/i", "querystring": query}
    return thrift.encode(CollectorPayload(**{**defaults, **fields}))


def packed(*records: bytes, versions: bytes = b"\1\1") -> bytes:
    """A gzip container."""
    return gzip.compress(versions + b"".join(struct.pack(">i", len(data)) + data for data in records))


Build = Callable[..., Enricher]


@pytest.fixture
def build(validator: Validator) -> Build:
    """An enricher with some limits or enrichments changed."""

    def make(enrichments: Enrichments | None = None, settings: dict[str, Any] | None = None, checks: Any = None) -> Enricher:
        limits: Limits = EnricherSettings(**(settings or {})).limits()
        return Enricher(checks or validator, enrichments or Enrichments(), limits)

    return make


@pytest.fixture
def enricher(build: Build) -> Enricher:
    return build()


@pytest.fixture
def process(enricher: Enricher) -> Callable[[bytes], Outcome]:
    """What becomes of a record's bytes."""
    return lambda data: outcome(enricher, data)


@pytest.fixture
def get(enricher: Enricher) -> Callable[..., Outcome]:
    """What becomes of a GET with this query added to `e=pv&p=web&tv=t&eid=…`; other payload fields by name."""
    return lambda query="", **fields: outcome(enricher, record(f"{BASE}&{query}" if query else BASE, **fields))


@pytest.fixture
def ask(enricher: Enricher) -> Callable[..., Outcome]:
    """What becomes of a request with exactly this query and these payload fields."""
    return lambda query=None, **fields: outcome(enricher, record(query, **fields))


@pytest.fixture
def post(enricher: Enricher) -> Callable[..., Outcome]:
    """What becomes of a tracker's POST of these events."""

    def send(*events: dict[str, Any], query: str | None = None, version: str = "1-0-4", **fields: Any) -> Outcome:
        body = {"schema": f"iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/{version}", "data": list(events)}
        given = {"path": "/com.snowplowanalytics.snowplow/tp2", "body": json.dumps(body), "content_type": "application/json"}
        return outcome(enricher, record(query, **{**given, **fields}))

    return send


@pytest.fixture
def rig() -> Any:
    """The plain functions above, for tests that need them one by one."""

    class Rig:
        base, event_id, clock, collected = BASE, EVENT_ID, CLOCK, COLLECTED
        record = staticmethod(record)
        packed = staticmethod(packed)
        outcome = staticmethod(outcome)
        publish = staticmethod(publish)
        columns = staticmethod(columns)

        @staticmethod
        def contexts(*entities: Any, version: str = "1-0-0") -> str:
            schema = f"iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/{version}"
            return json.dumps({"schema": schema, "data": list(entities)})

        @staticmethod
        def unstruct(datum: Any, schema: str = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0") -> str:
            return json.dumps({"schema": schema, "data": datum})

        @staticmethod
        def base64(text: str) -> str:
            return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    return Rig
