"""Event fingerprint: a hash over what the tracker sent, so that copies of an event are recognised.

Hashed is `name U+001F value U+001F` of every parameter with a value, excluded ones left out, ordered by UTF-16 code units.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from backbone.selfdescribing import SchemaKey
from enricher.assets import Assets
from enricher.enrichments.configuration import Configuration
from enricher.enrichments.protocol import Working

HASHES: dict[str, Callable[[bytes], Any]] = {
    "MD5": hashlib.md5,
    "SHA1": hashlib.sha1,
    "SHA256": hashlib.sha256,
    "SHA384": hashlib.sha384,
    "SHA512": hashlib.sha512,
}


class EventFingerprint:
    def __init__(self, key: SchemaKey, algorithm: str, excluded: Iterable[str]) -> None:
        self.schema_key = key
        self._hash = HASHES[algorithm]
        self._excluded = frozenset(excluded)

    def enrich(self, working: Working) -> None:
        parameters, excluded = working.parameters, self._excluded
        parts: list[str] = []
        for name in sorted(parameters):
            value = parameters[name]
            if value is not None and name not in excluded:
                parts += (name, value)
        parts.append("")
        text = "\x1f".join(parts)
        if not text.isascii() and not all(map(str.isascii, parts[::2])):
            text = _in_utf16_order(parts)
        working.event.event_fingerprint = self._hash(text.encode("utf-8", "replace")).hexdigest()


def _in_utf16_order(parts: list[str]) -> str:
    """Python orders strings by code point, which differs beyond U+FFFF."""
    pairs = sorted(zip(parts[:-1:2], parts[1::2], strict=True), key=lambda pair: pair[0].encode("utf-16-be", "surrogatepass"))
    return "".join(f"{name}\x1f{value}\x1f" for name, value in pairs)


def build(configuration: Configuration, assets: Assets) -> EventFingerprint:
    parameters: Any = configuration.parameters
    algorithm = parameters["hashAlgorithm"]
    if algorithm not in HASHES:
        raise configuration.refuse("parameters.hashAlgorithm", f"must be one of {', '.join(HASHES)}")
    return EventFingerprint(configuration.key, algorithm, parameters["excludeParameters"])
