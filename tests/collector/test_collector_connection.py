"""Over a socket: request targets, pipelining, upgrades, header bytes."""

from collections.abc import Callable
from typing import Any

import pytest
from request_bytes import HOST, ORIGIN, get, post

Make = Callable[..., Any]


def test_an_event_over_a_socket(listening: Make) -> None:
    server = listening()
    (answer,) = server.send(post(b'{"a":1}', headers=b"CoNtEnT-TyPe:  application/json \r\n" + ORIGIN))
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.one("access-control-allow-origin") == "https://shop.example"
    assert server.payload.headers == [
        "Host: h",
        "Content-Length: 7",
        "CoNtEnT-TyPe: application/json",
        "Origin: https://shop.example",
        "application/json",
    ]
    assert server.payload.ip_address == "127.0.0.1"


def test_head_has_neither_body_nor_length(listening: Make) -> None:
    server = listening()
    pixel, health = server.send(b"HEAD /i HTTP/1.1\r\n\r\nHEAD /health HTTP/1.1\r\n\r\n", 2, "HEAD")
    assert (pixel.status, pixel.all("content-length")) == (200, [])
    assert (health.status, health.body) == (200, b"")


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        (b"http://Other.example:8080/a/b?x=1", "/a/b", "Other.example"),
        (b"https://user:pw@other.example/a/b?x=1", "/a/b", "other.example"),
        (b"http://[2001:db8::1]:80/i?x=1", "/i", "[2001:db8::1]"),
        (b"/com.acme/%C3%A9v?x=1", "/com.acme/év", None),
        (b"/a/b%20c%00%252F?x=1", "/a/b c\0%2F", None),
        (b"/a/b;v=1?x=1", "/a/b;v=1", None),
        (b"/%69?x=1", "/i", None),
    ],
)
def test_request_targets(listening: Make, target: bytes, path: str, host: str | None) -> None:
    server = listening()
    assert server.send(get(target))[0].status == 200
    assert (server.payload.path, server.payload.hostname, server.payload.querystring) == (path, host, "x=1")


@pytest.mark.parametrize("target", [b"/r%2Ftp2/x?u=https://a.example/", b"/a%2Fb/c", b"/a/b%2Fc", b"/a%2Fb", b"/%2Fi"])
def test_encoded_slashes_are_no_way_around_the_routes(listening: Make, target: bytes) -> None:
    server = listening()
    decoded = {b"/a%2Fb": 200}
    assert server.send(get(target))[0].status == decoded.get(target, 404)


def test_pipelined_requests_are_answered_in_order(listening: Make) -> None:
    server = listening()
    requests = [
        post(b"one"),
        get(b"/health"),
        get(b"/i?n=2"),
        b"OPTIONS /i HTTP/1.1\r\n\r\n",
        post(b"x", b"/a/b/c"),
        get(b"/i?n=3"),
    ]
    answers = server.send(b"".join(requests), 6)
    assert [answer.status for answer in answers] == [200, 200, 200, 200, 404, 200]
    assert [len(answer.body) for answer in answers] == [2, 2, 43, 0, 9, 43]
    assert [payload.querystring for payload in server.payloads] == ["", "n=2", "n=3"]


def test_hundreds_of_pipelined_requests(listening: Make) -> None:
    server = listening()
    requests = [get(b"/i?n=%d" % number, b"X-A: %s\r\n" % (b"b" * 1_000)) for number in range(800)]
    answers = server.send(b"".join(requests), 800)
    assert {answer.status for answer in answers} == {200}
    assert [payload.querystring for payload in server.payloads] == [f"n={number}" for number in range(800)]


def test_what_was_complete_is_answered_before_the_garbage_behind_it(listening: Make) -> None:
    server = listening()
    answers = server.send(post(b"one") + get(b"/i?n=2") + b"garbage\r\n\r\n", 3)
    assert [answer.status for answer in answers] == [200, 200, 400]
    assert len(server.payloads) == 2


def test_a_broken_body_behind_complete_requests(listening: Make) -> None:
    server = listening()
    broken = b"POST /a/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n"
    answers = server.send(get(b"/i?n=1") + get(b"/i?n=2") + broken, 3)
    assert [answer.status for answer in answers] == [200, 200, 400]
    assert len(server.payloads) == 2


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket"])
def test_upgrades_are_declined_and_the_request_is_served(listening: Make, upgrade: bytes) -> None:
    server = listening()
    headers = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + upgrade + b"\r\nHTTP2-Settings: AAAA\r\n"
    for request in (post(b"abc", headers=headers), get(headers=headers)):
        assert server.send(request)[0].status == 200
    assert [payload.body for payload in server.payloads] == ["abc", None]


def test_thousands_of_upgrades_on_one_connection(listening: Make) -> None:
    server = listening()
    headers = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
    answers = server.send(b"".join(post(b"%d" % number, headers=headers) for number in range(3_000)), 3_000)
    assert {answer.status for answer in answers} == {200}
    assert [payload.body for payload in server.payloads] == [str(number) for number in range(3_000)]
    assert server.payloads[-1].headers == ["Host: h", "Content-Length: 4", "Connection: Upgrade", "Upgrade: h2c"]


@pytest.mark.parametrize("method", [b"CONNECT", b"TRACE", b"PROPFIND", b"PUT", b"DELETE", b"PATCH"])
def test_other_methods_are_404(listening: Make, method: bytes) -> None:
    server = listening()
    assert server.send(method + b" /a/b HTTP/1.1\r\n" + HOST + b"\r\n")[0].status in (400, 404)
    assert server.payloads == []


def test_http_1_0(listening: Make) -> None:
    server = listening()
    with server.connect() as conversation:
        conversation.say(b"POST /a/b HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx")
        (answer,) = conversation.hear()
        assert (answer.status, answer.body) == (200, b"ok")
    assert server.payload.body == "x"


def test_header_bytes_are_utf8_or_else_latin1(listening: Make) -> None:
    server = listening()
    server.send(get(headers="User-Agent: Mözilla €\r\nX-A: ".encode() + b"caf\xe9\r\n"))
    assert server.payload.user_agent == "Mözilla €"
    assert server.payload.headers == ["Host: h", "User-Agent: Mözilla €", "X-A: café"]


def test_duplicate_headers_are_kept_and_the_first_counts(listening: Make) -> None:
    server = listening()
    server.send(
        get(headers=b"User-Agent: a\r\nuser-agent: b\r\nReferer: c\r\nReferer: d\r\nOrigin: https://a.example\r\nOrigin: x\r\n")
    )
    assert (server.payload.user_agent, server.payload.referer_uri) == ("a", "c")
    assert len(server.payload.headers) == 7


@pytest.mark.parametrize("value", [b"a%0D%0ASet-Cookie:%20x=y", b"%0a", b"%00"])
def test_nothing_can_be_smuggled_into_answers(listening: Make, value: bytes) -> None:
    server = listening(redirects={"enabled": True, "domains": ["a.example"]}, paths={"/x/y": "/r/tp2"})
    for target in (b"/i?nuid=" + value, b"/r/tp2?u=https://a.example/" + value, b"/r/tp2?u=" + value, b"/a/b?n3pc=" + value):
        (answer,) = server.send(get(target))
        assert answer.status in (200, 400)
        assert [name for name, _ in answer.headers if name == "x"] == []
        assert len(answer.all("set-cookie")) == 1
