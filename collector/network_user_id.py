"""Who a browser is to the collector: the network user id, a UUID.

Taken from the query parameter `nuid`, else from the cookie. Anything but a UUID is ignored, since enrichers refuse the whole
request for it.
"""

import os
import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from collector.cookies import CookieFinder
from collector.settings import UUID

ANONYMOUS = "00000000-0000-0000-0000-000000000000"
"""The id of requests with the header SP-Anonymous."""

_NUID = re.compile(rb"(?:^|[&;])nuid(?:=([^&;]*))?(?=$|[&;])")


def given(query: bytes, cookies: Sequence[bytes], find: CookieFinder) -> str | None:
    """The id the request brings; the first `nuid` counts."""
    if b"nuid" in query and (found := _NUID.search(query)) and found[1]:
        value = unquote_to_bytes(found[1]).decode("latin-1")
        if UUID.fullmatch(value):
            return value
    if cookies:
        value = find(cookies) or ""
        if UUID.fullmatch(value):
            return value
    return None


def fresh() -> str:
    """A random id, UUID version 4."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
