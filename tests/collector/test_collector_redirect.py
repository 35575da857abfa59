"""Where redirects may lead."""

import pytest

from collector.redirect import Redirect
from collector.settings import RedirectSettings

ALLOWED = Redirect(RedirectSettings(enabled=True, domains=("Example.com", "[2001:db8::1]", "127.0.0.1", "")))


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("u=https://example.com/", "https://example.com/"),
        ("u=https%3A%2F%2Fexample.com%2F%3Fa%3Db%26c%3Dd%23f", "https://example.com/?a=b&c=d#f"),
        ("x=1&u=http://EXAMPLE.com:8080", "http://EXAMPLE.com:8080"),
        ("u=https://example.com/&u=https://evil.example/", "https://example.com/"),
        ("a;u=https://example.com", "https://example.com"),
        ("u=https://[2001:db8::1]/", "https://[2001:db8::1]/"),
        ("u=https://127.0.0.1:1/x", "https://127.0.0.1:1/x"),
        ("u=https://example.com/caf%25C3%25A9", "https://example.com/caf%C3%A9"),
    ],
)
def test_allowed(query: str, target: str) -> None:
    assert ALLOWED.target(query.encode()) == target.encode()


@pytest.mark.parametrize(
    "u",
    [
        "",
        "%20",
        "/relative",
        "relative",
        "//example.com/",
        "%2F%2Fexample.com",
        "example.com",
        "https://",
        "https:///example.com",
        "https:example.com",
        "ftp://example.com/",
        "javascript:alert(1)//example.com",
        "data:text/html,x",
        "mailto:a@example.com",
        "https://evil.example/",
        "https://www.example.com/",
        "https://example.com.evil.example/",
        "https://example.com./",
        "https://user@example.com/",
        "https://example.com@evil.example/",
        "https://example.com%40evil.example/",
        "https://evil.example%5C@example.com/",
        "https://example.com%5C.evil.example/",
        "https://example.com%09/",
        "https://example.com/%0D%0AX-Injected:%201",
        "https://example.com/a%20b",
        "https://example.com/a+b",
        "https://example.com/%E9",
        "https://example.com/%7Bx%7D",
        "https://example.com/%25zz",
        "https://example.com:8x/",
        "https://exa%00mple.com/",
        "%00https://example.com/",
        "https://example.com%E3%80%82evil.example/",
    ],
)
def test_refused(u: str) -> None:
    assert ALLOWED.target(f"u={u}".encode()) is None


def test_an_empty_list_allows_nothing() -> None:
    assert Redirect(RedirectSettings(enabled=True)).target(b"u=https://example.com/") is None
