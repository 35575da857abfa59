"""Normal forms of content types."""

import pytest

from collector.content_type import decode, parse


@pytest.mark.parametrize(
    ("header", "text", "codec"),
    [
        (None, None, "utf-8"),
        (b"", None, "utf-8"),
        (b"application/json", "application/json", "utf-8"),
        (b"Application/JSON;charset=UTF-8", "application/json; charset=utf-8", "utf-8"),
        (b"application/json ; Charset = utf8 ", "application/json; charset=utf-8", "utf-8"),
        (b'application/json; charset="utf-8"', "application/json; charset=utf-8", "utf-8"),
        (b"application/json;", "application/json", "utf-8"),
        (b"application/json; charset=", "application/json", "utf-8"),
        (b"application/json; charset=bogus", "application/json", "utf-8"),
        (b"application/json; charset=base64", "application/json", "utf-8"),
        (b"application/json; charset=\0", "application/json", "utf-8"),
        (b"text/plain; charset=latin1", "text/plain; charset=iso-8859-1", "iso8859-1"),
        (b"text/plain; charset=cp1252; charset=utf-8", "text/plain; charset=windows-1252", "cp1252"),
        (b"a/b; charset=utf-8; X=y", 'a/b; x="y"; charset=utf-8', "utf-8"),
        (b'a/b; x="y; z=\\"q\\""', 'a/b; x="y; z=\\"q\\""', "utf-8"),
        (b"garbage", "garbage", "utf-8"),
        (b"*/*", "*/*", "utf-8"),
        (b"a/b; lonely; c=d", 'a/b; c="d"', "utf-8"),
    ],
)
def test_normal_form(header: bytes | None, text: str | None, codec: str) -> None:
    assert parse(header) == (text, codec)


@pytest.mark.parametrize(
    "charset", ["utf-8", "utf-16", "utf-16le", "utf-32", "iso-8859-15", "windows-1251", "shift_jis", "big5", "gbk", "koi8-r"]
)
def test_whatever_the_bytes_a_body_becomes_text(charset: str) -> None:
    codec = parse(f"a/b; charset={charset}".encode()).codec
    assert parse(f"a/b; charset={charset}".encode()).text == f"a/b; charset={charset}"
    for data in (b"", b"\0", bytes(range(256)), b"\xff\xfe\x00", b"\xfe\xff\xd8\x00"):
        decode(data, codec).encode("utf-8")
