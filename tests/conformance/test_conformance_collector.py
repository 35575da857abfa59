"""Requests recorded against Snowplow's collector, sent byte for byte to ours: answers and stored payloads must agree.

Where ours is meant to differ, `collector_deviations.json` says so, with the reason. The recordings are found through
SNOWMELT_GOLDEN; what is absent is skipped.
"""

import base64
import collections
import contextlib
import fnmatch
import gzip
import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from backbone import thrift
from backbone.bus.log import LogBus
from collector.app import Collector
from collector.main import Server
from collector.settings import CollectorSettings

pytestmark = pytest.mark.conformance

_ROOT = Path(__file__).parents[2]
_GOLDEN = Path(os.environ.get("SNOWMELT_GOLDEN", _ROOT / "../shared/data/golden")) / "reference/collector"
_DEVIATIONS = json.loads(Path(__file__).with_name("collector_deviations.json").read_text())
_NOT_DRIVEN = {"setup", "half_close", "unstable", "peer", "delivery", "more_responses"}
_SERVERS_OWN = {"date", "server", "connection", "keep-alive", "content-length", "transfer-encoding"}
_NAME = "ssc-3.4.0-printingsink"
_REFUSED = {"root-bad-status": "status", "dnt-bad-regex": "regular expression"}
_FIELDS = {
    "ipAddress": "ip_address",
    "encoding": "encoding",
    "userAgent": "user_agent",
    "refererUri": "referer_uri",
    "path": "path",
    "querystring": "querystring",
    "body": "body",
    "headers": "headers",
    "contentType": "content_type",
    "hostname": "hostname",
    "networkUserId": "network_user_id",
}


def _cases() -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
    for path in sorted(_GOLDEN.glob("cases*.jsonl*")):
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for line in lines:
                case = json.loads(line)
                if not _NOT_DRIVEN & case.keys() and case["group"] != "timeouts":
                    groups[case["config"]].append(case)
    return groups


CASES = _cases()


def _seconds(text: str) -> float:
    number, unit = re.fullmatch(r"(-?\d+) ?(\w+?)s?", text).groups()
    return int(number) * {"millisecond": 0.001, "second": 1, "minute": 60, "hour": 3600, "day": 86400}[unit]


_OPTIONS = {
    "paths": "paths",
    "cookie.enabled": "cookie.enabled",
    "cookie.name": "cookie.name",
    "cookie.expiration": "cookie.expiration",
    "cookie.domains": "cookie.domains",
    "cookie.fallbackDomain": "cookie.fallback_domain",
    "cookie.secure": "cookie.secure",
    "cookie.httpOnly": "cookie.http_only",
    "cookie.sameSite": "cookie.same_site",
    "cookie.clientCookieName": "cookie.client_name",
    "doNotTrackCookie.enabled": "do_not_track.enabled",
    "doNotTrackCookie.name": "do_not_track.name",
    "doNotTrackCookie.value": "do_not_track.value",
    "cookieBounce.enabled": "bounce.enabled",
    "cookieBounce.name": "bounce.name",
    "cookieBounce.fallbackNetworkUserId": "bounce.fallback_network_user_id",
    "cookieBounce.forwardedProtocolHeader": "bounce.forwarded_protocol_header",
    "enableDefaultRedirect": "redirects.enabled",
    "redirectDomains": "redirects.domains",
    "rootResponse.enabled": "root.enabled",
    "rootResponse.statusCode": "root.status",
    "rootResponse.headers": "root.headers",
    "rootResponse.body": "root.body",
    "crossDomain.enabled": "crossdomain.enabled",
    "crossDomain.domains": "crossdomain.domains",
    "crossDomain.secure": "crossdomain.secure",
    "cors.accessControlMaxAge": "cors.max_age",
    "hsts.enable": "hsts.enabled",
    "hsts.maxAge": "hsts.max_age",
    "networking.maxRequestLineLength": "limits.request_line_bytes",
    "networking.maxHeadersLength": "limits.headers_bytes",
    "networking.maxPayloadSize": "limits.payload_bytes",
    "networking.dropPayloadSize": "limits.body_bytes",
    "networking.idleTimeout": "timeouts.idle",
    "streams.sink.maxBytes": "limits.record_bytes",
    "streams.good.maxBytes": "limits.record_bytes",
}
"""Options of the recorded configurations → ours. The rest (licence, sinks, what has no effect) has no counterpart."""
_DURATIONS = {"cookie.expiration", "cors.accessControlMaxAge", "hsts.maxAge", "networking.idleTimeout"}


def _settings(config: str) -> CollectorSettings:
    """Those of a recorded configuration."""
    theirs = json.loads((_GOLDEN / "configs" / f"{config}.json").read_text())
    ours: dict[str, Any] = {"port": 0, "name": _NAME, "limits": {"body_bytes": 2_097_152, "payload_bytes": 1_048_576}}
    for option, key in _OPTIONS.items():
        value: Any = theirs
        for part in option.split("."):
            value = value.get(part, ...) if isinstance(value, dict) else ...
        if value is ...:
            continue
        if option in _DURATIONS:
            value = _seconds(value)
        section, _, name = key.rpartition(".")
        target = ours.setdefault(section, {}) if section else ours
        target[name] = "" if value is None else value
    return CollectorSettings.model_validate(ours)


class Running:
    """A collector on a free port, storing on an embedded log; what it stored can be read request by request."""

    def __init__(self, settings: CollectorSettings, folder: Path) -> None:
        bus = LogBus(folder)
        self._stored = bus.subscribe(None, ["raw"])
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._port = listener.getsockname()[1]
        self._server = Server(settings, Collector(settings, _NAME, bus.publisher("collector")))
        self._thread = threading.Thread(target=self._server.run, args=([listener],))
        self._thread.start()
        self._markers = 0

    def stop(self) -> None:
        self._server.stop()
        self._thread.join(20)

    def ask(self, case: dict[str, Any]) -> tuple[tuple[int, list[tuple[str, str]], bytes] | None, list[Any]]:
        """First answer, and the payloads stored until it was there."""
        request = _request(case)
        answer = self._exchange(request, request[:8].partition(b" ")[0].decode("latin-1"))
        self._markers += 1
        marker = f"e=pv&marker={self._markers}"
        self._exchange(
            f"POST /com.snowmelt/marker?{marker} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode(), "POST"
        )
        # The marker is durable once it is answered, and everything before it.
        stored = []
        while records := self._stored.pull(100, 10_000_000, 0):
            stored.extend(thrift.decode(record.data) for record in records)
        return answer, [payload for payload in stored if payload.querystring != marker]

    def _exchange(self, request: bytes, method: str) -> tuple[int, list[tuple[str, str]], bytes] | None:
        received = b""
        with socket.create_connection(("127.0.0.1", self._port), 10) as connection:
            connection.settimeout(3)
            with contextlib.suppress(OSError):
                connection.sendall(request)
            while True:
                if answer := _parsed(received, method):
                    return answer
                try:
                    chunk = connection.recv(65536)
                except OSError:
                    return None
                if not chunk:
                    return None
                received += chunk


def _request(case: dict[str, Any]) -> bytes:
    if "raw_request_b64" in case:
        return base64.b64decode(case["raw_request_b64"])
    made = case["raw_request_gen"]
    parts = [(part.get("text") or part["repeat"] * part["times"]).encode() for part in made["body"]]
    return base64.b64decode(made["head_b64"]) + b"".join(parts)


def _parsed(received: bytes, method: str) -> tuple[int, list[tuple[str, str]], bytes] | None:
    """The first complete answer. Ours always says how long it is."""
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    status = int(first.split(" ")[1])
    if status == 100:
        return _parsed(body, method)
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    if method == "HEAD" or status in (204, 304):
        return status, headers, b""
    length = int(dict(headers)["content-length"])
    return (status, headers, body[:length]) if len(body) >= length else None


def _shown(headers: list[tuple[str, str]], masked: set[str]) -> dict[str, list[str]]:
    """By lower-case name; what is random or a date is masked, attributes of cookies in one order."""
    result: dict[str, list[str]] = collections.defaultdict(list)
    for name, value in headers:
        lower = name.lower()
        if lower in _SERVERS_OWN:
            continue
        if lower == "set-cookie":
            pair, *attributes = [part.strip() for part in value.split(";")]
            if f"response.headers.Set-Cookie:{pair.split('=')[0]}.value" in masked:
                pair = pair.split("=")[0] + "=*"
            attributes = [re.sub(r"^expires=.*", "expires=*", attribute.lower()) for attribute in attributes]
            value = "; ".join([pair, *sorted(attributes)])
        if lower == "content-type":
            value = value.lower().replace(" ", "")
        result[lower].append(value)
    return {name: sorted(values) for name, values in result.items()}


def _differences(case: dict[str, Any], answer: Any, stored: list[Any]) -> Iterator[tuple[str, Any, Any]]:
    masked, expected = set(case.get("mask", ())), case["response"]
    if expected is None or "status" not in expected:
        if answer is not None and answer[0] < 400:
            yield "answered although the original does not", None, answer[0]
    elif answer is None:
        yield "no answer", expected["status"], None
    elif answer[0] != expected["status"]:
        yield f"status {expected['status']}", expected["status"], answer[0]
    else:
        theirs, ours = _shown([tuple(pair) for pair in expected["headers"]], masked), _shown(answer[1], masked)
        for name in sorted({*theirs, *ours}):
            if theirs.get(name) != ours.get(name):
                yield f"header {name}", theirs.get(name), ours.get(name)
        body = base64.b64decode(expected.get("body_b64") or "")
        if answer[0] < 400 and case["request"] and case["request"]["method"] != "HEAD" and body != answer[2]:
            yield "response body", body, answer[2]
    good = [record for record in case["stored"] if record["stream"] == "good"]
    if len(good) != len(stored):
        yield "number of stored payloads", len(good), len(stored)
        return
    for number, (record, payload) in enumerate(zip(good, stored, strict=True)):
        for theirs_name, name in _FIELDS.items():
            value = record["fields"].get(theirs_name)
            if f"stored.{number}.fields.{theirs_name}" in masked or isinstance(value, dict):
                continue
            if value != getattr(payload, name):
                yield f"stored {theirs_name}", value, getattr(payload, name)


def _meant(case: dict[str, Any], field: str) -> bool:
    return any(
        fnmatch.fnmatchcase(case["id"], rule.get("case", "*"))
        and fnmatch.fnmatchcase(case["config"], rule.get("config", "*"))
        and fnmatch.fnmatchcase(field, rule["field"])
        for rule in _DEVIATIONS
    )


@pytest.mark.skipif(not CASES, reason=f"no recordings in {_GOLDEN} (SNOWMELT_GOLDEN)")
@pytest.mark.parametrize("config", sorted(CASES.keys() - _REFUSED) or ["none"])
def test_requests_are_answered_and_stored_as_recorded(config: str, tmp_path: Path) -> None:
    running = Running(_settings(config), tmp_path)
    try:
        outcomes = [(case, *running.ask(case)) for case in CASES[config]]
    finally:
        running.stop()
    found = [
        f"{case['id']}: {field}: {str(theirs)[:200]!r} became {str(ours)[:200]!r}"
        for case, answer, stored in outcomes
        for field, theirs, ours in _differences(case, answer, stored)
        if not _meant(case, field)
    ]
    assert not found, f"{len(found)} differences\n" + "\n".join(found)


@pytest.mark.skipif(not CASES, reason=f"no recordings in {_GOLDEN} (SNOWMELT_GOLDEN)")
@pytest.mark.parametrize("config", sorted(_REFUSED))
def test_a_configuration_that_would_fail_on_requests_is_refused_at_start(config: str) -> None:
    with pytest.raises(ValidationError, match=_REFUSED[config]):
        _settings(config)


def test_every_deviation_gives_a_reason_and_names_a_field() -> None:
    for rule in _DEVIATIONS:
        assert len(rule["reason"]) > 20, rule
        assert rule["field"] != "*", rule
        assert rule.keys() <= {"case", "config", "field", "reason"}, rule
