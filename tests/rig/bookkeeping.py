"""Bus, loader and warehouse of one data folder, what fails on its way there, and what an audit says of it.

The warehouse is the embedded one, or the stand-in for BigQuery.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
from bigquery_server import BigQueryServer

from backbone.bus import open_bus
from backbone.event import COLUMNS
from backbone.iglu import build_resolver
from backbone.settings import Settings, load
from loader.app import Loader
from loader.audit import Audit, audit
from loader.settings import LoaderSettings, WarehouseSettings
from loader.warehouses.bigquery import BigQuery
from loader.warehouses.bigquery_access import place_of
from loader.warehouses.ducklake import DuckLake
from loader.warehouses.ducklake_catalog import attached, open_reader
from loader.warehouses.protocol import Warehouse

CART = "iglu:com.acme/cart/jsonschema/1-0-0"
ID = "0f0e0d0c-0b0a-4908-8706-050403020100"
_BADROWS = "iglu:com.snowplowanalytics.snowplow.badrows"
_REQUEST = {"contentType": None, "encoding": "UTF-8", "hostname": None, "timestamp": "2026-01-01T10:00:00.000Z", "headers": []}


class Works:
    """Bus, warehouse and loader of one data folder."""

    def __init__(self, folder: Path, schemas: Path, waiting_bytes: int = 1, server: BigQueryServer | None = None) -> None:
        """With one byte of room, an event whose schema is missing fails at once."""
        self.server = server
        flags: dict[str, Any] = {
            "data.folder": folder,
            "iglu.schemas": [schemas],
            "loader.batch_seconds": 0.0,
            "loader.waiting_bytes": waiting_bytes,
        }
        flags |= {} if server is None else {f"warehouse.{name}": value for name, value in server.settings().items()}
        models = {"loader": LoaderSettings, "warehouse": WarehouseSettings}
        self.settings: Settings = load(None, models, environment={}, flags=flags)
        self.publisher = open_bus(self.settings).publisher("enricher")
        self._loader: Loader | None = None

    def send(self, *records: tuple[Any, bytes]) -> None:
        self.publisher.commit(records)

    def load(self, stopping: Callable[[], bool] = lambda: True) -> None:
        """Everything on the bus, as one batch unless it is to run on; the loader stays open until `stop`."""
        self.start()
        assert self._loader is not None
        self._loader.run(stopping)

    def start(self, **other: Any) -> None:
        """`other`: settings of the loader."""
        if self._loader is None:
            own = self.settings.section("loader", LoaderSettings).model_copy(update=other)
            resolver = build_resolver(self.settings.iglu)
            self._loader = Loader(open_bus(self.settings), self.warehouse(), resolver, own)

    def warehouse(self) -> Warehouse:
        if self.server is None:
            return DuckLake(self.settings.data.warehouse, 1000)
        return BigQuery(place_of(self.settings.section("warehouse", WarehouseSettings)), 1000)

    def stop(self) -> None:
        if self._loader is not None:
            self._loader.close()
            self._loader = None

    def sql(self, query: str) -> list[Any]:
        """In DuckDB's dialect."""
        if self.server is not None:
            return self.server.rows(f"/* duckdb */ {query}")
        with open_reader(self.settings.data.folder) as connection:
            return connection.execute(query).fetchall()

    def tamper(self, statement: str) -> None:
        """In DuckDB's dialect; in BigQuery's where that is the warehouse."""
        self.stop()
        if self.server is not None:
            self.server.rows(statement)
            return
        connection: duckdb.DuckDBPyConnection = attached(self.settings.data.warehouse, read_only=False)
        connection.execute(statement)
        connection.close()

    def audit(self) -> Audit:
        return audit(self.settings)


def bad_row(event_id: str = ID, value: str = "x", **enriched: Any) -> bytes:
    """A schema violation of an event of the app `shop`."""
    columns = {**dict.fromkeys(COLUMNS), "event_id": event_id, "app_id": "shop", **enriched}
    columns["collector_tstamp"] = enriched.get("collector_tstamp", "2026-01-01 10:00:00.000")
    raw = {**_REQUEST, "vendor": "com.acme", "version": "tp2", "parameters": [{"name": "v", "value": value}], "userId": None}
    failure = {"timestamp": "2026-01-01T10:00:01.000Z", "messages": []}
    return _bad("schema_violations/jsonschema/2-0-1", failure, {"enriched": columns, "raw": raw})


def bad_payload(moment: str = "2026-01-01T10:00:00.000Z", body: str = "{}") -> bytes:
    """A request in which no event was found."""
    payload = {**_REQUEST, "vendor": "com.acme", "version": "v1", "querystring": [], "body": body, "collector": "ssc"}
    payload |= {"ipAddress": None, "useragent": None, "refererUri": None, "networkUserId": None}
    failure = {"timestamp": moment, "vendor": "com.acme", "version": "v1", "messages": []}
    return _bad("adapter_failures/jsonschema/1-0-0", failure, payload)


def _bad(schema: str, failure: Any, payload: Any) -> bytes:
    data = {"processor": {"artifact": "snowmelt-enricher", "version": "0.1.0"}, "failure": failure, "payload": payload}
    return json.dumps({"schema": f"{_BADROWS}/{schema}", "data": data}).encode()


def numbers(found: Audit) -> dict[str, int]:
    """Of all hours together."""
    names = ("received", "loaded", "failed", "duplicates", "waiting", "recovered", "removed")
    return {name: total for name in names if (total := sum(getattr(hour, name) for hour in found.hours))}


def told(found: Audit) -> list[tuple[str, str, int, int]]:
    return [(one.place, one.what, one.expected, one.found) for one in found.differences]


def agreed(works: Works) -> Audit:
    found = works.audit()
    assert told(found) == []
    return found
