"""One HTTP request as the collector stored it: read, checked, and with what its events share worked out once."""

import codecs
import re
from functools import lru_cache
from typing import Any

from backbone import thrift
from backbone.payload import CollectorPayload
from backbone.selfdescribing import InvalidIglu, parse_criterion, parse_key
from enricher import querystring, timestamps
from enricher.client_ip import client_ip
from enricher.querystring import IllegalQuery

_CRITERION = parse_criterion("iglu:com.snowplowanalytics.snowplow/CollectorPayload/thrift/1-0-*")
_API = re.compile(r"/?([^/]+)/([^/]+)/?\Z")
_LENIENT_UUID = re.compile(r"\+?(\w{1,16})-\+?(\w{1,16})-\+?(\w{1,16})-\+?(\w{1,16})-\+?(\w{1,16})\Z")

Parameters = dict[str, str | None]
Json = dict[str, Any]


class Request:
    """`query` holds the last value of each name; `ip_address` is the client's as the headers tell it."""

    __slots__ = ("ip_address", "network_user_id", "payload", "query", "vendor", "version")

    def __init__(self, payload: CollectorPayload, api: tuple[str, str], query: Parameters, network_user_id: str | None) -> None:
        self.payload = payload
        self.vendor, self.version = api
        self.query = query
        self.network_user_id = network_user_id
        self.ip_address = client_ip(payload.headers, payload.ip_address)

    def collector_json(self) -> Json:
        """The whole request, for the bad row of one that is rejected."""
        payload = self.payload
        pairs = querystring.parse(payload.querystring, _codec(payload.encoding) or "utf-8")
        return {
            "vendor": self.vendor,
            "version": self.version,
            "querystring": [{"name": name, "value": value} for name, value in pairs],
            "contentType": payload.content_type,
            "body": payload.body,
            "collector": payload.collector,
            "encoding": payload.encoding,
            "hostname": payload.hostname,
            "timestamp": timestamps.iso(payload.timestamp),
            "ipAddress": self.ip_address,
            "useragent": payload.user_agent,
            "refererUri": payload.referer_uri,
            "headers": payload.headers,
            "networkUserId": self.network_user_id,
        }

    def event_json(self, parameters: Parameters) -> Json:
        """One event's parameters with what it shares with the request, for the bad row of that event."""
        payload = self.payload
        return {
            "vendor": self.vendor,
            "version": self.version,
            "parameters": [{"name": name, "value": value} for name, value in parameters.items()],
            "contentType": payload.content_type,
            "loaderName": payload.collector,
            "encoding": payload.encoding,
            "hostname": payload.hostname,
            "timestamp": timestamps.iso(payload.timestamp),
            "ipAddress": self.ip_address,
            "useragent": payload.user_agent,
            "refererUri": payload.referer_uri,
            "headers": payload.headers,
            "userId": self.network_user_id,
        }


def read(data: bytes) -> Request | list[Json]:
    """The request in a record, or everything that is wrong with it: messages of `collector_payload_format_violation` rows."""
    try:
        payload = thrift.decode(data)
    except thrift.ThriftError as error:
        return [_unreadable(str(error))]
    encoding = _codec(payload.encoding)
    if encoding is None:
        return [_unreadable("unknown character encoding" if payload.encoding else "no character encoding")]
    return _checked(payload, encoding)


def _unreadable(detail: str) -> Json:
    return {"error": f"error deserializing raw event: {detail}"}


def _checked(payload: CollectorPayload, encoding: str) -> Request | list[Json]:
    faults: list[Json] = []
    if not _known_schema(payload.schema):
        faults.append({"error": f"verifying record as {_CRITERION} failed: found {_or_null(payload.schema)}"})
    api = _api(payload.path)
    if api is None:
        expectation = "request does not contain a path" if payload.path is None else _UNKNOWN_PATH
        faults.append({"payloadField": "path", "value": payload.path, "expectation": expectation})
    query: Parameters = {}
    try:
        query = dict(querystring.parse(payload.querystring, encoding))
    except IllegalQuery as error:
        expectation = f"could not extract name-value pairs from querystring with encoding {payload.encoding}: {error}"
        faults.append({"payloadField": "querystring", "value": payload.querystring, "expectation": expectation})
    network_user_id = None
    if payload.network_user_id is not None:
        network_user_id = _uuid(payload.network_user_id)
        if network_user_id is None:
            faults.append({"payloadField": "networkUserId", "value": payload.network_user_id, "expectation": "not valid UUID"})
    if faults or api is None:
        return faults
    return Request(payload, api, query, network_user_id)


_UNKNOWN_PATH = "path does not match (/)vendor/version(/) nor is a legacy /i(ce.png) request"


def _or_null(value: str | None) -> str:
    return "null" if value is None else value


@lru_cache(maxsize=64)
def _known_schema(uri: str | None) -> bool:
    try:
        return uri is not None and _CRITERION.matches(parse_key(uri))
    except InvalidIglu:
        return False


@lru_cache(maxsize=256)
def _api(path: str | None) -> tuple[str, str] | None:
    """(vendor, version) of `/vendor/version`; `/i` and `/ice.png` are old names of the first tracker protocol."""
    if path is None:
        return None
    match = _API.match(path)
    if match:
        return match[1], match[2]
    if path == "/i" or path.startswith(("/i?", "/ice.png")):
        return "com.snowplowanalytics.snowplow", "tp1"
    return None


@lru_cache(maxsize=64)
def _codec(name: str | None) -> str | None:
    """Python's name of a text encoding, `None` if there is none."""
    try:
        found = codecs.lookup(name or "")
    except (LookupError, ValueError):
        return None
    return found.name if found._is_text_encoding else None


@lru_cache(maxsize=4096)
def _uuid(value: str) -> str | None:
    """Canonical form of a UUID, groups too short or too long being padded or cut as java.util.UUID does."""
    if len(value) > 36:
        return None
    match = _LENIENT_UUID.match(value)
    if match is None:
        return None
    try:
        groups = [int(group, 16) for group in match.groups() if "_" not in group]
    except ValueError:
        return None
    if len(groups) != 5 or max(groups) >= 1 << 63:
        return None
    sizes = (8, 4, 4, 4, 12)
    return "-".join(f"{group & ((1 << 4 * size) - 1):0{size}x}" for group, size in zip(groups, sizes, strict=True))
