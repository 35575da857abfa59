"""Schemas behind HTTP: a static registry or an Iglu Server.

`GET {uri}/schemas/{vendor}/{name}/{format}/{version}` with an optional `apikey` header. 404 means "has none"; other 4xx, 3xx,
network errors and bodies that are no JSON are client failures, 5xx repository failures (as Snowplow's client counts them).
"""

import http.client
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from backbone.iglu.failures import NOT_FOUND, RegistryError
from backbone.iglu.registries import MAX_SCHEMA_BYTES, Answer, Place, parse
from backbone.selfdescribing import SchemaKey

TIMEOUT = 5.0
"""Seconds for connecting, and for each read."""
TRIES = 3
"""The first request and two more, after waits of half a second and one second."""
_FIRST_WAIT = 0.5
_MAX_WAIT = 1.0


class HttpRegistry:
    """A registry at `uri` (http or https; trailing slashes are cut)."""

    rank = 100

    def __init__(self, place: Place, uri: str, apikey: str | None = None, timeout: float = TIMEOUT) -> None:
        self.place = place
        self._base = uri.rstrip("/")
        self._headers = {"accept": "application/json"} | ({"apikey": apikey} if apikey else {})
        self._timeout = timeout
        self._opener = urllib.request.build_opener(_NoRedirect)

    def get(self, key: SchemaKey) -> Answer:
        wait = _FIRST_WAIT
        for last in (number == TRIES for number in range(1, TRIES + 1)):
            answer, retry = self._ask(key)
            if last or not retry:
                return answer
            time.sleep(wait)
            wait = min(wait * 2, _MAX_WAIT)
        raise AssertionError("the last try returns")

    def close(self) -> None:
        self._opener.close()

    def _ask(self, key: SchemaKey) -> tuple[Answer, bool]:
        """The answer and whether asking again at once may help."""
        request = urllib.request.Request(f"{self._base}/schemas/{key.path}", headers=self._headers)
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                answer = parse(response.read(MAX_SCHEMA_BYTES + 1))
        except urllib.error.HTTPError as refusal:
            with refusal:
                return _refused(refusal.code)
        except (OSError, http.client.HTTPException, ValueError) as problem:
            reason = getattr(problem, "reason", None) or problem
            return RegistryError("ClientFailure", f"no answer: {type(problem).__name__}: {reason}"[:300], transient=True), True
        return (answer._replace(transient=True) if isinstance(answer, RegistryError) else answer), False


def _refused(status: int) -> tuple[RegistryError, bool]:
    if status == 404:
        return NOT_FOUND, False
    if status >= 500:
        return RegistryError("RepoFailure", f"Unexpected server response: {status}", transient=True), True
    return RegistryError("ClientFailure", f"Unexpected response code: {status}", transient=True), False


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is not an answer: it might lead anywhere, with our key."""

    def redirect_request(self, *_: Any) -> None:
        return None


def problem_of(uri: str) -> str | None:
    """What is wrong with a registry's URI, if anything."""
    try:
        parts = urlsplit(uri)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    return None if usable else "is no http or https address"
