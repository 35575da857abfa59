"""Whose event it was that a `size_violation` keeps the beginning of: a line of columns, or the bad row it would have had."""

import re

from backbone.event import POSITION

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TEXT = r'"(?:[^"\\]|\\.)*"'
# Quotes inside of a JSON text are escaped, so what an event says of itself cannot be taken for this.
_BAD_ROW = re.compile(
    rf'"payload":\{{"enriched":\{{"app_id":({_TEXT}|null),(?:"[a-z_]+":(?:{_TEXT}|null),){{0,8}}?"event_id":"({_UUID})"'
)
_EVENT_ID = re.compile(_UUID)


def identity(text: str) -> tuple[str | None, str | None]:
    """(event id, app id), as far as they are there."""
    if text.startswith("{"):
        found = _BAD_ROW.search(text)
        return (found[2], None if found[1] == "null" else found[1][1:-1]) if found else (None, None)
    cells = text.split("\t", POSITION["event_id"] + 1)
    if len(cells) <= POSITION["event_id"] + 1 or not _EVENT_ID.fullmatch(cells[POSITION["event_id"]]):
        return None, None
    return cells[POSITION["event_id"]], cells[POSITION["app_id"]] or None
