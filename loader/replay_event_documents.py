"""An event the enricher refused, as a document: the tracker's parameters by name, its self-describing data decoded.

`unstruct_event` and `contexts` hold the data inside the wrappers. Where a wrapper itself is wrong, the whole stands there, to be
put right; what is no JSON stays among the parameters.
"""

import re
from typing import Any, NamedTuple

from backbone.selfdescribing import Criterion
from loader import replay_wrapping as wrapping
from loader.replay_wrapping import Json, Unfit, Wrapped, objects_only, text_or_none

_FIELDS = {
    "timestamp": "timestamp",
    "ip_address": "ipAddress",
    "user_agent": "useragent",
    "referer": "refererUri",
    "hostname": "hostname",
    "network_user_id": "userId",
}
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\Z")


class _Kind(NamedTuple):
    """`name`: of the document's key. The enricher prefers the base64 parameter when there are both."""

    name: str
    plain: str
    base64: str
    criterion: Criterion


_KINDS = (
    _Kind("unstruct_event", "ue_pr", "ue_px", wrapping.UNSTRUCT),
    _Kind("contexts", "co", "cx", wrapping.CONTEXTS),
)


class _Found(NamedTuple):
    parameter: str
    wrapped: Wrapped


class FailedEvent:
    """`row`: the bad row. Raises LookupError, TypeError when it is no row of an event."""

    def __init__(self, row: Json) -> None:
        self._row = row
        self._raw: Json = row["data"]["payload"]["raw"]
        given = self._raw["parameters"]
        pairs = given.items() if isinstance(given, dict) else [(pair["name"], pair["value"]) for pair in given]
        self._parameters: dict[str, str | None] = dict(pairs)
        sent = self._parameters.get("eid")
        enriched = row["data"]["payload"].get("enriched") or {}
        self._event_id = sent if isinstance(sent, str) and _UUID.match(sent) else enriched["event_id"]
        self._found = {kind: found for kind in _KINDS if (found := self._find(kind)) is not None}

    def value(self) -> Json:
        decoded = {found.parameter for found in self._found.values()}
        parameters = {name: text for name, text in self._parameters.items() if name not in decoded and name != "eid"}
        value: Json = {"event_id": self._event_id, "parameters": parameters}
        value |= {kind.name: found.wrapped.inside for kind, found in self._found.items()}
        value |= {name: self._raw[key] for name, key in _FIELDS.items()}
        return {**value, "headers": self._raw["headers"]}

    def row(self, value: Json) -> Json:
        """The bad row with the changes of a patch. Raises Unfit."""
        refuse_unknown(value, {"event_id", "parameters", "headers", *_FIELDS, *(kind.name for kind in _KINDS)})
        if value.get("event_id") != self._event_id:
            raise Unfit("`event_id` must stay: it is what keeps an event from landing twice")
        made = self._changed(objects_only(value.get("parameters"), "parameters"), value)
        raw = {**self._raw, "parameters": [{"name": name, "value": text} for name, text in made.items()]}
        raw |= {key: text_or_none(value.get(name), name) for name, key in _FIELDS.items()}
        raw["headers"] = headers(value)
        data = self._row["data"]
        return {**self._row, "data": {**data, "payload": {**data["payload"], "raw": raw}}}

    def _find(self, kind: _Kind) -> _Found | None:
        encoded = self._parameters.get(kind.base64)
        if encoded is not None:
            wrapped = wrapping.opened(wrapping.from_base64(encoded), kind.criterion)
            return None if wrapped is None else _Found(kind.base64, wrapped)
        wrapped = wrapping.opened(self._parameters.get(kind.plain), kind.criterion)
        return None if wrapped is None else _Found(kind.plain, wrapped)

    def _changed(self, given: Json, value: Json) -> dict[str, str | None]:
        """All parameters, those that were there in their old order."""
        if given.get("eid", self._event_id) != self._event_id:
            raise Unfit("`eid` must stay: it is the event's id")
        made = {name: text_or_none(text, f"parameters.{name}") for name, text in given.items() if name != "eid"}
        if "eid" in self._parameters:
            made["eid"] = self._parameters["eid"]
        for kind in _KINDS:
            if value.get(kind.name) is not None:
                made.pop(kind.plain, None)
                made.pop(kind.base64, None)
                name, text = self._encoded(kind, value[kind.name])
                made[name] = text
        old = {name: made[name] for name in self._parameters if name in made}
        return {**old, **made}

    def _encoded(self, kind: _Kind, inside: Any) -> tuple[str, str]:
        """(parameter, its text): as it came, or new in the way the event's other data came."""
        found = self._found.get(kind)
        if found is None:
            text = wrapping.new(inside, kind.criterion)
            encoding = any(other.base64 in self._parameters for other in _KINDS)
            return (kind.base64, wrapping.to_base64(text)) if encoding else (kind.plain, text)
        text = found.wrapped.closed(inside)
        if found.parameter == kind.plain:
            return kind.plain, text
        unchanged = text == found.wrapped.text
        return kind.base64, (self._parameters[kind.base64] or "") if unchanged else wrapping.to_base64(text)


def headers(value: Json) -> list[str]:
    """`Name: value` each. Raises Unfit."""
    found = value.get("headers") or []
    if type(found) is not list or not all(type(header) is str for header in found):
        raise Unfit("`headers` must be a list of texts such as `Name: value`")
    return found


def refuse_unknown(value: Json, known: set[str]) -> None:
    """A misspelt key would be lost in silence."""
    for name in value:
        if name not in known:
            raise Unfit(f"`{name}` is no part of the document")
