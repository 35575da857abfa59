"""What a page of another origin may read: Access-Control headers.

Browsers that send cookies accept neither a wildcard nor a foreign origin, so a well-formed origin is echoed; anything else
gets the wildcard, and then no credentials. A request without Origin comes from no page; it gets what Snowplow's collector sends.
"""

import re
from typing import NamedTuple

from collector.settings import CorsSettings

Header = tuple[bytes, bytes]

_ORIGIN = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~*-]+)(?::[0-9]{1,5})?")
_BARE = (b"null", b"file://")
_VARY = (b"vary", b"Origin")
_CREDENTIALS = (b"access-control-allow-credentials", b"true")
_ALLOW_ORIGIN = b"access-control-allow-origin"
_REMEMBERED = 1_000


class Origin(NamedTuple):
    """The headers that answer it, and the host it names, lower case."""

    headers: tuple[Header, ...]
    host: str | None


ABSENT = Origin(((_ALLOW_ORIGIN, b"*"), _CREDENTIALS, _VARY), None)


class Cors:
    """Answers to origins, the last ones remembered."""

    def __init__(self, settings: CorsSettings) -> None:
        self._seen: dict[bytes, Origin] = {}
        self.preflight: tuple[Header, ...] = (
            (b"access-control-allow-headers", b"Content-Type, SP-Anonymous"),
            (b"access-control-max-age", b"%d" % settings.max_age),
        )

    def origin(self, header: bytes | None) -> Origin:
        if header is None:
            return ABSENT
        found = self._seen.get(header)
        if found is None:
            if len(self._seen) >= _REMEMBERED:
                self._seen.clear()
            found = self._seen[header] = _read(header)
        return found

    def refusal(self, header: bytes | None) -> tuple[Header, ...]:
        """For answers that only pages need to be able to read."""
        return () if header is None else self.origin(header).headers


def _read(header: bytes) -> Origin:
    """Of several origins the first well-formed one counts."""
    match = next(filter(None, map(_ORIGIN.fullmatch, header.split(b" "))), None)
    if match is not None:
        return Origin(((_ALLOW_ORIGIN, match[0]), _CREDENTIALS, _VARY), match[1].decode().lower())
    if header in _BARE:
        return Origin(((_ALLOW_ORIGIN, header), _CREDENTIALS, _VARY), None)
    return Origin(((_ALLOW_ORIGIN, b"*"), _VARY), None)
