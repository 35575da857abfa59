"""The test cases of the collector's specification, by number: routes, redirects, what is stored. Where ours deviates on purpose,
what ours does.

Cases 22 to 39 and 44 to 48 are in test_collector_cases_identity, 52 to 58 in test_collector_size_limits; 49, 60 and 61 in
test_collector_publish and test_collector_process. Case 51 (partition key) and 62 (sink buffers) concern buses that have such.
"""

from collections.abc import Callable
from time import time
from typing import Any

import pytest

TP2 = "/com.snowplowanalytics.snowplow/tp2"
JSON = ("Content-Type", "application/json")
B = "8d6a5c1e-3a4b-4f6d-9c2e-1b7a0e5f4d3c"

Make = Callable[..., Any]


def test_01_health(inside: Make) -> None:
    app = inside()
    answer = app.ask("GET", "/health")
    assert (answer.status, answer.body, answer.one("content-type")) == (200, b"ok", "text/plain; charset=UTF-8")
    assert app.payloads == []


def test_02_robots(inside: Make) -> None:
    app = inside()
    expected = b"User-agent: *\nDisallow: /\n\nUser-agent: Googlebot\nDisallow: /\n\nUser-agent: AdsBot-Google\nDisallow: /"
    assert app.ask("GET", "/robots.txt").body == expected
    assert app.payloads == []


@pytest.mark.parametrize("path", ["/i", "/health", "/p3/p4", TP2, "/nothing", "/"])
def test_03_preflight_of_any_path(inside: Make, path: str) -> None:
    app = inside()
    answer = app.ask("OPTIONS", path, [("Origin", "https://shop.example")])
    assert (answer.status, answer.body) == (200, b"")
    assert answer.one("access-control-allow-origin") == "https://shop.example"
    assert answer.one("access-control-allow-credentials") == "true"
    assert answer.one("access-control-allow-headers") == "Content-Type, SP-Anonymous"
    assert app.payloads == []


def test_04_preflight_without_origin(inside: Make) -> None:
    answer = inside().ask("OPTIONS", TP2)
    assert answer.one("access-control-allow-origin") == "*"
    assert answer.one("access-control-allow-credentials") == "true"
    assert answer.one("access-control-allow-headers") == "Content-Type, SP-Anonymous"
    assert answer.one("access-control-max-age") == "3600"


def test_05_first_of_several_origins_is_echoed(inside: Make) -> None:
    answer = inside().ask("POST", TP2, [("Origin", "http://origin.com http://otherorigin.com:8080")], b"{}")
    assert answer.one("access-control-allow-origin") == "http://origin.com"


def test_06_post_is_stored(inside: Make) -> None:
    app = inside()
    answer = app.ask("POST", "/p3/p4", [JSON], b"testBody")
    assert (answer.status, answer.body, answer.one("content-type")) == (200, b"ok", "text/plain")
    assert (app.payload.path, app.payload.body, app.payload.content_type) == ("/p3/p4", "testBody", "application/json")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_07_get_and_head_store_no_body(inside: Make, method: str) -> None:
    app = inside()
    answer = app.ask(method, "/p3/p4", [JSON], b"testBody")
    assert (answer.status, answer.one("content-type")) == (200, "image/gif")
    assert (app.payload.body, app.payload.content_type) == (None, None)


@pytest.mark.parametrize("path", ["/i", "/ice.png"])
def test_08_pixel_paths(inside: Make, path: str) -> None:
    app = inside()
    answer = app.ask("GET", path)
    assert (answer.status, answer.one("content-type")) == (200, "image/gif")
    assert app.payload.path == path


def test_09_pixel_and_its_caching(inside: Make) -> None:
    answer = inside().ask("GET", "/i")
    assert answer.one("cache-control") == "no-cache, no-store, must-revalidate"
    assert answer.body.startswith(b"GIF89a")
    assert len(answer.body) == 43


def test_10_post_says_nothing_of_caching(inside: Make) -> None:
    assert inside().ask("POST", TP2, [JSON], b"{}").all("cache-control") == []


def test_11_webhook_form_is_stored_verbatim(inside: Make) -> None:
    app = inside()
    form, query = b"user=6353af9b&name=hello+world", "schema=iglu%3Acom.acme%2Fcampaign%2Fjsonschema%2F1-0-0"
    app.ask("POST", f"/com.snowplowanalytics.iglu/v1?{query}", [("Content-Type", "application/x-www-form-urlencoded")], form)
    assert (app.payload.body, app.payload.querystring) == (form.decode(), query)
    assert app.payload.content_type == "application/x-www-form-urlencoded"


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT"])
def test_12_redirects_are_off_by_default(inside: Make, method: str) -> None:
    app = inside()
    answer = app.ask(method, "/r/abc?u=https://a.example/", [("Origin", "https://shop.example")])
    assert (answer.status, answer.body) == (404, b"redirects disabled")
    assert answer.one("access-control-allow-origin") == "https://shop.example"
    assert app.payloads == []


@pytest.mark.parametrize(("query", "status"), [("?u=https://a.example/", 302), ("", 400)])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_13_redirects_are_stored(inside: Make, method: str, query: str, status: int) -> None:
    app = inside(redirects={"enabled": True, "domains": ["a.example"]})
    assert app.ask(method, f"/r/abc{query}").status == status
    assert app.payload.path == "/r/abc"


def test_14_allowed_redirect(inside: Make) -> None:
    app = inside(redirects={"enabled": True, "domains": ["snowplow.acme.com"]})
    answer = app.ask("GET", "/r/tp2?u=https://snowplow.acme.com/12")
    assert (answer.status, answer.one("location"), answer.body) == (302, "https://snowplow.acme.com/12", b"")
    assert len(answer.all("set-cookie")) == 1
    assert len(app.payloads) == 1


@pytest.mark.parametrize(
    "query",
    ["", "?u=", "?u=https://invalidexample1.com/12", "?v=https://snowplow.acme.com/"],
    ids=["15-none", "15-empty", "16-elsewhere", "15-other-name"],
)
def test_15_16_refused_redirect_is_still_stored(inside: Make, query: str) -> None:
    app = inside(redirects={"enabled": True, "domains": ["snowplow.acme.com"]})
    assert app.ask("GET", f"/r/tp2{query}").status == 400
    assert len(app.payloads) == 1


def test_17_without_allow_list_nobody_is_sent_anywhere(inside: Make) -> None:
    app = inside(redirects={"enabled": True})
    assert app.ask("GET", "/r/tp2?u=https://unknown.example/12").status == 400
    assert len(app.payloads) == 1


@pytest.mark.parametrize(
    ("path", "stored", "status"),
    [("/acme/track", TP2, 200), ("/acme/redirect", "/r/tp2", 400), ("/acme/iglu", "/com.snowplowanalytics.iglu/v1", 200)],
)
def test_18_own_paths(inside: Make, path: str, stored: str, status: int) -> None:
    app = inside(paths={"/acme/track": TP2, "/acme/redirect": "/r/tp2", "/acme/iglu": "/com.snowplowanalytics.iglu/v1"})
    assert app.ask("POST", path, [JSON], b"{}").status == status
    assert app.payload.path == stored


def test_19_root_answer(inside: Make) -> None:
    assert inside().ask("GET", "/").status == 404
    app = inside(root={"enabled": True, "status": 303, "headers": {"Location": "https://a.example/"}, "body": "moved"})
    answer = app.ask("GET", "/?x=1")
    assert (answer.status, answer.one("location"), answer.body) == (303, "https://a.example/", b"moved")
    assert app.payloads == []


def test_20_crossdomain_policy(inside: Make) -> None:
    assert inside().ask("GET", "/crossdomain.xml").status == 404
    answer = inside(crossdomain={"enabled": True, "domains": ["*.acme.example", "b.example"]}).ask("GET", "/crossdomain.xml")
    assert (answer.status, answer.one("content-type")) == (200, "text/xml")
    assert answer.body.decode().split("\n") == [
        '<?xml version="1.0"?>',
        "<cross-domain-policy>",
        '<allow-access-from domain="*.acme.example" secure="true" />',
        '<allow-access-from domain="b.example" secure="true" />',
        "</cross-domain-policy>",
    ]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/i"), ("GET", "/health"), ("GET", "/unknown"), ("OPTIONS", "/i"), ("POST", "/a/b")]
)
def test_21_hsts_on_everything(inside: Make, method: str, path: str) -> None:
    header = "strict-transport-security"
    assert inside().ask(method, path).all(header) == []
    answer = inside(hsts={"enabled": True, "max_age": 180 * 86400}).ask(method, path)
    assert answer.all(header) == ["max-age=15552000; includeSubDomains"]


def test_40_everything_is_stored(inside: Make) -> None:
    app = inside()
    headers = [
        ("User-Agent", "agent"),
        ("Referer", "https://shop.example/page?x=1"),
        ("content-type", "Application/JSON;charset=UTF-8"),
        ("X-Forwarded-For", "192.0.2.3"),
        ("cookie", f"sp={B}; c2=v2"),
        ("X-Custom", "a:b"),
    ]
    before = time() * 1000
    app.ask("POST", f"{TP2}?a=b", headers, b'{"a":1}')
    payload = app.payload
    assert payload.schema == "iglu:com.snowplowanalytics.snowplow/CollectorPayload/thrift/1-0-0"
    assert (payload.encoding, payload.collector, payload.hostname) == ("UTF-8", "ssc-0.0.0-t", None)
    assert (payload.user_agent, payload.referer_uri) == ("agent", "https://shop.example/page?x=1")
    assert (payload.path, payload.querystring, payload.body) == (TP2, "a=b", '{"a":1}')
    assert (payload.ip_address, payload.network_user_id) == ("192.0.2.3", B)
    assert payload.content_type == "application/json; charset=utf-8"
    assert payload.headers == [
        "User-Agent: agent",
        "Referer: https://shop.example/page?x=1",
        "content-type: Application/JSON;charset=UTF-8",
        "X-Forwarded-For: 192.0.2.3",
        f"Cookie: sp={B};c2=v2",
        "X-Custom: a:b",
        "application/json; charset=utf-8",
    ]
    assert before - 1 <= payload.timestamp <= time() * 1000


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        pytest.param("name=value", ["Cookie: name=value"], id="41-name-of-the-header"),
        pytest.param(" name = value ", ["Cookie: name=value"], id="42-spaces"),
        pytest.param('{"key": "value"};a=b;c=d', ["Cookie: a=b;c=d"], id="43-json-first"),
        pytest.param('a=b;{"key": "value"};c=d', ["Cookie: a=b;c=d"], id="43-json-inside"),
        pytest.param('a=b;c=d;{"key": "value"}', ["Cookie: a=b;c=d"], id="43-json-last"),
        pytest.param('{"key": "value"}', [], id="43-json-alone"),
        pytest.param("a=caf\u00e9; b=1", ["Cookie: b=1"], id="not-ascii"),
    ],
)
def test_41_to_43_stored_cookies(inside: Make, value: str, stored: list[str]) -> None:
    app = inside()
    app.ask("GET", "/i", [("cookie", value)])
    assert app.payload.headers == stored


def test_50_body_over_the_limit_is_accepted_and_becomes_a_bad_row(inside: Make) -> None:
    app = inside(limits={"body_bytes": 10})
    answer = app.ask("POST", TP2, [JSON, ("Origin", "https://shop.example")], [b"x" * 600, b"x" * 400])
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.one("access-control-allow-origin") == "https://shop.example"
    assert app.payloads == []
    (row,) = app.bad
    assert row["schema"] == "iglu:com.snowplowanalytics.snowplow.badrows/size_violation/jsonschema/1-0-0"
    failure = row["data"]["failure"]
    assert (failure["maximumAllowedSizeBytes"], failure["actualSizeBytes"]) == (10, 1000)


def test_50_body_below_the_limit(inside: Make) -> None:
    app = inside(limits={"body_bytes": 1002})
    app.ask("POST", TP2, [JSON], [b"x" * 600, b"y" * 400])
    assert app.payload.body == "x" * 600 + "y" * 400


def test_59_many_posts_at_once(inside: Make) -> None:
    app = inside(limits={"record_bytes": 10_000, "payload_bytes": 100_000, "body_bytes": 200_000})
    bodies = [b"foo"] * 100 + [b"s" * 20_000] * 10
    answers = app.ask_together([("POST", TP2, [JSON], body, ("192.0.2.2", 1), {}) for body in bodies])
    assert {answer.status for answer in answers} == {200}
    assert (len(app.payloads), len(app.bad)) == (100, 10)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/i", 404), ("HEAD", "/health", 200), ("PUT", "/a/b", 404), ("GET", "/a/b/c", 404), ("HEAD", "/", 404)]
    + [("GET", path, 404) for path in ("/i/", "//i", "/health/", "//", "/a//", "/a/b/", "/a")]
    + [("HEAD", path, 200) for path in ("/sink-health", "/robots.txt")],
)
def test_63_routes(inside: Make, method: str, path: str, status: int) -> None:
    app = inside()
    answer = app.ask(method, path, [("Origin", "https://shop.example")], b"{}")
    assert answer.status == status
    assert app.payloads == []
    if status == 404:
        assert answer.one("access-control-allow-origin") == "https://shop.example"


@pytest.mark.parametrize(
    ("content_type", "body", "stored"),
    [
        pytest.param(None, b"\xc0\xc1\xf5", "\ufffd\ufffd\ufffd", id="65-no-utf8"),
        pytest.param(None, b"\xef\xbb\xbf{}", "{}", id="byte-order-mark"),
        pytest.param("text/plain; charset=iso-8859-1", b"caf\xe9", "caf\u00e9", id="latin1"),
        pytest.param("text/plain; charset=utf-16", "caf\u00e9".encode("utf-16-be"), "caf\u00e9", id="utf-16-unmarked"),
        pytest.param("text/plain; charset=utf-16", "caf\u00e9".encode("utf-16"), "caf\u00e9", id="utf-16-marked"),
        pytest.param("text/plain; charset=us-ascii", b"caf\xe9", "caf\ufffd", id="not-in-its-charset"),
        pytest.param("text/plain; charset=bogus", "caf\u00e9".encode(), "caf\u00e9", id="unknown-charset"),
    ],
)
def test_65_bodies_are_stored_as_text(inside: Make, content_type: str | None, body: bytes, stored: str) -> None:
    app = inside()
    app.ask("POST", "/com.acme/v1", [("Content-Type", content_type)] if content_type else [], body)
    assert app.payload.body == stored
