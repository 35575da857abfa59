"""Events a second through the enricher, bus left out: POST of one event, POST of ten, GET; all seven enrichments; one core.

Each event carries two entities. The payloads are made once; enriching goes over many different ones, as caches would otherwise
flatter. Lookups need a MaxMind file: the public test databases are used where `SNOWMELT_GOLDEN` (or ../shared/data/golden) has
them; without, `ip_lookups` is off and the result says so.
"""

import base64
import json
import os
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from backbone import thrift
from backbone.payload import CollectorPayload
from backbone.settings import load
from enricher.assembly import assembled
from enricher.enrich import Enricher
from enricher.settings import EnricherSettings
from snowmelt.generator import SNOWPLOW, Parameters, Session

ROOT = Path(__file__).parents[1]
GOLDEN = Path(os.environ.get("SNOWMELT_GOLDEN", ROOT / "../shared/data/golden"))
CASES = {"POST 1": 1, "POST 10": 10, "GET": 0}
PAYLOAD_DATA = f"{SNOWPLOW}/payload_data/jsonschema/1-0-4"


def measure(runs: int = 5, payloads: int = 400, seconds: float = 1.0) -> dict[str, Any]:
    """`{case: {"events_per_second": [one for each run, interleaved], "events_per_cpu_second": […]}, "enrichments": […]}`.

    The latter leaves out what other programs took of the core meanwhile; on a quiet machine both agree.
    """
    records = {case: _records(case, payloads) for case in CASES}
    results: dict[str, Any] = {case: {"events_per_second": [], "events_per_cpu_second": []} for case in CASES}
    with _enricher() as (enricher, names):
        for case in CASES:
            _rate(enricher, records[case], 0.2)
        for _ in range(runs):
            for case, size in CASES.items():
                wall, cpu = _rate(enricher, records[case], seconds)
                results[case]["events_per_second"].append(round(wall * max(size, 1)))
                results[case]["events_per_cpu_second"].append(round(cpu * max(size, 1)))
    results["enrichments"] = ", ".join(names)
    results["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return results


@contextmanager
def _enricher() -> Iterator[tuple[Enricher, list[str]]]:
    """With the shipped enrichments, all of them on."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        assets = folder / "assets"
        shutil.copytree(ROOT / "enrichments" / "assets", assets)
        database = GOLDEN / "open/enrich/assets/GeoIP2-City.mmdb"
        if database.is_file():
            shutil.copy(database, assets)
        names = [switch_on(file, folder, database.is_file()) for file in sorted((ROOT / "enrichments").glob("*.json"))]
        settings = load(_empty(folder), {"enricher": EnricherSettings}, environment={})
        with assembled(settings, enrichments=folder, schemas=[ROOT / "schemas"], assets=assets) as enricher:
            yield enricher, [name for name in names if name]


def _empty(folder: Path) -> Path:
    """A configuration file that says nothing, so that one lying in this folder does not matter."""
    file = folder / "snowmelt.toml"
    file.touch()
    return file


def switch_on(file: Path, folder: Path, has_database: bool) -> str:
    """Writes the enabled configuration; its name, or nothing when it must stay off."""
    configuration = json.loads(file.read_text("utf-8"))
    data = configuration["data"]
    if data["name"] == "ip_lookups":
        if not has_database:
            return ""
        data["parameters"]["geo"]["database"] = "GeoIP2-City.mmdb"
    if data["name"] == "pii_enrichment_config":
        data["parameters"]["strategy"]["pseudonymize"]["salt"] = "a salt for measuring"
    data["enabled"] = True
    (folder / file.name).write_text(json.dumps(configuration), "utf-8")
    return str(data["name"])


def _rate(enricher: Enricher, records: list[bytes], seconds: float) -> tuple[float, float]:
    """Payloads a second, and a second of processor time."""
    clock = time.time_ns() // 1_000_000
    process, done = enricher.process, 0
    began, spent = time.perf_counter(), time.process_time()
    while (took := time.perf_counter() - began) < seconds:
        for record in records:
            process(record, clock)
        done += len(records)
    return done / took, done / (time.process_time() - spent)


def _records(case: str, count: int) -> list[bytes]:
    chance = random.Random(case)
    return [thrift.encode(_payload(case, chance)) for _ in range(count)]


def _payload(case: str, chance: random.Random) -> CollectorPayload:
    session = Session(chance)
    now = str(int(time.time() * 1000))
    events = [_with_two_entities(event, now) for event in _events(session, max(CASES[case], 1))]
    payload = CollectorPayload(
        ip_address=session.address,
        timestamp=int(now),
        collector="benchmark",
        user_agent=session.browser.agent,
        headers=[f"User-Agent: {session.browser.agent}", "Accept: */*", f"X-Forwarded-For: {session.address}"],
        hostname="127.0.0.1",
        network_user_id=events[0]["duid"],
    )
    if case == "GET":
        payload.path, payload.querystring = "/i", urlencode(events[0], quote_via=quote)
    else:
        payload.path, payload.querystring = "/com.snowplowanalytics.snowplow/tp2", ""
        payload.content_type = "application/json; charset=utf-8"
        payload.body = json.dumps({"schema": PAYLOAD_DATA, "data": events}, separators=(",", ":"))
    return payload


def _events(session: Session, count: int) -> list[Parameters]:
    """Page views when there is one event, a mixture of kinds when there are more."""
    makers = (
        session.page_view,
        session.add_to_basket,
        lambda: session.self_describing(f"{SNOWPLOW}/link_click/jsonschema/1-0-1", {"targetUrl": "https://shop.example/a"}),
    )
    return [makers[number % len(makers)]() for number in range(count)]


def _with_two_entities(event: Parameters, now: str) -> Parameters:
    entities = [
        {"schema": f"{SNOWPLOW}/web_page/jsonschema/1-0-0", "data": {"id": event["eid"]}},
        {
            "schema": f"{SNOWPLOW}/client_session/jsonschema/1-0-2",
            "data": {
                "userId": event["duid"],
                "sessionId": event["sid"],
                "sessionIndex": int(event["vid"]),
                "previousSessionId": None,
                "storageMechanism": "COOKIE_1",
            },
        },
    ]
    contexts = {"schema": f"{SNOWPLOW}/contexts/jsonschema/1-0-0", "data": entities}
    return {**event, "cx": contexts_text(contexts), "dtm": now, "stm": now}


def contexts_text(contexts: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(contexts, separators=(",", ":")).encode()).decode("ascii").rstrip("=")
