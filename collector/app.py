"""The route table, and what lives as long as the server.

Tracking requests and preflights, nearly all the traffic, are dispatched by hand; Starlette's router takes the rest.
"""

import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from backbone.bus.protocol import Publisher
from collector import answers
from collector.answers import Answer, Send
from collector.body import Receive
from collector.cors import Cors
from collector.memory import Memory
from collector.pages import Pages
from collector.publish import GroupCommit
from collector.settings import CollectorSettings
from collector.tracker_request import Scope
from collector.tracking import Tracking

log = logging.getLogger("snowmelt.collector")
_PIXEL_PATHS = ("/i", "/ice.png")


class Collector:
    """The ASGI application. `name` is stored with each payload; the publisher is closed at shutdown."""

    def __init__(self, settings: CollectorSettings, name: str, publisher: Publisher, commits_at_once: int = 1) -> None:
        memory = Memory(settings.limits.memory_bytes)
        self._commits = GroupCommit(publisher, memory, settings.timeouts.store, commits_at_once)
        self.cors = Cors(settings.cors)
        self.pages = Pages(settings, self._commits, self.cors)
        self._tracking = Tracking(settings, name, self._commits, memory, self.cors)
        self._paths = settings.paths
        self._redirects = settings.redirects.enabled
        self._always = self.pages.always
        routes = [
            Route("/health", self.pages.health, methods=["GET", "HEAD"]),
            Route("/sink-health", self.pages.sink_health, methods=["GET", "HEAD"]),
            Route("/robots.txt", self.pages.robots, methods=["GET", "HEAD"]),
        ]
        if settings.root.enabled:
            routes.append(_get_only("/", self.pages.root))
        if settings.crossdomain.enabled:
            routes.append(_get_only("/crossdomain.xml", self.pages.crossdomain))
        handlers = {404: self.pages.not_found, 405: self.pages.not_found}
        self._rest = Starlette(routes=routes, exception_handlers=handlers, lifespan=self._lifespan)
        self._rest.router.redirect_slashes = False

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._commits.start()
        yield
        await self._commits.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        try:
            answer = await self._answer(scope, receive, send)
        except Exception as error:
            # A fault of ours. Its text may hold event data; where it happened does not.
            log.error("%s at %s; the request is refused with 503", type(error).__name__, _place())
            answer = self._tracking.come_back(self.cors.origin(self.pages.origin(scope)))
        if answer is not None:
            answer.headers.extend(self._always)
            await answers.give(answer, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> Answer | None:
        """Routes in the order of Snowplow's collector. `None`: answered already, or nobody is there to answer."""
        method, path = scope["method"], scope["path"]
        tracked = _is_vendor_and_version(path)
        if not self._redirects and path.startswith("/r/") and (tracked or path == "/r/"):
            return self.pages.redirects_disabled(scope)
        if method == "OPTIONS":
            return self.pages.preflight(scope)
        if method == "POST" or method == "GET" or method == "HEAD":
            mapped = self._paths.get(path)
            if mapped is not None and path.count("/") == 2 and path.startswith("/"):
                return await self._tracking.answer(scope, receive, mapped)
            if tracked or (path in _PIXEL_PATHS and method != "POST"):
                return await self._tracking.answer(scope, receive, path)
        await self._rest(scope, receive, send)
        return None


def _get_only(path: str, page: Callable[[Request], Awaitable[Response]]) -> Route:
    """Without the HEAD that Starlette adds: HEAD of these is 404 with Snowplow's collector."""
    route = Route(path, page)
    route.methods = {"GET"}
    return route


def _is_vendor_and_version(path: str) -> bool:
    """Two segments, neither empty."""
    second = path.find("/", 1) + 1
    return second > 2 and second < len(path) and path.find("/", second) < 0


def _place() -> str:
    trace = sys.exc_info()[2]
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "?" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
