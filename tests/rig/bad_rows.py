"""Bad rows as the enricher writes them: an event that breaks its schema, a request without events."""

import json
from typing import Any

from backbone.event import COLUMNS

BADROWS = "iglu:com.snowplowanalytics.snowplow.badrows"
_ENRICHER = {"artifact": "snowmelt-enricher", "version": "0.1.0"}
_REQUEST = {
    "contentType": None,
    "encoding": "UTF-8",
    "hostname": None,
    "ipAddress": None,
    "useragent": None,
    "refererUri": None,
    "headers": [],
}


def schema_violation(
    schema: str,
    parameters: dict[str, str],
    at: str = "2026-01-01T10:00:01.000Z",
    **columns: Any,
) -> bytes:
    """`parameters`: what the tracker sent; `columns`: of the partly enriched event."""
    raw = {
        **_REQUEST,
        "vendor": "com.snowplowanalytics.snowplow",
        "version": "tp2",
        "parameters": [{"name": name, "value": value} for name, value in parameters.items()],
        "loaderName": "ssc-3.4.0",
        "timestamp": "2026-01-01T10:00:00.000Z",
        "userId": None,
    }
    report = {"message": "m", "path": "$.a", "keyword": "type", "targets": ["string"]}
    message = {"schemaKey": schema, "error": {"error": "ValidationError", "dataReports": [report]}}
    payload = {"enriched": {**dict.fromkeys(COLUMNS), **columns}, "raw": raw}
    return _bad_row("schema_violations/jsonschema/2-0-1", {"timestamp": at, "messages": [message]}, payload)


def request_without_events(vendor: str = "com.acme", at: str = "2026-01-01T10:00:00.000Z") -> bytes:
    """The payload in it can be sent again."""
    payload = {
        **_REQUEST,
        "vendor": vendor,
        "version": "v1",
        "querystring": [],
        "contentType": "application/json",
        "body": '{"a":1}',
        "collector": "ssc",
        "timestamp": "2026-01-01T09:59:00.000Z",
        "networkUserId": None,
    }
    failure = {"timestamp": at, "vendor": vendor, "version": "v1", "messages": []}
    return _bad_row("adapter_failures/jsonschema/1-0-0", failure, payload)


def size_violation(artifact: str = "snowmelt-enricher", kept: str = "cut") -> bytes:
    """`kept`: the beginning of what was too long."""
    failure = {"timestamp": "2026-01-01T10:00:00.000Z", "maximumAllowedSizeBytes": 1, "actualSizeBytes": 2, "expectation": "e"}
    return _bad_row("size_violation/jsonschema/1-0-0", failure, kept, {**_ENRICHER, "artifact": artifact})


def _bad_row(name: str, failure: Any, payload: Any, maker: Any = _ENRICHER) -> bytes:
    data = {"processor": maker, "failure": failure, "payload": payload}
    return json.dumps({"schema": f"{BADROWS}/{name}", "data": data}, separators=(",", ":")).encode()
