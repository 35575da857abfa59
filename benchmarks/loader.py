"""Loader: rows a second from enriched lines to committed rows of the embedded warehouse, on one core.

Each event has about 75 filled columns, three entities and every other one a self-describing event: 140 columns in the table.
Parsing, casting, recognition of duplicates and the transaction are included; the bus is in memory.
"""

import json
import os
import resource
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from backbone import tsv
from backbone.bus.memory import MemoryBus
from backbone.event import Event
from backbone.iglu.registries import FolderRegistry, Place
from backbone.iglu.resolver import Resolver
from backbone.selfdescribing import SchemaKey, SchemaVer, SelfDescribing
from loader.app import Loader
from loader.settings import LoaderSettings
from loader.warehouses.ducklake import DuckLake

EVENTS = 20_000
RUNS = 5
_BATCHES = (20_000, 1_000)
_VERSION = SchemaVer(1, 0, 0)
_TEXT = {"type": "string", "maxLength": 255}
_PAGE = {"id": _TEXT}
_SESSION = {
    **dict.fromkeys(("userId", "sessionId", "previousSessionId", "storageMechanism", "firstEventId"), _TEXT),
    "sessionIndex": {"type": "integer", "minimum": 0, "maximum": 2_147_483_647},
    "eventIndex": {"type": "integer", "minimum": 0, "maximum": 2_147_483_647},
    "firstEventTimestamp": {"type": "string", "format": "date-time"},
}
_PRODUCT = {
    **dict.fromkeys(("id", "name", "category", "currency"), _TEXT),
    "price": {"type": "number", "multipleOf": 0.01, "minimum": 0, "maximum": 1_000_000},
    "quantity": {"type": "integer"},
    "tags": {"type": "array", "items": _TEXT},
}
_CLICK = {"elementId": _TEXT, "targetUrl": _TEXT, "position": {"type": "integer"}, "ratio": {"type": "number"}}
_FAMILIES = {"web_page": _PAGE, "client_session": _SESSION, "click": _CLICK, **{f"product_{n}": _PRODUCT for n in range(8)}}


def measure() -> dict[str, Any]:
    """`rows_per_second` for each batch size, medians of interleaved runs; peak memory of this process in MB.

    `rows_per_processor_second` leaves out what the processor did for others and for the disk.
    """
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        return _measure()
    finally:
        os.sched_setaffinity(0, cores)


def _measure() -> dict[str, Any]:
    rates: dict[int, list[float]] = {size: [] for size in _BATCHES}
    processor_rates: dict[int, list[float]] = {size: [] for size in _BATCHES}
    with tempfile.TemporaryDirectory() as folder:
        schemas = Path(folder) / "schemas"
        keys = {name: _write_schema(schemas, name, properties) for name, properties in _FAMILIES.items()}
        lines = [_line(number, keys) for number in range(EVENTS)]
        for run in range(RUNS):
            for size in _BATCHES:
                seconds, processor_seconds = _run(lines, schemas, Path(folder) / f"{run}-{size}", size)
                rates[size].append(EVENTS / seconds)
                processor_rates[size].append(EVENTS / processor_seconds)
    return {
        "rows_per_second": {str(size): round(statistics.median(values)) for size, values in rates.items()},
        "rows_per_processor_second": {str(size): round(statistics.median(values)) for size, values in processor_rates.items()},
        "runs": {str(size): [round(value) for value in values] for size, values in rates.items()},
        "bytes_per_line": sum(map(len, lines)) // len(lines),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _run(lines: list[bytes], schemas: Path, folder: Path, batch: int) -> tuple[float, float]:
    bus = MemoryBus()
    bus.publisher("enricher").commit([("enriched", line) for line in lines])
    resolver = Resolver([FolderRegistry(Place("benchmark"), schemas)])
    warehouse = DuckLake(folder, known_events=1_000_000)
    loader = Loader(bus, warehouse, resolver, LoaderSettings(batch_records=batch, drain_seconds=600))
    try:
        started, processor = time.perf_counter(), time.process_time()
        loader.run(lambda: True)
        seconds, processor = time.perf_counter() - started, time.process_time() - processor
        assert loader.totals.loaded == len(lines)
    finally:
        loader.close()
        resolver.close()
    return seconds, processor


def _write_schema(folder: Path, name: str, properties: dict[str, Any]) -> SchemaKey:
    key = SchemaKey("com.acme", name, "jsonschema", _VERSION)
    file = folder / key.path
    file.parent.mkdir(parents=True, exist_ok=True)
    about = {"vendor": key.vendor, "name": key.name, "format": key.format, "version": str(key.version)}
    file.write_text(json.dumps({"self": about, "type": "object", "properties": properties}))
    return key


def _line(number: int, keys: dict[str, SchemaKey]) -> bytes:
    event = Event()
    for name, limit in _TEXTS.items():
        setattr(event, name, f"{name} of event {number % 97}"[:limit])
    event.event_id = str(uuid.UUID(int=number * 2**64 + 12345))
    event.event_fingerprint = f"{number:032x}"
    event.collector_tstamp = event.etl_tstamp = event.derived_tstamp = (
        f"2026-01-01 10:{number // 60 % 60:02d}:{number % 60:02d}.123"
    )
    event.dvce_created_tstamp = event.dvce_sent_tstamp = event.collector_tstamp
    event.br_viewwidth, event.br_viewheight, event.doc_width, event.doc_height = 1200, 800, 1185, 5400
    event.domain_sessionidx, event.page_urlport, event.br_cookies, event.dvce_ismobile = number % 50, 443, 1, 0
    event.geo_latitude, event.geo_longitude, event.tr_total = 51.5, -0.1, "12.34"
    event.contexts = [
        SelfDescribing(keys["web_page"], {"id": f"0f0e0d0c-0b0a-4908-8706-{number:012d}"}),
        SelfDescribing(keys["client_session"], _session(number)),
        SelfDescribing(keys[f"product_{number % 8}"], _product(number)),
    ]
    if number % 2:
        data = {"elementId": "buy", "targetUrl": "https://shop.example/cart", "position": number % 9, "ratio": number / 7}
        event.unstruct_event = SelfDescribing(keys["click"], data)
    return tsv.line(event).encode()


_TEXTS = dict.fromkeys(
    [
        "app_id",
        "platform",
        "event",
        "name_tracker",
        "v_tracker",
        "v_collector",
        "v_etl",
        "user_id",
        "user_ipaddress",
        "domain_userid",
        "network_userid",
        "geo_country",
        "geo_region",
        "geo_city",
        "geo_zipcode",
        "geo_region_name",
        "page_url",
        "page_title",
        "page_referrer",
        "page_urlscheme",
        "page_urlhost",
        "page_urlpath",
        "page_urlquery",
        "refr_urlscheme",
        "refr_urlhost",
        "refr_urlpath",
        "refr_medium",
        "refr_source",
        "mkt_medium",
        "mkt_source",
        "mkt_campaign",
        "useragent",
        "br_name",
        "br_family",
        "br_version",
        "br_type",
        "br_renderengine",
        "br_lang",
        "br_colordepth",
        "os_name",
        "os_family",
        "os_manufacturer",
        "os_timezone",
        "dvce_type",
        "doc_charset",
        "geo_timezone",
        "domain_sessionid",
        "event_vendor",
        "event_name",
        "event_format",
        "event_version",
    ],
    40,
)


def _session(number: int) -> dict[str, Any]:
    return {
        "userId": f"5c1f0a52-0000-4000-8000-{number % 1000:012d}",
        "sessionId": f"6c1f0a52-0000-4000-8000-{number % 5000:012d}",
        "sessionIndex": number % 30,
        "eventIndex": number % 200,
        "previousSessionId": None,
        "storageMechanism": "COOKIE_1",
        "firstEventId": f"7c1f0a52-0000-4000-8000-{number % 5000:012d}",
        "firstEventTimestamp": "2026-01-01T10:00:00.123Z",
    }


def _product(number: int) -> dict[str, Any]:
    price = number % 10_000 / 100
    return {
        "id": f"sku-{number % 500}",
        "name": "A product of usual name",
        "category": "shoes/running",
        "currency": "EUR",
        "price": price,
        "quantity": number % 5 + 1,
        "tags": ["new", "sale"],
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
