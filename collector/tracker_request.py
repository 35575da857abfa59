"""An HTTP request from a tracker, and the payload it is stored as."""

import time
from collections.abc import MutableMapping
from typing import Any

from backbone.payload import CollectorPayload
from collector import client_ip, content_type, cookies
from collector.settings import CollectorSettings

Scope = MutableMapping[str, Any]

_NOTED = frozenset((b"content-encoding", b"content-type", b"cookie", b"origin", b"referer", b"sp-anonymous", b"user-agent"))
_FORWARDING = frozenset((b"forwarded", b"x-forwarded-for"))


def _text(value: bytes) -> str:
    """Valid UTF-8 as it is; anything else is what HTTP once said, ISO-8859-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


class TrackerRequest:
    """Its headers, sorted out once. `noted` holds the first value of those that matter, by lower-case name."""

    __slots__ = ("anonymous", "cookies", "forwarded", "headers", "method", "noted", "path", "peer", "query", "received")

    def __init__(self, scope: Scope, path: str) -> None:
        """`path` is what is stored; `scope["snowmelt.headers"]`, where present, has the names as they were sent."""
        self.method: str = scope["method"]
        self.path = path
        self.query: bytes = scope["query_string"]
        client = scope.get("client")
        self.peer: str = client[0] if client else client_ip.UNKNOWN
        self.noted: dict[bytes, bytes] = {}
        self.cookies: list[bytes] = []
        self.forwarded: list[bytes] = []
        self.headers: list[str] = []
        self.received: list[tuple[bytes, bytes]] = scope.get("snowmelt.headers") or scope["headers"]
        self._sort_out()

    def _sort_out(self) -> None:
        noted, headers = self.noted, self.headers
        for name, value in self.received:
            key = name.lower()
            if key in _NOTED:
                if key == b"cookie":
                    self.cookies.append(value)
                    if (line := cookies.stored(value)) is not None:
                        headers.append(line)
                    continue
                if key not in noted:
                    noted[key] = value
            elif key == b"x-forwarded-for":
                self.forwarded.append(value)
            try:
                headers.append((name + b": " + value).decode())
            except UnicodeDecodeError:
                headers.append(f"{_text(name)}: {_text(value)}")
        self.anonymous = b"sp-anonymous" in noted
        if self.anonymous:
            self.headers = [
                f"{_text(name)}: {_text(value)}"
                for name, value in self.received
                if (key := name.lower()) not in client_ip.REVEALING
            ]

    def forget_forwarded(self, address: str) -> None:
        """Replaces what proxies wrote by the one address that counts."""
        for index in range(len(self.headers) - 1, -1, -1):
            if self.headers[index].partition(":")[0].lower().encode() in _FORWARDING:
                del self.headers[index]
        if address != client_ip.UNKNOWN:
            self.headers.append(f"X-Forwarded-For: {address}")

    def text(self, name: bytes) -> str | None:
        value = self.noted.get(name)
        return None if value is None else _text(value)


class PayloadMaker:
    """Makes payloads as one collector does."""

    def __init__(self, settings: CollectorSettings, name: str) -> None:
        self._name = name
        self._hops = settings.trusted_hops

    def payload(
        self, request: TrackerRequest, network_user_id: str, body: bytes | None, hostname: str | None
    ) -> CollectorPayload:
        """`body` is `None` for GET and HEAD, whose bodies and content types are not stored."""
        address = self._address(request)
        kind = content_type.parse(request.noted.get(b"content-type")) if body is not None else None
        if kind is not None and kind.text is not None:
            request.headers.append(kind.text)
        return CollectorPayload(
            ip_address=address,
            timestamp=time.time_ns() // 1_000_000,
            collector=self._name,
            user_agent=request.text(b"user-agent"),
            referer_uri=request.text(b"referer"),
            path=request.path,
            querystring=request.query.decode("latin-1"),
            body=None if body is None or kind is None else content_type.decode(body, kind.codec),
            headers=request.headers,
            content_type=None if kind is None else kind.text,
            hostname=hostname,
            network_user_id=network_user_id,
        )

    def _address(self, request: TrackerRequest) -> str:
        if request.anonymous:
            return client_ip.UNKNOWN
        if self._hops is None:
            return client_ip.leftmost(request.forwarded, request.peer)
        address = client_ip.appended(request.forwarded, request.peer, self._hops)
        request.forget_forwarded(address)
        return address
