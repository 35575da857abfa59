"""Schema families that grow and break while events of them are sent, and what a row of each event must hold.

Version 1-0-k of a family adds one property to those before it: at the top, in a struct or in the structs of a list, in turn.
Every version whose number leaves 2 when divided by 4 breaks: its `a` is an integer and no text.
"""

import json
import re
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from backbone import tsv
from backbone.event import Event
from backbone.selfdescribing import SelfDescribing, parse_key

_KINDS = ("text", "integer", "number", "flag", "json", "texts")
_SCHEMAS: dict[str, Any] = {
    "text": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "flag": {"type": "boolean"},
    "json": {"type": "object"},
    "texts": {"type": "array", "items": {"type": "string"}},
}
_COLUMN = re.compile(r"(contexts|unstruct_event)_com_acme_([a-z]+\d+)_1(?:_recovered_1_0_(\d+)_[0-9a-f]{8})?\Z")

Place = tuple[str, str, int | None]
"""Kind of column, family, and the version that broke if it is a recovery column."""


class Data(NamedTuple):
    """One piece of self-describing data: the version `version` of `family`, filled from `number`."""

    family: str
    version: int
    number: int

    @property
    def uri(self) -> str:
        return uri_of(self.family, self.version)

    @property
    def breaks(self) -> bool:
        return breaks(self.version)

    def sent(self) -> dict[str, Any]:
        return _filled(self.version, self.number, stored=False)

    def stored(self) -> dict[str, Any]:
        return _filled(self.version, self.number, stored=True)

    def stored_entity(self) -> dict[str, Any]:
        return {"_schema_version": f"1-0-{self.version}", **self.stored()}


class Sent(NamedTuple):
    """An event, and the columns its row must have."""

    number: int
    entities: tuple[Data, ...] = ()
    event: Data | None = None

    @property
    def id(self) -> str:
        return str(uuid.UUID(int=self.number))

    def line(self) -> bytes:
        made = Event()
        made.collector_tstamp, made.v_collector, made.v_etl = "2026-01-01 10:00:00.000", "ssc-3.4.0", "snowmelt-0.1.0"
        made.event_id = self.id
        for name, value in self._own().items():
            setattr(made, name, value)
        made.contexts = [SelfDescribing(parse_key(data.uri), data.sent()) for data in self.entities]
        if self.event is not None:
            made.unstruct_event = SelfDescribing(parse_key(self.event.uri), self.event.sent())
        return tsv.line(made).encode()

    def _own(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"app_id": f"app{self.number % 3}", "page_title": f"page {self.number}"}
        return {
            **fields,
            "tr_total": f"{self.number}.25",
            "br_viewwidth": self.number % 5000,
            "geo_latitude": self.number % 180 / 4,
        }

    def atomic(self) -> dict[str, str]:
        """As the columns of `ATOMIC` read, as text."""
        return {name: str(value) for name, value in self._own().items()}

    def typed(self) -> dict[Place, Any]:
        """What is in the typed columns, those that are null left out."""
        found: dict[Place, Any] = {}
        for data in self.entities:
            found.setdefault(("contexts", data.family, data.version if data.breaks else None), []).append(data.stored_entity())
        if self.event is not None:
            broken = self.event.version if self.event.breaks else None
            found["unstruct_event", self.event.family, broken] = self.event.stored()
        return found


ATOMIC = ("app_id", "page_title", "tr_total", "br_viewwidth", "geo_latitude")
ATOMIC_SQL = "app_id, page_title, tr_total::DECIMAL(38, 2)::VARCHAR, br_viewwidth::VARCHAR, geo_latitude::VARCHAR"


def place_of(column: str) -> Place | None:
    """None for a column of no family."""
    found = _COLUMN.match(column)
    return found and (found[1], found[2], int(found[3]) if found[3] else None)


def without_nulls(value: Any) -> Any:
    """A later version's properties are null in earlier rows."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def breaks(version: int) -> bool:
    return version % 4 == 2


def uri_of(family: str, version: int) -> str:
    return f"iglu:com.acme/{family}/jsonschema/1-0-{version}"


def publish(folder: Path, family: str, version: int, text: str | None = None) -> None:
    """Puts the version into a registry folder, or `text` in its place."""
    file = folder / parse_key(uri_of(family, version)).path
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}")
    partial.write_text(json.dumps(_schema(family, version)) if text is None else text)
    partial.replace(file)


def _schema(family: str, version: int) -> dict[str, Any]:
    top: dict[str, Any] = {"a": _SCHEMAS["integer" if breaks(version) else "text"]}
    inner: dict[str, Any] = {"x": _SCHEMAS["text"]}
    items: dict[str, Any] = {"p": _SCHEMAS["text"]}
    for at, (name, kind) in enumerate(_added(version)):
        (top, inner, items)[at % 3][name] = _SCHEMAS[kind]
    top |= {"deep": {"type": "object", "properties": inner}}
    top |= {"list": {"type": "array", "items": {"type": "object", "properties": items}}}
    about = {"vendor": "com.acme", "name": family, "format": "jsonschema", "version": f"1-0-{version}"}
    return {"self": about, "type": "object", "properties": top}


def _added(version: int) -> list[tuple[str, str]]:
    """A breaking version adds nothing; those after it go on from the one before."""
    return [(f"p{at}", _KINDS[at % len(_KINDS)]) for at in range(version + 1) if not breaks(at)]


def _filled(version: int, number: int, stored: bool) -> dict[str, Any]:
    top: dict[str, Any] = {"a": number if breaks(version) else f"a of {number}"}
    inner: dict[str, Any] = {"x": f"x of {number}"}
    items: dict[str, Any] = {"p": f"p of {number}"}
    for at, (name, kind) in enumerate(_added(version)):
        (top, inner, items)[at % 3][name] = _value(kind, number + at, stored)
    return {**top, "deep": inner, "list": [items, {"p": "second"}]}


def _value(kind: str, number: int, stored: bool) -> Any:
    if kind == "json":
        return json.dumps({"n": number}, separators=(",", ":")) if stored else {"n": number}
    values = {"text": f"text {number}", "integer": number * 7, "number": number / 8, "flag": number % 2 == 0}
    return [f"one {number}", "two"] if kind == "texts" else values[kind]
