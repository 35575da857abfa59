"""A line the loader refused, as a document: its 131 columns by name, the three of self-describing data opened.

Every column is text as in the line (`"1"` for true), null where it is empty.
"""

from typing import Any

from backbone import jsontext
from backbone.event import COLUMNS, JSON_COLUMNS
from loader import replay_wrapping as wrapping
from loader.replay_event_documents import refuse_unknown
from loader.replay_wrapping import Json, Unfit

_CRITERIA = {name: wrapping.UNSTRUCT if name == "unstruct_event" else wrapping.CONTEXTS for name in JSON_COLUMNS}


class Line:
    """A line that has not 131 columns is the one key `line`. `known`: whether the failed row has the event's id."""

    def __init__(self, line: str, known: bool) -> None:
        self._line = line
        self._known = known
        cells = line.split("\t")
        self._cells = dict(zip(COLUMNS, cells, strict=True)) if len(cells) == len(COLUMNS) else {}
        self._opened = {
            name: found
            for name, criterion in _CRITERIA.items()
            if (found := wrapping.opened(self._cells.get(name), criterion)) is not None
        }

    def value(self) -> Json:
        if not self._cells:
            return {"line": self._line}
        return {name: self._opened[name].inside if name in self._opened else cell or None for name, cell in self._cells.items()}

    def encode(self, value: Json) -> bytes:
        """Raises Unfit."""
        if not self._cells:
            refuse_unknown(value, {"line"})
            line = value.get("line")
            if type(line) is not str or "\n" in line:
                raise Unfit("`line` must be one line of text")
            return line.encode("utf-8", "replace")
        refuse_unknown(value, set(COLUMNS))
        if self._known and value.get("event_id") != self._cells["event_id"]:
            raise Unfit("`event_id` must stay: it is what keeps an event from landing twice")
        return "\t".join(self._cell(name, value.get(name)) for name in COLUMNS).encode("utf-8", "replace")

    def _cell(self, name: str, value: Any) -> str:
        text = self._text(name, value)
        if "\t" in text or "\n" in text or "\r" in text:
            raise Unfit(f"`{name}` holds a tab or a line end, which a column cannot")
        return text

    def _text(self, name: str, value: Any) -> str:
        if value is None:
            return ""
        if type(value) is str:
            return value
        if name in _CRITERIA:
            return self._opened[name].closed(value) if name in self._opened else wrapping.new(value, _CRITERIA[name])
        if type(value) is bool:
            return "1" if value else "0"
        if type(value) in (dict, list):
            raise Unfit(f"`{name}` must be text, a number, true, false or null")
        return jsontext.dumps(value, exact=False)
