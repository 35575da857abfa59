"""Referer parser: what kind of place the visitor came from.

The database and `referrers` of the configuration, which wins, say `medium → source → {domains, parameters}`. A domain may carry
a path (`big.example/social`). `utm_sources` in either is accepted and has no effect.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from backbone.selfdescribing import SchemaKey
from enricher import querystring
from enricher.assets import Assets, Watched
from enricher.enrichments.configuration import Configuration
from enricher.enrichments.protocol import Working
from enricher.text import clean

_SCHEMES = frozenset(("http", "https", "android-app"))
_LONGEST_HOST = 255
"""Characters of a host name that are worth looking at (the limit of DNS)."""


class Referer(NamedTuple):
    medium: str
    source: str | None
    parameters: frozenset[str]


UNKNOWN = Referer("unknown", None, frozenset())


class Referers:
    """Domain, with or without a path → who it is."""

    def __init__(self, *databases: Any) -> None:
        """Later databases win. Raises ValueError."""
        self._by_place: dict[str, Referer] = {}
        for database in databases:
            for medium, source, entry in _entries(database):
                found = Referer(medium, source, frozenset(_texts(entry, "parameters", medium, source)))
                self._by_place.update(dict.fromkeys(_texts(entry, "domains", medium, source), found))
        self._hosts = frozenset(place.partition("/")[0] for place in self._by_place)
        self._known = lru_cache(10_000)(self._known_suffixes)

    def find(self, host: str, path: str) -> Referer:
        """By full path, first path segment, no path; within each by host, longest suffix first."""
        if len(host) > _LONGEST_HOST or not (suffixes := self._known(host)):
            return UNKNOWN
        first = "/" + path[1:].partition("/")[0]
        for candidate in (path, first, ""):
            for suffix in suffixes:
                found = self._by_place.get(suffix + candidate)
                if found is not None:
                    return found
        return UNKNOWN

    def _known_suffixes(self, host: str) -> tuple[str, ...]:
        parts = host.rstrip(".").split(".")
        suffixes = (".".join(parts[start:]) for start in range(len(parts)))
        return tuple(suffix for suffix in suffixes if suffix in self._hosts)


def _entries(database: Any) -> list[tuple[str, str, Any]]:
    if not isinstance(database, dict) or not all(isinstance(sources, dict) for sources in database.values()):
        raise ValueError("must be an object of media, each an object of sources")
    return [(medium, source, entry) for medium, sources in database.items() for source, entry in sources.items()]


def _texts(entry: Any, name: str, medium: str, source: str) -> list[str]:
    found = entry.get(name, [] if name == "parameters" else None) if isinstance(entry, dict) else None
    if found is None and name == "parameters" and isinstance(entry, dict):
        return []
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise ValueError(f"{medium} / {source}: {name} must be a list of strings")
    return found


class RefererParser:
    def __init__(self, key: SchemaKey, database: Path, inline: Mapping[str, Any], internal: frozenset[str]) -> None:
        """Raises OSError, ValueError if the database cannot be used."""
        self.schema_key = key
        self._internal = internal
        self._referers = Watched([database], lambda: Referers(json.loads(database.read_bytes()), dict(inline)))

    def enrich(self, working: Working) -> None:
        """Reads `refr_url…` and `page_urlhost`, which are set before."""
        event = working.event
        host = event.refr_urlhost
        if host is None or event.refr_urlscheme not in _SCHEMES:
            return
        if host == event.page_urlhost or host in self._internal:
            event.refr_medium = "internal"
            return
        medium, source, parameters = self._referers.current().find(host, event.refr_urlpath or "")
        event.refr_medium = clean(medium)
        if source is not None:
            event.refr_source = clean(source)
        if parameters and event.refr_urlquery is not None:
            term = next((value for name, value in querystring.split(event.refr_urlquery) if name in parameters), None)
            event.refr_term = clean(term or "")


def build(configuration: Configuration, assets: Assets) -> RefererParser:
    parameters: Any = configuration.parameters
    database = configuration.asset(assets, "parameters.database", parameters)
    internal = frozenset(domain.strip() for domain in parameters["internalDomains"])
    inline = parameters.get("referrers", {})
    try:
        Referers(inline)
    except ValueError as error:
        raise configuration.refuse("parameters.referrers", str(error)) from None
    try:
        return RefererParser(configuration.key, database, inline, internal)
    except (OSError, ValueError) as error:
        raise configuration.refuse("parameters.database", f"{database}: {error}") from None
