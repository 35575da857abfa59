"""Cases of the enrichment specification: page and referrer URLs. The number of a case starts its test's id."""

from typing import Any
from urllib.parse import quote

import pytest

PARTS = ("scheme", "host", "port", "path", "query", "fragment")


def parts(event: dict[str, str], prefix: str = "page_url") -> tuple[str | None, ...]:
    return tuple(event.get(f"{prefix}{part}") for part in PARTS)


@pytest.mark.parametrize(
    ("url", "shown", "expected"),
    [
        ("http://a.example/c?x=1#f", None, ("http", "a.example", "80", "/c", "x=1", "f")),
        (
            "http://www.example.com/sp a ce",
            "http://www.example.com/sp%20a%20ce",
            ("http", "www.example.com", "80", "/sp%20a%20ce", None, None),
        ),
        ("http://h.com/a|b", "http://h.com/a%7Cb", ("http", "h.com", "80", "/a%7Cb", None, None)),
        ("http://h.com/%zz", "http://h.com/%25zz", ("http", "h.com", "80", "/%25zz", None, None)),
        ("https://www.lancs.ac.uk#footer", None, ("https", "www.lancs.ac.uk", "443", None, None, "footer")),
        ("http://www.ex_ample.com", None, ("http", None, "80", None, None, None)),
        ("myurl", None, (None, None, "80", "myurl", None, None)),
        ("HTTPS://H.com/", None, ("HTTPS", "H.com", "80", "/", None, None)),
        ("http://ex_ample.com:8080/a", None, ("http", None, "80", "/a", None, None)),
        ("http://[2001:db8::1]:8080/p", None, ("http", "[2001:db8::1]", "8080", "/p", None, None)),
        ("http://user:pw@h.com:81/", None, ("http", "h.com", "81", "/", None, None)),
        ("http://1.2.3/p", None, ("http", None, "80", "/p", None, None)),
        ("http://1.2.3.256/p", None, ("http", None, "80", "/p", None, None)),
        ("http://bücher.example/x", None, ("http", None, "80", "/x", None, None)),
        ("http://a..b/", None, ("http", None, "80", "/", None, None)),
        ("http://h.com:99999/x", None, ("http", "h.com", "99999", "/x", None, None)),
        ("http://h.com:9999999999/x", None, ("http", None, "80", "/x", None, None)),
        ("http:///x", None, ("http", None, "80", "/x", None, None)),
        ("mailto:a@b.example", None, ("mailto", None, "80", None, None, None)),
        ("about:blank", None, ("about", None, "80", None, None, None)),
        ("//h.com/p", None, (None, "h.com", "80", "/p", None, None)),
        ("http://h.com/中文?q=日#é", None, ("http", "h.com", "80", "/中文", "q=日", "é")),
        ("http://h.com/\u00a0x", "http://h.com/%C2%A0x", ("http", "h.com", "80", "/%C2%A0x", None, None)),
        ("http://h.com/#a#b", "http://h.com/#a%23b", ("http", "h.com", "80", "/", None, "a%23b")),
        ("1http://x.example", "1http%3A//x.example", (None, None, "80", "1http%3A//x.example", None, None)),
        (
            "http://h.com/[x]!?y=[1]",
            "http://h.com/%5Bx%5D%21?y=%5B1%5D",
            ("http", "h.com", "80", "/%5Bx%5D%21", "y=%5B1%5D", None),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_64_to_70_a_page_url_is_taken_apart(get: Any, url: str, shown: str | None, expected: tuple[str | None, ...]) -> None:
    event = get(f"url={quote(url, safe='')}").event
    assert event["page_url"] == (shown or url)
    assert parts(event) == expected


def test_64_without_a_url_the_referer_header_is_the_page(get: Any) -> None:
    event = get(referer_uri="http://a.b/c").event
    assert event["page_url"] == "http://a.b/c"
    assert parts(event) == ("http", "a.b", "80", "/c", None, None)


def test_64_an_empty_url_is_none(get: Any) -> None:
    assert get("url=", referer_uri="http://a.b/c").event["page_url"] == "http://a.b/c"


def test_ours_an_empty_referer_has_no_port(get: Any) -> None:
    assert parts(get(referer_uri="").event) == (None,) * 6


def test_65_a_referrer_is_taken_apart_and_left_as_it_is(get: Any) -> None:
    event = get(f"refr={quote('http://h.com/sp a ce')}").event
    assert event["page_referrer"] == "http://h.com/sp a ce"
    assert parts(event, "refr_url") == ("http", "h.com", "80", "/sp%20a%20ce", None, None)


@pytest.mark.parametrize("url", ["http://", "http://[bad/p", "http://h.com\\x", "http:"])
@pytest.mark.parametrize("parameter", ["url", "refr"])
def test_a_url_that_no_repair_helps_is_an_enrichment_failure(get: Any, parameter: str, url: str) -> None:
    found = get(f"{parameter}={quote(url, safe='')}")
    assert found.kinds == ["enrichment_failures"]
    assert found.messages[0]["enrichment"] is None
    assert "error" in found.messages[0]["message"]


def test_both_urls_can_fail_the_latest_first(get: Any) -> None:
    found = get("url=http%3A%2F%2F&refr=http%3A%2F%2F")
    assert [("referrer" in message["message"]["error"]) for message in found.messages] == [True, False]


@pytest.mark.parametrize(
    ("linked", "user", "moment"),
    [
        ("abc.1426245561368", "abc", "2015-03-13 11:19:21.368"),
        ("abc", "abc", None),
        ("abc.", "abc", None),
        (".1426245561368", None, "2015-03-13 11:19:21.368"),
        ("a.1.2.3.4.5.6.7", None, None),
        ("", None, None),
    ],
)
def test_71_a_link_from_another_domain_names_its_user(get: Any, linked: str, user: str | None, moment: str | None) -> None:
    event = get(f"url={quote(f'http://x.example/?_sp=first.1&_sp={linked}', safe='')}").event
    assert (event.get("refr_domain_userid"), event.get("refr_dvce_tstamp")) == (user, moment)


def test_72_a_link_whose_time_is_none_fails(get: Any) -> None:
    found = get(f"url={quote('http://x.example/?_sp=abc.not-a-timestamp', safe='')}")
    assert found.messages[0]["message"]["field"] == "sp_dtm"
    assert found.failed[0]["refr_domain_userid"] == "abc"
