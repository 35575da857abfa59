"""The address an event came from: the first address in `X-Forwarded-For` or `Forwarded`, else the payload's own.

Snowplow Enrich misses headers written without a space, `Forwarded: by=…;for=…`, and forgets a `Forwarded` line when another
header follows it; here all of these count. `X-Forwarded-For` wins over `Forwarded` wherever they stand.
"""

import re
from collections.abc import Sequence

_ADDRESS = re.compile(r'"?\[?(\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9a-f]{0,4}[.:]){1,15}[0-9a-f]{0,4})', re.IGNORECASE | re.ASCII)
_FORWARDED_FOR = re.compile(r"(?:^|[;,\s])for=(.*)", re.IGNORECASE)


def client_ip(headers: Sequence[str], fallback: str | None) -> str | None:
    """`headers` are `Name: value` lines in order."""
    forwarded = None
    for line in headers:
        first = line[:1]
        if first in ("x", "X") and line[:16].lower() == "x-forwarded-for:":
            address = _address(line[16:])
            if address is not None:
                return address
        elif forwarded is None and first in ("f", "F") and line[:10].lower() == "forwarded:":
            value = _FORWARDED_FOR.search(line, 10, 4096)
            forwarded = _address(value[1]) if value else None
    return forwarded or fallback


def _address(value: str) -> str | None:
    match = _ADDRESS.match(value[:256].strip())
    return match[1] if match else None
