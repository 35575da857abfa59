"""Cookies: found in requests pair by pair, stored in the normal form, set again with every answer."""

import re
import time
from collections.abc import Sequence
from email.utils import formatdate

from collector.cors import Header
from collector.settings import CookieSettings, DoNotTrackSettings

_OCTETS = re.compile(rb"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")
_SET_COOKIE = b"set-cookie"
_REMEMBERED = 1_000


class CookieFinder:
    """The value of one cookie. Whatever else a line holds, however malformed, does not hide it."""

    def __init__(self, name: str) -> None:
        self._search = re.compile(rb"(?:^|;)[ \t]*" + re.escape(name.encode()) + rb"[ \t]*=([^;]*)").search

    def __call__(self, lines: Sequence[bytes]) -> str | None:
        """First one in the Cookie lines; bytes beyond ASCII read as ISO-8859-1."""
        for line in lines:
            found = self._search(line)
            if found:
                return found[1].strip().decode("latin-1")
        return None


class DoNotTrack:
    """Whether a visitor opted out."""

    def __init__(self, settings: DoNotTrackSettings) -> None:
        self._find = CookieFinder(settings.name) if settings.enabled else None
        self._matches = re.compile(settings.value).fullmatch

    def __call__(self, lines: Sequence[bytes]) -> bool:
        if self._find is None or not lines:
            return False
        value = self._find(lines)
        return value is not None and self._matches(value) is not None


def stored(line: bytes) -> str | None:
    """The header as it is stored: without spaces and without what is no cookie by RFC 6265; `None` if nothing is left."""
    kept = [part for part in line.replace(b" ", b"").split(b";") if _OCTETS.fullmatch(part)]
    return "Cookie: " + b";".join(kept).decode() if kept else None


class CookieSetter:
    """`Set-Cookie` headers with the attributes of the settings."""

    def __init__(self, settings: CookieSettings) -> None:
        self._settings = settings
        self.name = settings.name
        self._names = [(settings.name, settings.http_only)] if settings.enabled else []
        if settings.enabled and settings.client_name is not None:
            self._names.append((settings.client_name, False))
        self._domains = [(domain.lstrip(".").lower(), domain) for domain in settings.domains]
        self._tails: dict[str | None, list[tuple[bytes, bytes]]] = {}
        self._second = 0
        self._expires = b""

    def set(self, value: str, host: str | None) -> list[Header]:
        """`host` is that of the request's Origin; the value must be a UUID."""
        second = int(time.time())
        if second != self._second:
            self._second, self._expires = second, _date(second + self._settings.expiration)
        return self._headers(value.encode(), self._expires, host)

    def clear(self, host: str | None) -> list[Header]:
        """Makes the browser forget the cookie."""
        return self._headers(b"", _date(max(0, time.time() - self._settings.expiration)), host)

    def _headers(self, value: bytes, expires: bytes, host: str | None) -> list[Header]:
        parts = self._tails.get(host)
        if parts is None:
            if len(self._tails) >= _REMEMBERED:
                self._tails.clear()
            parts = self._tails[host] = [self._around(name, http_only, host) for name, http_only in self._names]
        return [(_SET_COOKIE, b"%s=%s; Expires=%s%s" % (name, value, expires, tail)) for name, tail in parts]

    def _around(self, name: str, http_only: bool, host: str | None) -> tuple[bytes, bytes]:
        domain, same_site = self._domain(host), self._settings.same_site
        attributes = (
            f"; Domain={domain}" if domain else "",
            "; Path=/",
            f"; SameSite={same_site}" if same_site else "",
            "; Secure" if self._settings.secure or same_site == "None" else "",
            "; HttpOnly" if http_only else "",
        )
        return name.encode(), "".join(attributes).encode()

    def _domain(self, host: str | None) -> str | None:
        for plain, domain in self._domains:
            if host is not None and (host == plain or host.endswith("." + plain)):
                return domain
        return self._settings.fallback_domain


def _date(moment: float) -> bytes:
    return formatdate(moment, usegmt=True).encode()
