"""One tracking request, step by step: who is it, what does it say, store it, answer."""

from backbone.payload import CollectorPayload
from collector import answers, body, network_user_id
from collector.answers import Answer
from collector.body import Receive
from collector.cookies import CookieFinder, CookieSetter, DoNotTrack
from collector.cors import Cors, Header, Origin
from collector.memory import Memory
from collector.publish import GroupCommit
from collector.redirect import Redirect
from collector.settings import CollectorSettings
from collector.size_limits import SizeLimits
from collector.tracker_request import PayloadMaker, Scope, TrackerRequest

_CONTROLS = bytes((*range(32), 127))
"""Our connections let none through; they must not reach a header from elsewhere either."""


class Tracking:
    """What every route that stores something has in common."""

    def __init__(self, settings: CollectorSettings, name: str, commits: GroupCommit, memory: Memory, cors: Cors) -> None:
        self._settings = settings
        self._find_id = CookieFinder(settings.cookie.name)
        self._cookies = CookieSetter(settings.cookie)
        self._do_not_track = DoNotTrack(settings.do_not_track)
        self._redirect = Redirect(settings.redirects)
        self._payloads = PayloadMaker(settings, name)
        self._sizes = SizeLimits(settings.limits)
        self._body_limit = settings.limits.body_bytes
        self._bounce = settings.bounce if settings.bounce.enabled else None
        self._bounce_mark = settings.bounce.name.encode()
        self._commits = commits
        self._memory = memory
        self._cors = cors

    async def answer(self, scope: Scope, receive: Receive, path: str) -> Answer | None:
        """`path` is the mapped one. `None`: the client left before its request was complete."""
        request = TrackerRequest(scope, path)
        origin = self._cors.origin(request.noted.get(b"origin"))
        opted_out = self._do_not_track(request.cookies)
        given = network_user_id.ANONYMOUS if request.anonymous else self._given(request)
        bounced = self._bounce is not None and self._bounce_mark in request.query
        bounce = self._bounce is not None and not (given or bounced or request.method == "POST" or path.startswith("/r/"))
        user = given or (self._bounce.fallback_network_user_id if self._bounce and bounced else network_user_id.fresh())
        incoming: body.Body | None = None
        if request.method == "POST":
            read = await body.read(receive, self._body_limit, self._memory)
            if isinstance(read, body.Gone):
                return None
            if isinstance(read, body.NoMemory):
                return self.come_back(origin, close=not read.complete)
            incoming = read
        if not opted_out and not bounce and not await self._store(request, scope, user, incoming):
            return self.come_back(origin)
        headers = self._headers(request, origin, user, opted_out)
        if incoming is not None and not incoming.complete:
            headers.append(answers.CLOSE)
        return self._respond(request, scope, headers, bounce)

    def _given(self, request: TrackerRequest) -> str | None:
        return network_user_id.given(request.query, request.cookies, self._find_id)

    async def _store(self, request: TrackerRequest, scope: Scope, user: str, incoming: body.Body | None) -> bool:
        hostname = scope.get("snowmelt.hostname")
        if incoming is None:
            return await self._commits.store(self._sizes.records(self._payloads.payload(request, user, None, hostname)))
        encoding = request.noted.get(b"content-encoding")
        if encoding is not None:
            incoming = body.decompressed(incoming, encoding, self._body_limit)
        payload: CollectorPayload = self._payloads.payload(request, user, incoming.data, hostname)
        if incoming.length >= self._body_limit:
            return await self._commits.store(self._sizes.body_too_long(payload, incoming.length))
        return await self._commits.store(self._sizes.records(payload))

    def _headers(self, request: TrackerRequest, origin: Origin, user: str, opted_out: bool) -> list[Header]:
        headers: list[Header] = []
        if request.anonymous:
            if request.cookies and not opted_out and self._find_id(request.cookies) is not None:
                headers = self._cookies.clear(origin.host)
        elif not opted_out:
            headers = self._cookies.set(user, origin.host)
        if request.method != "POST":
            headers.append(answers.NO_CACHE)
        headers.extend(origin.headers)
        return headers

    def _respond(self, request: TrackerRequest, scope: Scope, headers: list[Header], bounce: bool) -> Answer:
        if request.path.startswith("/r/"):
            target = self._redirect.target(request.query)
            if target is None:
                return answers.empty(400, headers)
            return answers.empty(302, [*headers, (b"location", target)])
        if bounce:
            return answers.empty(302, [*headers, (b"location", self._back_again(request, scope))])
        return answers.ok(headers) if request.method == "POST" else answers.pixel(headers, request.method)

    def _back_again(self, request: TrackerRequest, scope: Scope) -> bytes:
        """The same address with the mark that it came around. A full request line keeps its host."""
        query = request.query + (b"&" if request.query else b"") + self._bounce_mark + b"=true"
        location = self._authority(request, scope) + bytes(scope["raw_path"]) + b"?" + query
        return location.translate(None, _CONTROLS)

    def _authority(self, request: TrackerRequest, scope: Scope) -> bytes:
        authority: bytes = scope.get("snowmelt.authority", b"")
        if not authority:
            return b""
        wanted = (self._settings.bounce.forwarded_protocol_header or "").lower().encode()
        said = next((value for name, value in request.received if name.lower() == wanted), b"")
        return (said + b":" if said in (b"http", b"https") else b"") + b"//" + authority

    def come_back(self, origin: Origin, close: bool = False) -> Answer:
        """Nothing was stored, as far as we know: trackers keep their events and try again."""
        again = (b"retry-after", b"%d" % self._settings.timeouts.retry_after)
        return answers.text(503, b"Service Unavailable", [*origin.headers, again, *([answers.CLOSE] if close else ())])
