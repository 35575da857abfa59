"""Over a socket: malformed, slow and too many requests, and what web pages can read of refusals."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from request_bytes import HOST, ORIGIN, get, post

Make = Callable[..., Any]

MALFORMED = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 4 + b"\r\n\r\n",
    "no-request-line": b"\r\nGET\r\n\r\n",
    "http2-preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http2-version": b"GET /i HTTP/2.0\r\n" + HOST + b"\r\n",
    "lower-case-method": b"get /i HTTP/1.1\r\n" + HOST + b"\r\n",
    "unknown-method": b"FOO /i HTTP/1.1\r\n" + HOST + b"\r\n",
    "space-in-query": get(b"/i?a= b"),
    "bad-escape-in-query": get(b"/i?a=%zz"),
    "cut-escape-in-query": get(b"/i?a=%2"),
    "bad-escape-in-path": get(b"/a/b%zz"),
    "raw-utf8": get("/i?a=é".encode()),
    "brace": get(b"/i?a={x}"),
    "fragment": get(b"/i?a=b#c"),
    "control": get(b"/a/b\x7f"),
    "relative": get(b"a/b"),
    "bad-host": get(b"http://a b/i"),
    "nul-in-header": get(headers=b"X-A: a\0b\r\n"),
    "control-in-header": get(headers=b"X-A: a\x01b\r\n"),
    "lone-cr-in-header": get(headers=b"X-A: a\rX-B: c\r\n"),
    "folded-header": get(headers=b"X-A: b\r\n  c\r\n"),
    "header-without-name": get(headers=b": b\r\n"),
    "header-without-colon": get(headers=b"lonely\r\n"),
    "space-before-colon": get(headers=b"X-A : b\r\n"),
    "name-not-ascii": get(headers="X-é: b\r\n".encode()),
    "negative-length": b"POST /a/b HTTP/1.1\r\nContent-Length: -1\r\n\r\nabc",
    "length-no-number": b"POST /a/b HTTP/1.1\r\nContent-Length: abc\r\n\r\nabc",
    "length-huge": b"POST /a/b HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\nabc",
    "two-lengths": b"POST /a/b HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "length-and-chunks": b"POST /a/b HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "gzip-transfer": b"POST /a/b HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "bad-chunk": b"POST /a/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n0\r\n\r\n",
    "long-line": get(b"/i?" + b"q" * 21_000),
    "long-header": get(headers=b"X-Big: " + b"b" * 41_000 + b"\r\n"),
    "many-headers": get(headers=b"A: b\r\n" * 9_000),
}


@pytest.mark.parametrize("request_bytes", MALFORMED.values(), ids=MALFORMED)
def test_malformed_requests_are_400_and_not_stored(listening: Make, request_bytes: bytes) -> None:
    server = listening()
    with server.connect() as conversation:
        conversation.say(request_bytes)
        (answer,) = conversation.hear()
        assert (answer.status, answer.one("connection")) == (400, "close")
        assert conversation.closed(5)
    assert server.payloads == []
    assert server.send(get())[0].status == 200


def test_pages_can_read_a_400(listening: Make) -> None:
    server = listening(hsts={"enabled": True})
    (answer,) = server.send(get(b"/i?a=%zz", ORIGIN))
    assert answer.one("access-control-allow-origin") == "https://shop.example"
    assert answer.one("strict-transport-security").startswith("max-age=")


@pytest.mark.parametrize(("length", "status"), [(100, 200), (101, 400)])
def test_limit_of_the_request_line(listening: Make, length: int, status: int) -> None:
    rest = len(b"GET /i? HTTP/1.1\r\n")
    server = listening(limits={"request_line_bytes": 100})
    assert server.send(get(b"/i?" + b"q" * (length - rest)))[0].status == status


def test_a_head_that_never_ends_is_refused_before_it_fills_the_memory(listening: Make) -> None:
    with listening(timeouts={"headers": 30}).connect() as conversation:
        conversation.say(b"GET /i HTTP/1.1\r\nX-Big: ")
        for _ in range(40):
            conversation.say(b"b" * 10_000)
        (answer,) = conversation.hear()
        assert answer.status == 400


def test_slow_headers_are_408(listening: Make) -> None:
    with listening(timeouts={"headers": 0.3}).connect() as conversation:
        for byte in b"GET /i HT":
            conversation.say(bytes([byte]))
            time.sleep(0.05)
        (answer,) = conversation.hear()
        assert answer.status == 408
        assert conversation.closed(5)


def test_slow_headers_of_a_later_request_are_408(listening: Make) -> None:
    with listening(timeouts={"headers": 0.3, "idle": 60}).connect() as conversation:
        conversation.say(get())
        assert conversation.hear()[0].status == 200
        conversation.say(b"GET /i HTTP/1.1\r\nX-A: b")
        assert conversation.hear()[0].status == 408


def test_a_slow_body_is_408_that_pages_can_read(listening: Make) -> None:
    server = listening(timeouts={"body": 0.3})
    with server.connect() as conversation:
        conversation.say(post(b"x" * 50, headers=ORIGIN)[:-20])
        (answer,) = conversation.hear()
        assert answer.status == 408
        assert answer.one("access-control-allow-origin") == "https://shop.example"
        assert conversation.closed(5)
    assert server.payloads == []


def test_a_slow_body_nobody_waits_for_is_closed(listening: Make) -> None:
    with listening(timeouts={"body": 0.3}).connect() as conversation:
        conversation.say(post(b"x" * 50, b"/a/b/c")[:-20])
        assert conversation.hear()[0].status == 404
        assert conversation.closed(5)


def test_silent_connections_are_closed(listening: Make) -> None:
    server = listening(timeouts={"headers": 0.3, "idle": 0.3})
    with server.connect() as fresh, server.connect() as used:
        used.say(get())
        assert used.hear()[0].status == 200
        assert fresh.closed(5)
        assert used.closed(5)


def test_connections_beyond_the_limit_are_asked_to_come_back(listening: Make) -> None:
    server = listening(limits={"connections": 3})
    conversations = [server.connect() for _ in range(4)]
    for conversation in conversations:
        conversation.say(get())
    statuses = sorted(conversation.hear()[0].status for conversation in conversations)
    assert statuses == [200, 200, 200, 503]
    for conversation in conversations:
        conversation.socket.close()
    time.sleep(0.2)
    assert server.send(get())[0].status == 200


def test_five_hundred_connections_at_once(listening: Make) -> None:
    server = listening()
    conversations = [server.connect() for _ in range(500)]
    for number, conversation in enumerate(conversations):
        conversation.say(get(b"/i?n=%d" % number))
    assert {conversation.hear()[0].status for conversation in conversations} == {200}
    assert len(server.payloads) == 500
    for conversation in conversations:
        conversation.socket.close()
