"""Referer parser: medium, source and search term of a referrer."""

import json
from pathlib import Path
from typing import Any

import pytest

from backbone.errors import ConfigurationError
from backbone.event import Event
from backbone.selfdescribing import parse_key
from enricher.assets import Assets
from enricher.enrichments import referer_parser
from enricher.enrichments.configuration import Configuration
from enricher.enrichments.protocol import Working
from enricher.enrichments.referer_parser import RefererParser
from enricher.urls import parse

KEY = parse_key("iglu:com.snowplowanalytics.snowplow/referer_parser/jsonschema/2-0-1")
SHIPPED = Path(__file__).parents[2] / "enrichments" / "assets" / "referers.json"
DATABASE = {
    "search": {
        "Find": {"domains": ["find.example", "find.example/deep/er"], "parameters": ["q", "query"]},
        "Find Pictures": {"domains": ["find.example/pictures"], "parameters": ["q"]},
        "Bare": {"domains": ["bare.example"], "parameters": None},
    },
    "social": {"Chat": {"domains": ["chat.example", "big.example/chat"]}},
    "email": {"Post": {"domains": ["com.example.post"], "utm_sources": ["post"]}},
    "unknown": {"Big": {"domains": ["big.example"]}},
}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    file = tmp_path / "referers.json"
    file.write_text(json.dumps(DATABASE))
    return file


def parsed(parser: RefererParser, referrer: str, page_host: str | None = "www.acme.example") -> tuple[str | None, ...]:
    """(medium, source, term), the referrer taken apart as the enricher does it."""
    working = Working(Event(), {}, [])
    event = working.event
    event.page_urlhost = page_host
    url = parse(referrer)
    assert url is not None
    event.refr_urlscheme, event.refr_urlhost = url.scheme, url.host
    event.refr_urlpath, event.refr_urlquery = url.path, url.query
    parser.enrich(working)
    return event.refr_medium, event.refr_source, event.refr_term


@pytest.mark.parametrize(
    ("referrer", "expected"),
    [
        pytest.param("http://find.example/?q=a+b%2Bc", ("search", "Find", "a b+c"), id="term"),
        pytest.param("http://find.example?q=x", ("search", "Find", "x"), id="no path"),
        pytest.param("http://www.find.example/any/where?query=x", ("search", "Find", "x"), id="subdomain and second parameter"),
        pytest.param("http://find.example/?z=1&query=x&q=y", ("search", "Find", "x"), id="first in the URL"),
        pytest.param("http://find.example/?q=", ("search", "Find", None), id="empty term"),
        pytest.param("http://find.example/?q=%0Agateway%09oracle", ("search", "Find", "gateway    oracle"), id="unsafe term"),
        pytest.param("http://find.example/?q=%zz", ("search", "Find", "%zz"), id="bad escape"),
        pytest.param("http://find.example/pictures/7?q=x", ("search", "Find Pictures", "x"), id="first segment"),
        pytest.param("http://find.example/deep/er?q=x", ("search", "Find", "x"), id="whole path"),
        pytest.param("http://find.example./?q=x", ("search", "Find", "x"), id="dot at the end"),
        pytest.param("http://bare.example/?q=x", ("search", "Bare", None), id="no parameters known"),
        pytest.param("http://m.chat.example/abc", ("social", "Chat", None), id="social"),
        pytest.param("http://big.example/chat/1", ("social", "Chat", None), id="path tells"),
        pytest.param("http://big.example/", ("unknown", "Big", None), id="known to be unknown"),
        pytest.param("android-app://com.example.post/", ("email", "Post", None), id="app"),
        pytest.param("http://www.acme.example/x", ("internal", None, None), id="page's own host"),
        pytest.param("http://shop.acme.example/x", ("internal", None, None), id="internal domain, trimmed"),
        pytest.param("http://sub.shop.acme.example/x", ("unknown", None, None), id="internal domains have no subdomains"),
        pytest.param("http://FIND.example/?q=x", ("unknown", None, None), id="case matters"),
        pytest.param("http://nobody.example/?q=x", ("unknown", None, None), id="nobody knows"),
        pytest.param("http://example/", ("unknown", None, None), id="one label"),
        pytest.param("ftp://find.example/?q=x", (None, None, None), id="other scheme"),
        pytest.param("mailto:x@find.example", (None, None, None), id="no host"),
        pytest.param("http://fi_nd.example/?q=x", (None, None, None), id="no legal host"),
    ],
)
def test_referrer(database: Path, referrer: str, expected: tuple[str | None, ...]) -> None:
    parser = RefererParser(KEY, database, {}, frozenset({"shop.acme.example"}))
    assert parsed(parser, referrer) == expected


def build(database: Path, **parameters: Any) -> RefererParser:
    given = {"internalDomains": [], "database": database.name, "uri": "file:.", **parameters}
    configuration = Configuration(database.parent / "referer_parser.json", KEY, {"enabled": True, "parameters": given})
    return referer_parser.build(configuration, Assets(None, database.parent))


def test_inline_referrers_win(database: Path) -> None:
    parser = build(database, referrers={"search": {"MyDomain": {"domains": ["acme.com", "find.example"]}}})
    assert parsed(parser, "http://www.acme.com?x") == ("search", "MyDomain", None)
    assert parsed(parser, "http://find.example/?q=x") == ("search", "MyDomain", None)


def test_internal_domains_are_trimmed(database: Path) -> None:
    assert parsed(build(database, internalDomains=[" a.acme.com "]), "http://a.acme.com/") == ("internal", None, None)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[]", "must be an object"),
        ('{"search": []}', "must be an object"),
        ('{"search": {"A": {}}}', "search / A: domains must be a list of strings"),
        ('{"search": {"A": {"domains": [1]}}}', "search / A: domains must be a list of strings"),
        ('{"search": {"A": {"domains": [], "parameters": "q"}}}', "search / A: parameters must be a list of strings"),
        ("{", "Expecting"),
    ],
)
def test_a_broken_database_is_a_fault_that_names_it(database: Path, content: str, problem: str) -> None:
    database.write_text(content)
    with pytest.raises(ConfigurationError, match=problem) as caught:
        build(database)
    assert (caught.value.faults[0].key, str(database) in str(caught.value)) == ("parameters.database", True)


@pytest.mark.parametrize(
    ("referrer", "medium", "source"),
    [
        ("https://www.google.com/", "search", "Google"),
        ("http://www.google.fr/imgres?q=Ogham", "search", "Google Images"),
        ("https://www.google.co.uk/search?q=x", "search", "Google"),
        ("https://duckduckgo.com/", "search", "DuckDuckGo"),
        ("http://www.facebook.com/l.php?u=x", "social", "Facebook"),
        ("http://psychicbazaar.tumblr.com/", "social", "Tumblr"),
        ("https://t.co/abc", "social", "X"),
        ("https://www.chatgpt.com", "chatbot", "ChatGPT"),
        ("https://mail.google.com/mail/u/0/", "email", "Gmail"),
        ("android-app://com.google.android.gm/", "email", "Gmail"),
        ("android-app://com.google.android.googlequicksearchbox/", "search", "Google"),
        ("https://docs.google.com/document", "unknown", "Google"),
        ("http://www.spyfu.com/domain.aspx?d=3", "unknown", None),
    ],
)
def test_the_list_we_ship(referrer: str, medium: str, source: str | None) -> None:
    assert parsed(RefererParser(KEY, SHIPPED, {}, frozenset()), referrer)[:2] == (medium, source)


def test_a_changed_database_is_in_effect_without_a_restart(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enricher.assets._LOOK_EVERY", 0.0)
    parser = RefererParser(KEY, database, {}, frozenset())
    assert parsed(parser, "http://new.example/") == ("unknown", None, None)
    database.write_text(json.dumps({"social": {"New": {"domains": ["new.example"]}}}))
    assert parsed(parser, "http://new.example/") == ("social", "New", None)
