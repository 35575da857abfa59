"""One person as the pipeline knows them: the ids trackers and the collector gave them, and where an event carries these.

Ids are compared whole, never as part of a text: `1` is not found in `10`. Looked at are the tracker's parameters (`uid`, `duid`,
`nuid`, `tnuid`), the network user id of the request and its cookies, and the three columns of an enriched line; what an event
says elsewhere (a page's address, its own properties) is not an id here.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

COLUMNS = ("user_id", "domain_userid", "network_userid")
PARAMETERS = {"uid": "user_id", "duid": "domain_userid", "nuid": "network_userid", "tnuid": "network_userid"}
"""Parameter of the tracker protocol → the column it sets."""
NOBODY = "00000000-0000-0000-0000-000000000000"
"""Network user id of everybody who wants to be anonymous."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z", re.IGNORECASE)
_TRACKER_COOKIE = "_sp_id"


def canonical(value: str) -> str:
    """UUIDs are the same in capitals."""
    return value.lower() if _UUID.match(value) else value


@dataclass(frozen=True, slots=True)
class Person:
    """Ids by column, all forms of them: `user_id` as given, the other two `canonical`. `cookies`: names of the collector's."""

    ids: Mapping[str, frozenset[str]]
    cookies: frozenset[str] = frozenset(("sp",))

    @classmethod
    def of(
        cls, user_ids: Iterable[str], domain_userids: Iterable[str], network_userids: Iterable[str], cookies: Iterable[str]
    ) -> "Person":
        domains, networks = frozenset(map(canonical, domain_userids)), frozenset(map(canonical, network_userids))
        return cls(dict(zip(COLUMNS, (frozenset(user_ids), domains, networks), strict=True)), frozenset(cookies))

    @classmethod
    def from_json(cls, value: Any) -> "Person":
        """Raises LookupError, TypeError."""
        return cls.of(*(value[name] for name in (*COLUMNS, "cookies")))

    def json(self) -> dict[str, list[str]]:
        return {**{name: sorted(self.ids[name]) for name in COLUMNS}, "cookies": sorted(self.cookies)}

    def has(self, column: str, value: Any) -> bool:
        """Whether the value of this column is an id of theirs."""
        if type(value) is not str or not value:
            return False
        return (value if column == "user_id" else canonical(value)) in self.ids[column]

    def in_columns(self, values: Mapping[str, Any]) -> bool:
        return any(self.has(name, values.get(name)) for name in COLUMNS)

    def in_parameter(self, name: Any, value: Any) -> bool:
        """Of a query string, or of one event in a body."""
        column = PARAMETERS.get(name) if type(name) is str else None
        return column is not None and self.has(column, value)

    def in_header(self, line: Any) -> bool:
        """`Cookie: sp=…`, or the tracker's own cookie, which begins with the domain user id."""
        if type(line) is not str:
            return False
        name, _, value = line.partition(":")
        return name.strip().lower() == "cookie" and any(self._in_cookie(pair) for pair in value.split(";"))

    def _in_cookie(self, pair: str) -> bool:
        name, _, value = pair.strip().partition("=")
        value = value.strip('"')
        if name in self.cookies:
            return self.has("network_userid", value)
        return name.startswith(_TRACKER_COOKIE) and self.has("domain_userid", value.partition(".")[0])
