"""Query strings, read exactly as java.net.URI followed by a form decoder reads them (Snowplow Enrich does).

What a plain `parse_qsl` would miss: characters that RFC 2396 forbids make the whole string illegal; `#` ends it; both `&` and
`;` separate pairs; a pair without `=` has no value (not an empty one); a raw character beyond ASCII keeps its low byte only.
"""

import re
from urllib.parse import unquote_to_bytes

from enricher import text

ESCAPE = "%[0-9A-Fa-f]{2}"
OTHER = "\xa1-\u167f\u1681-\u1fff\u200b-\u2027\u202a-\u202e\u2030-\u205e\u2060-\u2fff\u3001-\U0010ffff"
"""Characters beyond ASCII that java.net.URI lets stand unescaped: neither controls nor spaces."""
QUERY_CHARACTERS = rf"A-Za-z0-9\-_.!~*'();/?:@&=+$,\[\]{OTHER}"

_LEGAL = re.compile(rf"[{QUERY_CHARACTERS}]*+(?:{ESCAPE}[{QUERY_CHARACTERS}]*+)*+")
_SEPARATORS = re.compile("[&;]")

Pairs = list[tuple[str, str | None]]


class IllegalQuery(ValueError):
    """Not the query of a legal URI; the text says what and where, and holds nothing of the data."""


def parse(query: str | None, encoding: str = "utf-8") -> Pairs:
    """Decoded (name, value) pairs in order. Raises IllegalQuery."""
    if not query:
        return []
    query, hash_, fragment = query.partition("#")
    _check(query, 0)
    if hash_:
        _check(fragment, len(query) + 1)
    return split(query, encoding)


def split(query: str, encoding: str = "utf-8") -> Pairs:
    """Pairs of a query already known to be legal."""
    pairs: Pairs = []
    for part in _SEPARATORS.split(query) if ";" in query else query.split("&"):
        name, equals, value = part.partition("=")
        if name:
            pairs.append((_decode(name, encoding), _decode(value, encoding) if equals else None))
    return pairs


def _check(part: str, offset: int) -> None:
    legal = _LEGAL.match(part)
    end = legal.end() if legal else 0
    if end < len(part):
        problem = "malformed escape pair" if part[end] == "%" else "illegal character"
        raise IllegalQuery(f"{problem} at index {offset + end}")


def _decode(value: str, encoding: str) -> str:
    if value.isascii():
        if "+" in value:
            value = value.replace("+", " ")
        if "%" not in value:
            return value
        return text.decode(unquote_to_bytes(value), encoding)
    low_bytes = value.replace("+", " ").encode("utf-16-le", "surrogatepass")[::2]
    return text.decode(unquote_to_bytes(low_bytes), encoding)
