"""Character rules the enricher shares with the JVM programs whose format it speaks."""

import re

_CONTROLS = re.compile("[\x00-\x1f\x7f]")
_ENCODED_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_REPLACEMENT = "\ufffd".encode()


def clean(value: str) -> str | None:
    """Safe for a TSV cell: a tab becomes four spaces, other ASCII controls go; `None` if nothing is left."""
    if not value.isprintable():
        value = _CONTROLS.sub("", value.replace("\t", "    "))
    return value or None


def clean_header(value: str | None) -> str | None:
    """A header's text: line ends go, a tab becomes four spaces, other controls stay."""
    if value and not value.isprintable():
        value = value.replace("\r", "").replace("\n", "").replace("\t", "    ")
    return value or None


def decode(data: bytes, encoding: str = "utf-8") -> str:
    """Malformed bytes become U+FFFD: one for each maximal malformed part, an encoded surrogate counting as one part."""
    if encoding == "utf-8" and b"\xed" in data:
        data = _ENCODED_SURROGATE.sub(_REPLACEMENT, data)
    return data.decode(encoding, "replace")


def utf16_length(value: str) -> int:
    """Length in UTF-16 code units, which column limits count."""
    if value.isascii():
        return len(value)
    return len(value.encode("utf-16-le", "surrogatepass")) // 2
