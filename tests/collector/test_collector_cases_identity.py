"""The test cases of the collector's specification, by number: cookies, ids, anonymity, do-not-track, bounce. Where ours deviates
on purpose, what ours does.
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
