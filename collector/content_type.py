"""The normal form of a Content-Type, and the character set it declares.

Enrichers compare the stored content type as text, so that what means the same must be spelt the same: lower case, one space
after each `;`, other parameters quoted before `charset`, which stands last under its preferred name and is left out where
nobody knows it.
"""

import codecs
import re
from functools import lru_cache
from typing import NamedTuple

_PARAMETER = re.compile(r';[ \t]*([^;="\s]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^;"]*)')
_PREFERRED = {
    "ascii": "us-ascii",
    "big5": "big5",
    "cp932": "windows-31j",
    "euc_jp": "euc-jp",
    "euc_kr": "euc-kr",
    "gb18030": "gb18030",
    "gb2312": "gb2312",
    "gbk": "gbk",
    "iso2022_jp": "iso-2022-jp",
    "koi8-r": "koi8-r",
    "koi8-u": "koi8-u",
    "shift_jis": "shift_jis",
    "tis-620": "tis-620",
    "utf-16": "utf-16",
    "utf-16-be": "utf-16be",
    "utf-16-le": "utf-16le",
    "utf-32": "utf-32",
    "utf-32-be": "utf-32be",
    "utf-32-le": "utf-32le",
    "utf-8": "utf-8",
    **{f"iso8859-{part}": f"iso-8859-{part}" for part in (*range(1, 12), 13, 14, 15, 16)},
    **{f"cp{page}": f"windows-{page}" for page in range(1250, 1259)},
}
_BIG_ENDIAN_UNMARKED = {
    "utf-16": ("utf-16-be", (b"\xff\xfe", b"\xfe\xff")),
    "utf-32": ("utf-32-be", (b"\xff\xfe\0\0", b"\0\0\xfe\xff")),
}


class ContentType(NamedTuple):
    """`text` is the normal form; `codec` Python's name of the character set, UTF-8 where none is declared."""

    text: str | None
    codec: str


@lru_cache(maxsize=256)
def parse(header: bytes | None) -> ContentType:
    """Never fails: what cannot be read is left out of the normal form."""
    text = (header or b"").decode("utf-8", "replace").lower()
    kind, semicolon, _ = text.partition(";")
    others, charset, codec = [], "", "utf-8"
    for name, value in _PARAMETER.findall(text[len(kind) :] if semicolon else ""):
        plain = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value.strip()
        if name != "charset":
            others.append(f'{name}="{_quotable(plain)}"')
        elif not charset and (known := _known(plain)):
            charset, codec = f"charset={known[0]}", known[1]
    return ContentType("; ".join(filter(None, (kind.strip(), *others, charset))) or None, codec)


def _quotable(text: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", text)


def _known(charset: str) -> tuple[str, str] | None:
    try:
        codec = codecs.lookup(charset).name
    except (LookupError, ValueError):
        return None
    preferred = _PREFERRED.get(codec)
    return (preferred, codec) if preferred else None


def decode(body: bytes, codec: str) -> str:
    """The text of a body: without its byte order mark, U+FFFD where bytes mean nothing."""
    if codec == "utf-8":
        return body.decode("utf-8", "replace").removeprefix("\ufeff")
    if codec in _BIG_ENDIAN_UNMARKED:
        unmarked, marks = _BIG_ENDIAN_UNMARKED[codec]
        codec = codec if body.startswith(marks) else unmarked
    return body.decode(codec, "replace")
