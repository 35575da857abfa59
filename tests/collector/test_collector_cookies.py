"""Finding cookies among malformed ones."""

import pytest

from collector.cookies import CookieFinder, CookieSetter, stored
from collector.settings import CookieSettings


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        (["sp=x"], "x"),
        (["a=b; sp=x; c=d"], "x"),
        (["a=b;sp=x"], "x"),
        (["a=b", "sp=x"], "x"),
        (["sp=x; sp=y"], "x"),
        (["bad; sp=x"], "x"),
        (["a@b=c; =d; sp=x;;"], "x"),
        (["sp = x "], "x"),
        (["sp="], ""),
        (['sp="x y"'], '"x y"'),
        (["Sp=x"], None),
        (["xsp=x"], None),
        (["a=sp=x"], None),
        (["sp"], None),
        ([], None),
    ],
)
def test_a_cookie_is_found_whatever_stands_around_it(lines: list[str], value: str | None) -> None:
    assert CookieFinder("sp")([line.encode() for line in lines]) == value


def test_names_are_no_patterns() -> None:
    assert CookieFinder("s.p")([b"sxp=1; s.p=2"]) == "2"


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b"a=b; c=d", "a=b;c=d"),
        (b"a; b=1;", "a;b=1"),
        (b'a="x"; b=1', "b=1"),
        (b"a=x\ty", None),
        (b"\xe2\x82\xac=1", None),
        (b"", None),
    ],
)
def test_what_is_stored_of_a_cookie_header(line: bytes, kept: str | None) -> None:
    assert stored(line) == (None if kept is None else f"Cookie: {kept}")


def test_ever_new_hosts_do_not_fill_the_memory() -> None:
    setter = CookieSetter(CookieSettings())
    for number in range(3_000):
        setter.set("v", f"h{number}.example")
    assert len(setter._tails) <= 1_000
