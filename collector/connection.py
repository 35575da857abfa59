"""One connection: uvicorn's, with the limits and manners it lacks.

Header names are kept as they were sent, since they are stored so. Request lines are held to RFC 3986. Whoever sends too much or
too slowly is told so and disconnected. What is refused here, before the application, can still be read by web pages.
"""

import asyncio
import re
from typing import Any

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from collector.answers import CLOSE
from collector.cors import Cors, Header
from collector.settings import LimitSettings, TimeoutSettings

_TARGET = re.compile(
    rb"(?:[A-Za-z][A-Za-z0-9+.-]*://(?:[A-Za-z0-9._~!$&'()*+,;=:%-]*@)?"
    rb"(?P<authority>(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::[0-9]*)?))?"
    rb"(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@/%-]*)(?P<query>\?[A-Za-z0-9._~!$&'()*+,;=:@/?\[\]%-]*)?"
)
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_LINE_REST = len("  HTTP/1.1\r\n")
_UNREAD_SLACK = 65_536


class BadRequest(Exception):
    """The head of the request is malformed or too large; raised in parser callbacks, it ends as 400."""


class Policy:
    """What all connections share."""

    def __init__(self, limits: LimitSettings, timeouts: TimeoutSettings, cors: Cors, always: tuple[Header, ...]) -> None:
        self.limits = limits
        self.timeouts = timeouts
        self.cors = cors
        self.always = always


class Connection(HttpToolsProtocol):
    """See `uvicorn.protocols.http.httptools_impl`, whose methods this one wraps."""

    def __init__(
        self,
        policy: Policy,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._policy = policy
        self._sent_headers: list[tuple[bytes, bytes]] = []
        self._in_head = self._in_message = self._bad_follows = self._unknown_coding = False
        self._head_bytes = self._headers_size = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._running: RequestResponseCycle | None = None
        self._declined: list[tuple[bytes, bytes]] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._policy.limits.connections:
            self._refuse(503, [(b"retry-after", b"%d" % self._policy.timeouts.retry_after)])
            return
        patience = min(self._policy.timeouts.headers, self._policy.timeouts.idle)
        self.timeout_keep_alive_task = self.loop.call_later(patience, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        self._meet_deadline()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._bad_follows or self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        self._head_bytes += len(data)
        self._feed(data)
        if not self._in_message or self.transport.is_closing():
            return
        limits = self._policy.limits
        if self._in_head and self._head_bytes > limits.request_line_bytes + limits.headers_bytes + _UNREAD_SLACK:
            self.send_400_response("")
            return
        if self._deadline is None:
            timeouts = self._policy.timeouts
            self._deadline = self.loop.call_later(timeouts.headers if self._in_head else timeouts.body, self._too_slow)

    def _feed(self, data: bytes) -> None:
        left = [memoryview(data)]
        while left:
            chunk = left.pop()
            try:
                self.parser.feed_data(chunk)
            except httptools.HttpParserUpgrade as upgrade:
                if self._declined is None:
                    self.cycle.keep_alive = False
                    return
                left += [chunk[upgrade.args[0] :], memoryview(self._head_again())]
            except httptools.HttpParserError:
                self.send_400_response("")
                return

    def _head_again(self) -> bytes:
        """The parser skipped the body of a request to change protocols: here is the same request, not asking for it."""
        lines = [self.parser.get_method() + b" " + self.url + b" HTTP/" + self.parser.get_http_version().encode()]
        lines += [name + b": " + value for name, value in self._sent_headers if name.lower() != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return b"\r\n".join([*lines, b"\r\n"])

    def _meet_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self._refuse_current(408)

    # Parser callbacks

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._sent_headers = self.scope["snowmelt.headers"] = []  # type: ignore[typeddict-unknown-key]
        self._in_head = self._in_message = True
        self._head_bytes = self._headers_size = 0
        self._unknown_coding = False

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self._policy.limits.request_line_bytes:
            raise BadRequest

    def on_header(self, name: bytes, value: bytes) -> None:
        value, lower = value.strip(b" \t"), name.lower()
        self._sent_headers.append((name, value))
        self.headers.append((lower, value))
        self._headers_size += len(name) + len(value) + 4
        if lower == b"expect":
            self.expect_100_continue = value.lower() == b"100-continue"
        elif lower == b"transfer-encoding" and value.lower() != b"chunked":
            self._unknown_coding = True

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._declined = self._sent_headers
            return
        self._check_head()
        if self._declined is not None:
            self._sent_headers[:] = self._declined
            self._declined = None
        super().on_headers_complete()
        self._in_head = False
        self._meet_deadline()

    def on_message_complete(self) -> None:
        if self._declined is not None:
            return
        self._in_message = False
        self._meet_deadline()
        super().on_message_complete()

    def _check_head(self) -> None:
        limits, method = self._policy.limits, self.parser.get_method()
        if len(method) + len(self.url) + _LINE_REST > limits.request_line_bytes:
            raise BadRequest
        if self._headers_size > limits.headers_bytes or self._unknown_coding:
            raise BadRequest
        if self.parser.get_http_version() not in ("1.0", "1.1"):
            raise BadRequest
        if self.url == b"*" and method == b"OPTIONS":
            self.url = b"/*"
            return
        target = _TARGET.fullmatch(self.url)
        if target is None or _BAD_ESCAPE.search(self.url):
            raise BadRequest
        if target["authority"] is not None:
            self.scope["snowmelt.authority"] = target["authority"]  # type: ignore[typeddict-unknown-key]
            self.scope["snowmelt.hostname"] = target["host"].decode()  # type: ignore[typeddict-unknown-key]
            self.url = target["path"] + (target["query"] or b"")

    def _should_upgrade(self) -> bool:
        return False

    # Refusals

    def send_400_response(self, msg: str) -> None:
        self._refuse_current(400)

    def _refuse_current(self, status: int) -> None:
        """Ends the message being read. Answers to complete requests before it go out first."""
        if self._in_message and not self._in_head and self.cycle is not None:
            self._abandon(self.cycle)
        self._in_message = False
        self._meet_deadline()
        if self.pipeline or (self._running and not self._running.response_complete and not self._running.disconnected):
            self._bad_follows = True
            self.flow.pause_reading()
        else:
            self._refuse(status)

    def _abandon(self, cycle: RequestResponseCycle) -> None:
        for queued in list(self.pipeline):
            if queued[0] is cycle:
                self.pipeline.remove(queued)
        cycle.disconnected = True
        cycle.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        more = bool(self.pipeline)
        super().on_response_complete()
        if self._bad_follows and not more and not self.transport.is_closing():
            self._refuse(400)

    def _refuse(self, status: int, headers: list[Header] | None = None) -> None:
        origin = next((value for name, value in self.headers or () if name == b"origin"), None)
        lines = [STATUS_LINE[status]]
        shown = (*self.server_state.default_headers, *self._policy.cors.refusal(origin), *self._policy.always, *(headers or ()))
        for name, value in (*shown, CLOSE, (b"content-length", b"0")):
            lines += [name, b": ", value, b"\r\n"]
        self.transport.write(b"".join([*lines, b"\r\n"]))
        self.transport.close()
