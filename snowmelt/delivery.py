"""Sends events as trackers do: kept until answered with 200, the same ids again after a refusal or a broken connection.

Retried: connection errors and every status but those by which a tracker knows that trying again is vain
(400, 401, 403, 410, 422). A retry keeps the event ids and renews the sending time.
"""

import http.client
import json
import threading
import time
from dataclasses import dataclass, field
from typing import TextIO
from urllib.parse import quote, urlencode, urlsplit

from backbone.errors import ConfigurationError, Fault
from snowmelt.generator import Batch, Parameters

POST_PATH = "/com.snowplowanalytics.snowplow/tp2"
_PAYLOAD_DATA = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
_FINAL = frozenset({400, 401, 403, 410, 422})
_TIMEOUT = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


@dataclass
class Tally:
    """Events by what became of them; `log` gets the id of each accepted one. Shared by threads."""

    accepted: int = 0
    refused: int = 0
    given_up: int = 0
    retries: int = 0
    log: TextIO | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, batch: Batch, outcome: str) -> None:
        with self._lock:
            setattr(self, outcome, getattr(self, outcome) + len(batch.events))
            if outcome == "accepted" and self.log is not None:
                self.log.writelines(event["eid"] + "\n" for event in batch.events)
                self.log.flush()

    def retried(self) -> None:
        with self._lock:
            self.retries += 1

    @property
    def lost(self) -> int:
        return self.refused + self.given_up


class Connection:
    """One keep-alive connection to a collector. Not for several threads at once."""

    def __init__(self, url: str, tally: Tally, patience: float) -> None:
        self._host, self._prefix = target(url)
        self._secure = url.startswith("https:")
        self._tally = tally
        self._patience = patience
        self._http: http.client.HTTPConnection | None = None

    def deliver(self, batch: Batch, stop: threading.Event) -> None:
        """Returns when the batch was accepted, refused for good, or `patience` seconds of retrying are over."""
        deadline = time.monotonic() + self._patience
        pause = _FIRST_PAUSE
        for event in batch.events:
            event.setdefault("dtm", _now())
        while True:
            status = self._attempt(batch)
            if status == 200:
                return self._tally.count(batch, "accepted")
            if status in _FINAL:
                return self._tally.count(batch, "refused")
            if time.monotonic() >= deadline or stop.wait(pause):
                return self._tally.count(batch, "given_up")
            self._tally.retried()
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _attempt(self, batch: Batch) -> int:
        """HTTP status, or 0 when there was no answer."""
        path, body, headers = request(batch)
        try:
            if self._http is None:
                kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
                self._http = kind(self._host, timeout=_TIMEOUT)
            self._http.request(batch.method, self._prefix + path, body, headers)
            answer = self._http.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            self.close()
            return 0

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None


def target(url: str) -> tuple[str, str]:
    """(host:port, path prefix) of a collector's URL. Raises ConfigurationError."""
    parts = urlsplit(url)
    try:
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        port_is_valid = False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_valid:
        raise ConfigurationError([Fault("command line", "--url", f"{url!r} is no http:// or https:// address")])
    return parts.netloc.rpartition("@")[2], parts.path.rstrip("/")


def request(batch: Batch) -> tuple[str, bytes | None, dict[str, str]]:
    """(path with query, body, headers) of a batch sent now."""
    sent = _now()
    events: list[Parameters] = [{**event, "stm": sent} for event in batch.events]
    headers = {"User-Agent": batch.agent, "X-Forwarded-For": batch.address}
    if batch.method == "GET":
        return "/i?" + urlencode(events[0], quote_via=quote), None, headers
    body = json.dumps({"schema": _PAYLOAD_DATA, "data": events}, separators=(",", ":"), ensure_ascii=False).encode()
    return POST_PATH, body, {**headers, "Content-Type": "application/json; charset=UTF-8"}


def _now() -> str:
    return str(int(time.time() * 1000))
