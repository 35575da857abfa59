"""Answers that store nothing: health, preflights, refusals and the pages an operator may switch on."""

from starlette.requests import Request
from starlette.responses import Response

from collector import answers
from collector.answers import Answer
from collector.cors import Cors, Header
from collector.publish import GroupCommit
from collector.settings import CollectorSettings
from collector.tracker_request import Scope

_BODILESS = (204, 304)


class Pages:
    """`always` holds the headers every answer carries."""

    def __init__(self, settings: CollectorSettings, commits: GroupCommit, cors: Cors) -> None:
        self._settings = settings
        self._commits = commits
        self._cors = cors
        self.stopping = False
        self.always: tuple[Header, ...] = ()
        if settings.hsts.enabled:
            value = b"max-age=%d; includeSubDomains" % settings.hsts.max_age
            self.always = ((b"strict-transport-security", value),)

    async def health(self, _: Request) -> Response:
        """Able to take requests: fails as soon as the collector was told to stop."""
        return self._state(not self.stopping)

    async def sink_health(self, _: Request) -> Response:
        """Able to store them."""
        return self._state(not self.stopping and self._commits.healthy())

    def _state(self, fine: bool) -> Response:
        return self._response(answers.text(200, b"ok") if fine else answers.text(503, b"Service Unavailable"))

    async def robots(self, _: Request) -> Response:
        return self._response(answers.text(200, answers.ROBOTS))

    async def root(self, _: Request) -> Response:
        root = self._settings.root
        headers = [(name.lower().encode("latin-1", "replace"), text.encode()) for name, text in root.headers.items()]
        body = b"" if root.status in _BODILESS else root.body.encode()
        if root.status not in _BODILESS:
            headers.append((b"content-length", b"%d" % len(body)))
        return self._response(Answer(root.status, headers, body))

    async def crossdomain(self, _: Request) -> Response:
        policy = self._settings.crossdomain
        secure = "true" if policy.secure else "false"
        lines = [f'<allow-access-from domain="{domain}" secure="{secure}" />' for domain in policy.domains]
        text = "\n".join(('<?xml version="1.0"?>', "<cross-domain-policy>", "\n".join(lines), "</cross-domain-policy>"))
        headers = [(b"content-type", b"text/xml"), (b"content-length", b"%d" % len(text))]
        return self._response(Answer(200, headers, text.encode()))

    async def not_found(self, request: Request, _: Exception) -> Response:
        """Pages can read it, else their trackers would take it for a network failure and try for ever."""
        return self._response(answers.text(404, b"Not found", self._cors.refusal(self.origin(request.scope))))

    def redirects_disabled(self, scope: Scope) -> Answer:
        return answers.text(404, b"redirects disabled", self._cors.refusal(self.origin(scope)))

    def preflight(self, scope: Scope) -> Answer:
        return answers.empty(200, [*self._cors.origin(self.origin(scope)).headers, *self._cors.preflight])

    def origin(self, scope: Scope) -> bytes | None:
        return next((value for name, value in scope["headers"] if name == b"origin"), None)

    def _response(self, answer: Answer) -> Response:
        response = Response(answer.body, answer.status)
        response.raw_headers = [*answer.headers, *self.always]
        return response
