"""IP anonymisation: the last parts of `user_ipaddress` become `x`. Runs after the IP lookups, which see the whole address.

The output forms are Snowplow's, odd ones included (`::ffff:1.2.3.4` loses its prefix when all four octets go, `::FFFF:` never).
One is not: an IPv4-mapped address written in hexadecimal (`::ffff:102:304`) is treated as the IPv4 address it is, where Snowplow
leaves it untouched.
"""

from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any

from backbone.selfdescribing import SchemaKey
from enricher.assets import Assets
from enricher.enrichments.configuration import Configuration
from enricher.enrichments.protocol import Working

_MAPPED = "::FFFF:"
_LONGEST = 64
"""No address is longer; beyond it nothing is parsed."""


class AnonIp:
    """`octets` 1–4 of an IPv4 address and `segments` 1–8 of an IPv6 address are hidden, from the end."""

    def __init__(self, key: SchemaKey, octets: int, segments: int) -> None:
        self.schema_key = key
        self._octets_kept = 4 - octets
        self._segments_kept = 8 - segments
        self._anonymise = lru_cache(20_000)(self._hide)

    def enrich(self, working: Working) -> None:
        address = working.event.user_ipaddress
        if address is not None:
            working.event.user_ipaddress = self.anonymise(address)

    def anonymise(self, address: str) -> str:
        return self._anonymise(address) if len(address) <= _LONGEST else self._hide(address)

    def _hide(self, address: str) -> str:
        parsed = _parse(address)
        if isinstance(parsed, IPv6Address):
            mapped = parsed.ipv4_mapped
            if mapped is None:
                groups = [f"{(int(parsed) >> shift) & 0xFFFF:x}" for shift in range(112, -1, -16)]
                return ":".join(self._segments(groups))
            return self._octets(address if "." in address else str(mapped))
        if parsed is not None or "." in address or not address:
            return self._octets(address)
        if ":" in address:
            return ":".join(self._segments(_split(address, ":")))
        return address

    def _octets(self, address: str) -> str:
        prefix, rest = ("", address)
        if address.startswith(_MAPPED):
            prefix, rest = _MAPPED, address[len(_MAPPED) :]
        parts = _split(rest, ".")
        return prefix + ".".join(part if index < self._octets_kept else "x" for index, part in enumerate(parts))

    def _segments(self, groups: list[str]) -> list[str]:
        kept = groups[: self._segments_kept]
        return kept + ["x"] * (8 - len(kept))


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    if len(address) > _LONGEST:
        return None
    for form in (IPv4Address, IPv6Address):
        try:
            return form(address)
        except AddressValueError:
            continue
    return None


def _split(text: str, separator: str) -> list[str]:
    """Without the empty parts at the end, but never without any part."""
    parts = text.split(separator)
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return parts


def build(configuration: Configuration, assets: Assets) -> AnonIp:
    parameters: Any = configuration.parameters
    octets = int(parameters["anonOctets"])
    return AnonIp(configuration.key, octets, int(parameters.get("anonSegments", octets)))
