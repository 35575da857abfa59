"""The test cases of the collector's specification, by number; where ours deviates on purpose, what ours does.

Cases 52 to 58 are in test_collector_size_limits, 49, 50, 60, 61 and 63 also in test_collector_connection and
test_collector_process. Case 51 (partition key) and 62 (sink buffers) concern buses that have such.
"""

import re
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

import pytest

TP2 = "/com.snowplowanalytics.snowplow/tp2"
JSON = ("Content-Type", "application/json")
A, B = "2f0b9d77-1c52-4e0e-8a41-6b3d9c8e7f10", "8d6a5c1e-3a4b-4f6d-9c2e-1b7a0e5f4d3c"
ZEROS = "00000000-0000-0000-0000-000000000000"
UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
YEAR = 31_536_000

Make = Callable[..., Any]


def cookie(answer: Any) -> tuple[str, list[str], float]:
    """Name and value, attributes without Expires, and in how many seconds it expires."""
    pair, *attributes = answer.one("set-cookie").split("; ")
    expires = next(attribute for attribute in attributes if attribute.startswith("Expires="))
    moment = parsedate_to_datetime(expires.removeprefix("Expires=")).timestamp()
    return pair, [attribute for attribute in attributes if attribute != expires], moment - time()


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


def test_22_a_fresh_id_and_its_cookie(inside: Make) -> None:
    app = inside()
    pair, attributes, lifetime = cookie(app.ask("POST", TP2, [JSON], b"{}"))
    assert re.fullmatch(f"sp={UUID4}", pair)
    assert attributes == ["Path=/", "SameSite=None", "Secure", "HttpOnly"]
    assert lifetime == pytest.approx(YEAR, abs=5)
    assert pair == f"sp={app.payload.network_user_id}"


def test_22_fresh_ids_differ(inside: Make) -> None:
    app = inside()
    for _ in range(50):
        app.ask("GET", "/i")
    ids = [payload.network_user_id for payload in app.payloads]
    assert len(set(ids)) == 50
    assert all(re.fullmatch(UUID4, each) for each in ids)


def test_23_a_returning_visitor_keeps_the_id(inside: Make) -> None:
    app = inside()
    pair, _, lifetime = cookie(app.ask("POST", TP2, [JSON, ("Cookie", f"sp={B}")], b"{}"))
    assert pair == f"sp={B}"
    assert lifetime == pytest.approx(YEAR, abs=5)
    assert app.payload.network_user_id == B


def test_24_nuid_beats_the_cookie(inside: Make) -> None:
    app = inside()
    pair, *_ = cookie(app.ask("GET", f"/i?e=pv&nuid={A}", [("Cookie", f"sp={B}")]))
    assert pair == f"sp={A}"
    assert app.payload.network_user_id == A


@pytest.mark.parametrize("nuid", ["", "abc", "%0D%0ASet-Cookie:x=y", A + "x", "%E9", A.replace("-", "")])
def test_24_a_nuid_that_is_no_uuid_is_ignored(inside: Make, nuid: str) -> None:
    app = inside()
    pair, *_ = cookie(app.ask("GET", f"/i?nuid={nuid}", [("Cookie", f"sp={B}")]))
    assert pair == f"sp={B}"


def test_25_cookie_attributes_as_configured(inside: Make) -> None:
    app = inside(cookie={"name": "greatName", "expiration": 42 * 86400, "same_site": "Strict"})
    pair, attributes, lifetime = cookie(app.ask("GET", "/i"))
    assert re.fullmatch(f"greatName={UUID4}", pair)
    assert attributes == ["Path=/", "SameSite=Strict", "Secure", "HttpOnly"]
    assert lifetime == pytest.approx(42 * 86400, abs=5)


@pytest.mark.parametrize(
    ("same_site", "attributes"),
    [("None", ["Path=/", "SameSite=None", "Secure"]), ("lax", ["Path=/", "SameSite=Lax"]), ("", ["Path=/"])],
    ids=["26-none-forces-secure", "lax", "left-out"],
)
def test_26_insecure_cookies(inside: Make, same_site: str, attributes: list[str]) -> None:
    app = inside(cookie={"secure": False, "http_only": False, "same_site": same_site})
    assert cookie(app.ask("GET", "/i"))[1] == attributes


def test_27_no_cookie(inside: Make) -> None:
    app = inside(cookie={"enabled": False})
    assert app.ask("POST", TP2, [JSON, ("Cookie", f"sp={B}")], b"{}").all("set-cookie") == []
    assert app.payload.network_user_id == B


FOO = {"domains": ["foo.bar", "sub.foo.bar", ".dot.example", "SNPLOW.com"]}
FALLBACK = {**FOO, "fallback_domain": "fallback.domain"}


@pytest.mark.parametrize(
    ("settings", "origin", "domain"),
    [
        pytest.param(FOO, "http://sub.foo.bar", "foo.bar", id="28-order-of-the-settings"),
        pytest.param(FALLBACK, "http://foreign.example", "fallback.domain", id="29-foreign"),
        pytest.param(FALLBACK, None, "fallback.domain", id="29-no-origin"),
        pytest.param({}, "http://sub.foo.bar", None, id="30-no-domains"),
        pytest.param(FOO, "http://foreign.example", None, id="30-no-fallback"),
        pytest.param(FOO, "https://blog.snplow.com.snplow.com", "SNPLOW.com", id="31-suffix"),
        pytest.param(FOO, "https://notsnplow.com", None, id="31-not-at-a-dot"),
        pytest.param(FOO, "https://blog.snplow.comsnplow.com", None, id="31-inside"),
        pytest.param(FOO, "https://A.Foo.Bar:8443", "foo.bar", id="case-and-port"),
        pytest.param(FOO, "https://a.dot.example", ".dot.example", id="leading-dot"),
    ],
)
def test_28_to_31_cookie_domain(inside: Make, settings: dict[str, Any], origin: str | None, domain: str | None) -> None:
    app = inside(cookie=settings)
    attributes = cookie(app.ask("GET", "/i", [("Origin", origin)] if origin else []))[1]
    assert [each for each in attributes if each.startswith("Domain=")] == ([f"Domain={domain}"] if domain else [])


def test_32_client_cookie(inside: Make) -> None:
    answer = inside(cookie={"client_name": "sp_client"}).ask("GET", "/i", [("Cookie", f"sp={B}")])
    main, client = answer.all("set-cookie")
    assert main.startswith(f"sp={B}; ")
    assert client == main.replace("sp=", "sp_client=").removesuffix("; HttpOnly")


@pytest.mark.parametrize("settings", [{}, {"client_name": "sp_client"}], ids=["33", "35-client-cookie"])
def test_33_35_anonymous_clears_cookies(inside: Make, settings: dict[str, Any]) -> None:
    app = inside(cookie=settings)
    answer = app.ask("POST", TP2, [JSON, ("SP-Anonymous", "*"), ("Cookie", f"sp={B}")], b"{}")
    cleared = answer.all("set-cookie")
    assert len(cleared) == 1 + len(settings)
    for name, header in zip(["sp", "sp_client"], cleared, strict=False):
        pair, expires, *_ = header.split("; ")
        assert pair == f"{name}="
        assert parsedate_to_datetime(expires.removeprefix("Expires=")).timestamp() == pytest.approx(time() - YEAR, abs=5)
    assert app.payload.network_user_id == ZEROS


def test_34_anonymous_without_cookie(inside: Make) -> None:
    assert inside().ask("GET", "/i", [("sp-anonymous", "")]).all("set-cookie") == []


def test_36_anonymous_beats_nuid(inside: Make) -> None:
    app = inside()
    app.ask("GET", f"/i?nuid={A}", [("SP-Anonymous", "*")])
    assert app.payload.network_user_id == ZEROS


REVEALING = ["X-Forwarded-For", "x-real-ip", "Cookie", "COOKIE", "Forwarded", "CF-Connecting-IP", "True-Client-IP", "X-Client-IP"]


def test_37_anonymous_stores_nothing_that_reveals_the_client(inside: Make) -> None:
    app = inside()
    kept = [("User-Agent", "u"), ("SP-Anonymous", "*"), ("X-Forwarded-Host", "h"), ("Referer", "https://a.example/")]
    app.ask("POST", TP2, [*kept, *((name, "192.0.2.4") for name in REVEALING), JSON], b"{}")
    assert app.payload.ip_address == "unknown"
    assert app.payload.headers == [*(f"{name}: {value}" for name, value in [*kept, JSON]), "application/json"]


@pytest.mark.parametrize(
    ("headers", "address"), [([("X-Forwarded-For", "192.0.2.4")], "192.0.2.4"), ([], "192.0.2.2")], ids=["38", "39"]
)
def test_38_39_client_address(inside: Make, headers: list[tuple[str, str]], address: str) -> None:
    app = inside()
    app.ask("GET", "/i", headers)
    assert app.payload.ip_address == address
    assert app.payload.headers == [f"{name}: {value}" for name, value in headers]


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


DNT = {"enabled": True, "name": "foo", "value": "bar"}


@pytest.mark.parametrize(
    ("settings", "cookies", "tracked"),
    [
        pytest.param(DNT, "foo=foo", True, id="44-other-value"),
        pytest.param(DNT, "bar=bar", True, id="44-other-name"),
        pytest.param(DNT, "foo=bar", False, id="44-match"),
        pytest.param(DNT, "odd; foo=bar", False, id="beside-a-malformed-one"),
        pytest.param({**DNT, "enabled": False}, "foo=bar", True, id="45-off"),
        pytest.param({**DNT, "value": "^snowplow-(.*)$"}, "foo=lorem-1p5uM", True, id="46-regex"),
        pytest.param({**DNT, "value": "^(.*)$"}, "foo=lorem-1p5uM", False, id="46-regex-match"),
        pytest.param({**DNT, "value": "ba"}, "foo=bar", True, id="whole-value"),
    ],
)
def test_44_to_46_do_not_track(inside: Make, settings: dict[str, Any], cookies: str, tracked: bool) -> None:
    app = inside(do_not_track=settings)
    answer = app.ask("GET", "/i", [("Cookie", cookies)])
    assert (answer.status, len(answer.body)) == (200, 43)
    assert len(app.payloads) == len(answer.all("set-cookie")) == int(tracked)


BOUNCE = {"enabled": True, "forwarded_protocol_header": "X-Forwarded-Proto"}


@pytest.mark.parametrize(
    ("target", "location"),
    [("/i?e=pv", "/i?e=pv&n3pc=true"), ("/i", "/i?n3pc=true"), ("/a/b?x=%2F;y=[1]&z=a+b", "/a/b?x=%2F;y=[1]&z=a+b&n3pc=true")],
)
def test_47_bounce(inside: Make, target: str, location: str) -> None:
    app = inside(bounce=BOUNCE)
    answer = app.ask("GET", target)
    assert (answer.status, answer.one("location"), answer.body) == (302, location, b"")
    assert re.match(f"sp={UUID4};", answer.one("set-cookie"))
    assert app.payloads == []


@pytest.mark.parametrize(("protocol", "prefix"), [("https", "https:"), ("ftp", ""), (None, "")])
def test_47_bounce_of_a_full_address(inside: Make, protocol: str | None, prefix: str) -> None:
    headers = [("X-Forwarded-Proto", protocol)] if protocol else []
    answer = inside(bounce=BOUNCE).ask("GET", "/i?e=pv", headers, **{"snowmelt.authority": b"other.example:81"})
    assert answer.one("location") == f"{prefix}//other.example:81/i?e=pv&n3pc=true"


@pytest.mark.parametrize(
    ("query", "cookies", "user"),
    [
        (f"nuid={A}", "", A),
        ("n3pc=true", "", "00000000-0000-4000-A000-000000000000"),
        ("n3pc=true", f"sp={B}", B),
        ("e=pv", f"sp={B}", B),
    ],
)
def test_48_no_bounce(inside: Make, query: str, cookies: str, user: str) -> None:
    app = inside(bounce=BOUNCE)
    answer = app.ask("GET", f"/i?{query}", [("Cookie", cookies)])
    assert (answer.status, answer.all("location")) == (200, [])
    assert answer.one("set-cookie").startswith(f"sp={user};")
    assert app.payload.network_user_id == user


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
