"""A tracker as small as possible, for tests that need full say over what is sent."""

import http.client
import json
import uuid
from typing import Any
from urllib.parse import urlsplit

TP2 = "/com.snowplowanalytics.snowplow/tp2"
PAYLOAD_DATA = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
UNSTRUCT = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"
CONTEXTS = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0"


def call(url: str, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """(status, body) of one request on a connection of its own."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def event(kind: str = "pv", **parameters: str) -> dict[str, str]:
    return {"e": kind, "eid": str(uuid.uuid4()), "tv": "test-1", "p": "web", "aid": "journey", **parameters}


def self_describing(schema: str, data: Any, entities: list[dict[str, Any]] | None = None) -> dict[str, str]:
    more = {"co": json.dumps({"schema": CONTEXTS, "data": entities})} if entities else {}
    return event("ue", ue_pr=json.dumps({"schema": UNSTRUCT, "data": {"schema": schema, "data": data}}), **more)


def send(url: str, *events: dict[str, str]) -> list[str]:
    """Posts the events in one request, which must be answered with 200; their ids."""
    body = json.dumps({"schema": PAYLOAD_DATA, "data": list(events)}).encode()
    status, answer = call(url, "POST", TP2, body, {"Content-Type": "application/json"})
    assert (status, answer) == (200, b"ok")
    return [one["eid"] for one in events]
