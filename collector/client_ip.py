"""Whose address a request came from.

By default the leftmost entry of X-Forwarded-For, as Snowplow's collector takes it; a client can write there what it likes. With
`trusted_hops` the entry that the outermost of our own proxies appended, and the stored headers are made to agree, because
enrichers prefer those to the stored address.
"""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

UNKNOWN = "unknown"

REVEALING = frozenset(
    b"""
    cf-connecting-ip cf-connecting-ipv6 cf-pseudo-ipv4 client-ip cloudfront-viewer-address cluster-client-ip cookie
    do-connecting-ip fastly-client-ip fly-client-ip forwarded forwarded-for proxy-client-ip remote-addr true-client-ip
    wl-proxy-client-ip x-appengine-user-ip x-azure-clientip x-azure-socketip x-client-ip x-cluster-client-ip
    x-envoy-external-address x-forwarded x-forwarded-for x-nf-client-connection-ip x-original-forwarded-for
    x-originating-ip x-proxyuser-ip x-real-ip x-remote-addr x-remote-ip x-sucuri-clientip x-vercel-forwarded-for
    """.split()
)
"""Headers that tell who the visitor is; a request with SP-Anonymous is stored without them."""


@lru_cache(maxsize=4_096)
def address(text: str) -> str | None:
    """The usual spelling of an address, IPv6 without brackets, IPv4 in IPv6 as IPv4; `None` if it is none."""
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.scope_id is not None:
            return None
        if parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
    return str(parsed)


@lru_cache(maxsize=4_096)
def _leftmost(line: bytes) -> str | None:
    """First entry of a line that holds nothing but addresses and `unknown`."""
    entries = [_entry(item) for item in line.split(b",") if item.strip()]
    return None if None in entries or not entries else entries[0]


def _entry(item: bytes) -> str | None:
    text = item.strip().decode("latin-1")
    return text if text == UNKNOWN else address(text)


def leftmost(forwarded: Sequence[bytes], peer: str) -> str:
    """`forwarded` are the X-Forwarded-For lines; `peer` is who connected."""
    for line in forwarded:
        found = _leftmost(line)
        if found is not None:
            return found
    return address(peer) or peer


def appended(forwarded: Sequence[bytes], peer: str, hops: int) -> str:
    """What the outermost of `hops` proxies of ours saw; `unknown` where they saw no address."""
    entries = [item for item in b",".join(forwarded).split(b",") if item.strip()]
    if hops == 0 or not entries:
        return address(peer) or peer
    return _without_port(entries[-min(hops, len(entries))].strip().decode("latin-1")) or UNKNOWN


def _without_port(text: str) -> str | None:
    """Some proxies append `1.2.3.4:5678` or `[::1]:5678`."""
    if text.startswith("["):
        return address(text[1:].partition("]")[0])
    return address(text) or address(text.rpartition(":")[0])
