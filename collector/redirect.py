"""Where `/r/…?u=<address>` may send a visitor: to http and https addresses on hosts of the allow-list, never elsewhere."""

import re
from urllib.parse import unquote_to_bytes

from collector.settings import RedirectSettings

_TARGET = re.compile(rb"(?:^|[&;])u=([^&;]*)")
_ADDRESS = re.compile(
    rb"(?i:https?)://"
    rb"(?P<host>\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::[0-9]*)?"
    rb"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?"
    rb"(?:\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?\[\]-]|%[0-9A-Fa-f]{2})*)?"
    rb"(?:#(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?"
)


class Redirect:
    """The allow-list."""

    def __init__(self, settings: RedirectSettings) -> None:
        self._hosts = frozenset(domain.lower().encode() for domain in settings.domains)

    def target(self, query: bytes) -> bytes | None:
        """The value for `Location`; `None` if the first `u` is missing, malformed or leads elsewhere. No user info passes."""
        found = _TARGET.search(query)
        if found is None:
            return None
        address = unquote_to_bytes(found[1].replace(b"+", b" "))
        parsed = _ADDRESS.fullmatch(address)
        return address if parsed and parsed["host"].lower() in self._hosts else None
