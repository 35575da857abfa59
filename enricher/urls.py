"""Page and referrer URLs: read as java.net.URI reads RFC 2396, else repaired leniently and read again.

The rules that surprise: the port is 80 for whatever is not exactly `https`; host and port stay empty when the host is not a
strict host name, IPv4 or bracketed IPv6 address (underscores, non-ASCII, numeric last label); opaque URIs have a scheme only.
"""

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from enricher import querystring, text
from enricher.querystring import ESCAPE, OTHER, QUERY_CHARACTERS

_CACHED_LENGTH = 512
_MAX_PORT = 2**31 - 1


class Url(NamedTuple):
    """A URL's parts as they stand in it, nothing decoded; `None` where empty. `pairs` are its query's, decoded."""

    text: str
    scheme: str | None
    host: str | None
    port: int
    path: str | None
    query: str | None
    fragment: str | None
    pairs: tuple[tuple[str, str], ...]


def parse(url: str) -> Url | None:
    """`None` when even the repaired text is no URI."""
    return _cached(url) if len(url) <= _CACHED_LENGTH else _parse(url)


def _parse(url: str) -> Url | None:
    spaceless = url.replace(" ", "%20")
    return _strict(spaceless) or _strict(_repaired(spaceless))


_cached = lru_cache(maxsize=4096)(_parse)


def _only(characters: str) -> re.Pattern[str]:
    return re.compile(rf"[{characters}]*+(?:{ESCAPE}[{characters}]*+)*+\Z")


_QUERY = _only(QUERY_CHARACTERS)
_PATH = _only(rf"A-Za-z0-9\-_.!~*'():@&=+$,;/{OTHER}")
_USER = _only(rf"A-Za-z0-9\-_.!~*'();:&=+$,{OTHER}")
_NAME = _only(rf"A-Za-z0-9\-_.!~*'()$,;:@&=+{OTHER}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*\Z")
_BEFORE_COLON = re.compile("[^/?#:]*:")
_AUTHORITY = re.compile("//([^/?#]*)")


def _strict(url: str) -> Url | None:
    before, hash_, fragment = url.partition("#")
    if hash_ and not _QUERY.match(fragment):
        return None
    scheme, rest = None, before
    colon = _BEFORE_COLON.match(before)
    if colon:
        scheme, rest = before[: colon.end() - 1], before[colon.end() :]
        if not _SCHEME.match(scheme):
            return None
        if not rest.startswith("/"):
            return _opaque(url, scheme, fragment) if rest and _QUERY.match(rest) else None
    return _hierarchical(url, scheme, rest, fragment, bool(hash_))


def _opaque(url: str, scheme: str, fragment: str) -> Url:
    return Url(url, scheme, None, _default_port(scheme), None, None, fragment or None, ())


def _default_port(scheme: str | None) -> int:
    return 443 if scheme == "https" else 80


def _hierarchical(url: str, scheme: str | None, rest: str, fragment: str, has_fragment: bool) -> Url | None:
    host = port = None
    authority = _AUTHORITY.match(rest)
    if authority:
        rest = rest[authority.end() :]
        if authority[1]:
            server = _known_server(authority[1]) if len(authority[1]) <= _CACHED_LENGTH else _server(authority[1])
            if server is None:
                return None
            host, port = server
        elif not rest and not has_fragment:
            return None
    path, mark, query = rest.partition("?")
    if not _PATH.match(path) or (mark and not _QUERY.match(query)):
        return None
    pairs = tuple((name, value or "") for name, value in querystring.split(query)) if query else ()
    if port is None:
        port = _default_port(scheme)
    return Url(url, scheme, host, port, path or None, query or None, fragment or None, pairs)


_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(
    r"(?:(?P<ipv4>\d{1,9}(?:\.\d{1,9}){3})"
    rf"|(?P<name>(?:{_LABEL}\.)+[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.?|{_LABEL}\.?)"
    r"|\[(?P<ipv6>[0-9A-Fa-f:.]+)(?:%[A-Za-z0-9_.]+)?\])(?::(?P<port>[0-9]*))?\Z",
    re.ASCII,
)


def _server(authority: str) -> tuple[str | None, int | None] | None:
    """(host, port) of an authority; (None, None) of one that is a mere registry name; None of an illegal one."""
    user, at, server = authority.partition("@")
    if not at:
        user, server = "", authority
    found = _HOST.match(server) if _USER.match(user) else None
    if found and _real_address(found):
        port = int(found["port"]) if found["port"] else None
        if port is None or port <= _MAX_PORT:
            return server[: found.end("port") - len(found["port"]) - 1] if found["port"] is not None else server, port
    return (None, None) if _NAME.match(authority) else None


_known_server = lru_cache(maxsize=4096)(_server)


def _real_address(found: re.Match[str]) -> bool:
    if found["ipv4"]:
        return all(int(part) <= 255 for part in found["ipv4"].split("."))
    if found["ipv6"]:
        try:
            IPv6Address(found["ipv6"])
        except AddressValueError:
            return False
    return True


_LENIENT = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):(?://(?P<authority>[^/?#]+))?|//(?P<relative>[^/?#]+))?"
    r"(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#(?P<fragment>.*))?\Z",
    re.DOTALL,
)
_TO_ENCODE = re.compile(r"[!*'();:@&=$,/?%#\[\]<>{}^`|\\\" ]|[^!-~]")


def _repaired(url: str) -> str:
    """Every part decoded and encoded again, all reserved characters but `+` escaped."""
    parts = _LENIENT.match(url)
    if parts is None:
        return url
    done = []
    if parts["scheme"]:
        done.append(f"{parts['scheme']}:")
    authority = parts["authority"] or parts["relative"]
    if authority:
        done.append(f"//{authority}")
    done.append("/".join(map(_encoded, parts["path"].split("/"))))
    if parts["query"] is not None:
        done.append("?" + "&".join("=".join(map(_encoded, pair.split("=", 1))) for pair in parts["query"].split("&")))
    if parts["fragment"] is not None:
        done.append(f"#{_encoded(parts['fragment'])}")
    return "".join(done)


def _encoded(part: str) -> str:
    if "%" in part:
        part = text.decode(unquote_to_bytes(part))
    return _TO_ENCODE.sub(_escape, part)


def _escape(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "replace"))
