"""Which origins are echoed."""

import pytest

from collector.cors import Cors
from collector.settings import CorsSettings

CREDENTIALS = (b"access-control-allow-credentials", b"true")


@pytest.mark.parametrize(
    ("origin", "echoed", "host"),
    [
        ("https://shop.example", "https://shop.example", "shop.example"),
        ("HTTP://A.Example:8080", "HTTP://A.Example:8080", "a.example"),
        ("http://[2001:db8::1]:80", "http://[2001:db8::1]:80", "[2001:db8::1]"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef", "abcdef"),
        ("http://a.example http://b.example", "http://a.example", "a.example"),
        ("garbage http://b.example", "http://b.example", "b.example"),
        ("null http://b.example", "http://b.example", "b.example"),
        ("null", "null", None),
        ("file://", "file://", None),
    ],
)
def test_well_formed_origins_are_echoed_with_credentials(origin: str, echoed: str, host: str | None) -> None:
    answer = Cors(CorsSettings()).origin(origin.encode())
    assert (b"access-control-allow-origin", echoed.encode()) in answer.headers
    assert CREDENTIALS in answer.headers
    assert answer.host == host


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "*",
        "garbage",
        "//a.example",
        "https://a.example/",
        "https://a.example/p?x=1",
        "https://user@a.example",
        "https://a.example:x",
        "http://a.example,http://b.example",
        "null null",
        "NULL",
        "https://é.example",
        "https://a.example\r\nX: y",
        "https://",
    ],
)
def test_anything_else_gets_the_wildcard_and_no_credentials(origin: str) -> None:
    answer = Cors(CorsSettings()).origin(origin.encode())
    assert answer.headers == ((b"access-control-allow-origin", b"*"), (b"vary", b"Origin"))
    assert answer.host is None


def test_every_answer_that_depends_on_the_origin_says_so() -> None:
    cors = Cors(CorsSettings())
    for origin in (None, b"https://a.example", b"garbage"):
        assert (b"vary", b"Origin") in cors.origin(origin).headers


@pytest.mark.parametrize(("seconds", "header"), [(3600, b"3600"), (1.5, b"1"), (0, b"0"), (-1, b"-1")])
def test_preflights_may_be_remembered(seconds: float, header: bytes) -> None:
    assert (b"access-control-max-age", header) in Cors(CorsSettings(max_age=seconds)).preflight


def test_ever_new_origins_do_not_fill_the_memory() -> None:
    cors = Cors(CorsSettings())
    for number in range(5_000):
        cors.origin(b"https://a%d.example" % number)
    assert len(cors._seen) <= 1_000
