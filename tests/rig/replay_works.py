"""Bus, enricher, loader and warehouse of one data folder, run one after the other; and bad rows to fill them with.

The warehouse is the embedded one, or a stand-in for BigQuery.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from bigquery_server import DATASET, PROJECT, BigQueryServer

from backbone import thrift
from backbone.bus import open_bus
from backbone.event import COLUMNS
from backbone.iglu import build_resolver
from backbone.iglu.validator import Validator
from backbone.payload import CollectorPayload
from backbone.settings import Settings, load
from enricher.enrich import Enricher
from enricher.enrichments import Enrichments
from enricher.settings import EnricherSettings
from loader.app import Loader
from loader.patches import of_text
from loader.replay import replay
from loader.replay_selection import Selection
from loader.replay_state import Counts
from loader.settings import LoaderSettings, WarehouseSettings
from loader.warehouses.bigquery import BigQuery
from loader.warehouses.bigquery_access import place_of
from loader.warehouses.ducklake import DuckLake
from loader.warehouses.ducklake_catalog import open_reader
from loader.warehouses.protocol import Warehouse

ROOT = Path(__file__).parents[2]
TP2 = "/com.snowplowanalytics.snowplow/tp2"
CART = "iglu:com.acme/cart/jsonschema/1-0-0"
BADROWS = "iglu:com.snowplowanalytics.snowplow.badrows"
ID = "0f0e0d0c-0b0a-4908-8706-050403020100"
OTHER = "1f0e0d0c-0b0a-4908-8706-050403020100"


class Works:
    """Bus, warehouse and loader of one data folder, as `snowmelt` puts them together."""

    def __init__(self, folder: Path, schemas: Path, server: BigQueryServer | None = None, **more: Any) -> None:
        """`more`: further settings, `__` for the dot."""
        flags: dict[str, Any] = {"data.folder": folder, "iglu.schemas": [schemas, ROOT / "schemas"], "loader.batch_seconds": 0.0}
        flags["loader.waiting_bytes"] = 1  # an event whose schema is missing fails at once
        flags |= {} if server is None else in_bigquery(server)
        flags |= {name.replace("__", "."): value for name, value in more.items()}
        models = {"loader": LoaderSettings, "warehouse": WarehouseSettings}
        self.settings: Settings = load(None, models, environment={}, flags=flags)
        self.server = server

    def send(self, *records: tuple[Any, bytes]) -> None:
        publisher = open_bus(self.settings).publisher("enricher")
        publisher.commit(records)
        publisher.close()

    def load(self) -> None:
        own = self.settings.section("loader", LoaderSettings)
        resolver = build_resolver(self.settings.iglu)
        loader = Loader(open_bus(self.settings), self.warehouse(), resolver, own)
        try:
            loader.run(lambda: True)
        finally:
            loader.close()
            resolver.close()

    def warehouse(self) -> Warehouse:
        if self.server is None:
            return DuckLake(self.settings.data.warehouse, 1000)
        return BigQuery(place_of(self.settings.section("warehouse", WarehouseSettings)), 1000)

    def sql(self, query: str) -> list[Any]:
        """In DuckDB's dialect."""
        if self.server is not None:
            return self.server.rows(f"/* duckdb */ {query}")
        with open_reader(self.settings.data.folder) as connection:
            return connection.execute(query).fetchall()

    def raw(self) -> list[Any]:
        subscription = open_bus(self.settings).subscribe(None, ["raw"])
        try:
            return [thrift.decode(record.data) for record in subscription.pull(1000, 10_000_000, 0.0)]
        finally:
            subscription.close()

    def replay(self, *patch: str, watcher: Any = None, **choice: Any) -> Counts:
        """`patch`: its name and text, if any."""
        return replay(self.settings, Selection(**choice), of_text(*patch) if patch else None, watcher)

    def collect(self, querystring: str | None = None, body: str | None = None, path: str = "/i") -> None:
        """A request, as the collector puts it on the bus."""
        made = CollectorPayload(timestamp=1_767_261_600_000, collector="ssc-3.4.0", path=path, querystring=querystring, body=body)
        made.content_type = None if body is None else "application/json"
        publisher = open_bus(self.settings).publisher("collector")
        publisher.commit([("raw", thrift.encode(made))])
        publisher.close()

    def enrich(self) -> None:
        """All that is on the bus for the enricher."""
        bus = open_bus(self.settings)
        resolver = build_resolver(self.settings.iglu)
        enricher = Enricher(Validator(resolver), Enrichments(), EnricherSettings().limits())
        publisher = bus.publisher("enricher")
        subscription = bus.subscribe(None, ["raw"], publisher.consumed())
        try:
            records = subscription.pull(10_000, 100_000_000, 0.0)
            made = [output for record in records for output in enricher.process(record.data, time.time_ns() // 1_000_000)]
            publisher.commit(made, {record.log: record.offset for record in records})
        finally:
            subscription.close()
            publisher.close()
            resolver.close()

    def sent(self) -> bytes:
        """The query string of the last request that a replay sent, decoded."""
        subscription = open_bus(self.settings).subscribe(None, ["raw"])
        try:
            records = [record for record in subscription.pull(1000, 10_000_000, 0.0) if record.log == "replay"]
        finally:
            subscription.close()
        return unquote_to_bytes(thrift.decode(records[-1].data).querystring or "")

    def flow(self) -> None:
        self.enrich()
        self.load()


def in_bigquery(server: BigQueryServer) -> dict[str, Any]:
    """Settings."""
    about = {"kind": "bigquery", "project": PROJECT, "dataset": DATASET}
    about |= {"endpoint": server.endpoint, "write_endpoint": server.write_endpoint}
    return {f"warehouse.{name}": value for name, value in about.items()}


@contextmanager
def opened(kind: str, folder: Path, schemas: Path, **more: Any) -> Iterator[Works]:
    """`kind`: of warehouse, `ducklake` or `bigquery`."""
    folder.mkdir(parents=True, exist_ok=True)
    server = BigQueryServer(folder) if kind == "bigquery" else None
    try:
        yield Works(folder / "data", schemas, server, **more)
    finally:
        if server is not None:
            server.close()


def violation(event_id: str = ID, schema: str = CART, at: str = "2026-01-01T10:00:01.000Z") -> bytes:
    raw = {
        "vendor": "com.snowplowanalytics.snowplow",
        "version": "tp2",
        "parameters": [{"name": "e", "value": "pv"}, {"name": "eid", "value": event_id}],
        "contentType": None,
        "loaderName": "ssc-3.4.0",
        "encoding": "UTF-8",
        "hostname": None,
        "timestamp": "2026-01-01T10:00:00.000Z",
        "ipAddress": None,
        "useragent": None,
        "refererUri": None,
        "headers": [],
        "userId": None,
    }
    report = {"message": "m", "path": "$.a", "keyword": "type", "targets": []}
    messages = [{"schemaKey": schema, "error": {"error": "ValidationError", "dataReports": [report]}}]
    data = {
        "processor": {"artifact": "snowmelt-enricher", "version": "0.1.0"},
        "failure": {"timestamp": at, "messages": messages},
        "payload": {"enriched": {**dict.fromkeys(COLUMNS), "event_id": event_id}, "raw": raw},
    }
    return json.dumps({"schema": f"{BADROWS}/schema_violations/jsonschema/2-0-1", "data": data}).encode()


def rejected_request(vendor: str = "com.acme") -> bytes:
    payload = {
        "vendor": vendor,
        "version": "v1",
        "querystring": [],
        "contentType": "application/json",
        "body": '{"a":1}',
        "collector": "ssc",
        "encoding": "UTF-8",
        "hostname": None,
        "timestamp": "2026-01-01T09:59:00.000Z",
        "ipAddress": None,
        "useragent": None,
        "refererUri": None,
        "headers": [],
        "networkUserId": None,
    }
    failure = {"timestamp": "2026-01-01T10:00:00.000Z", "vendor": vendor, "version": "v1", "messages": []}
    data = {"processor": {"artifact": "snowmelt-enricher", "version": "0.1.0"}, "failure": failure, "payload": payload}
    return json.dumps({"schema": f"{BADROWS}/adapter_failures/jsonschema/1-0-0", "data": data}).encode()
