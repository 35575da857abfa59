"""Over a socket: limits, malformed bytes, slow clients, pipelining, what web pages can read of refusals."""

import gzip
import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]
HOST = b"Host: h\r\n"
ORIGIN = b"Origin: https://shop.example\r\n"
TP2 = b"/com.snowplowanalytics.snowplow/tp2"


def post(body: bytes, path: bytes = TP2, headers: bytes = b"") -> bytes:
    return b"POST %s HTTP/1.1\r\n%sContent-Length: %d\r\n%s\r\n%s" % (path, HOST, len(body), headers, body)


def get(target: bytes = b"/i", headers: bytes = b"") -> bytes:
    return b"GET %s HTTP/1.1\r\n%s%s\r\n" % (target, HOST, headers)


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


def test_a_body_may_arrive_in_pieces(listening: Make) -> None:
    server = listening()
    with server.connect() as conversation:
        for byte in post("é".encode(), headers=b"Content-Type: a/b\r\n"):
            conversation.say(bytes([byte]))
        assert conversation.hear()[0].status == 200
    assert server.payload.body == "é"


def test_chunks_are_joined(listening: Make) -> None:
    server = listening()
    chunks = b"1\r\n\xc3\r\nA\r\n\xa9123456789\r\n0\r\n\r\n"
    server.send(b"POST /a/b HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: Chunked\r\n\r\n" + chunks)
    assert server.payload.body == "é123456789"


def test_expect_100_continue(listening: Make) -> None:
    server = listening()
    request = post(b"abc", headers=b"Expect: 100-continue\r\n")
    with server.connect() as conversation:
        conversation.say(request[:-3])
        assert conversation.hear()[0].status == 100
        conversation.say(b"abc")
        assert conversation.hear()[0].status == 200
    assert server.payload.body == "abc"


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


def test_gzip_bodies_are_decompressed(listening: Make) -> None:
    server = listening()
    body = json.dumps({"schema": "s", "data": ["é" * 1000]}).encode()
    server.send(post(gzip.compress(body), headers=b"Content-Encoding: gzip\r\nContent-Type: application/json\r\n"))
    assert server.payload.body == body.decode()


def test_a_gzip_bomb_becomes_a_bad_row(listening: Make) -> None:
    server = listening(limits={"body_bytes": 100_000})
    (answer,) = server.send(post(gzip.compress(b"a" * 50_000_000), headers=b"Content-Encoding: gzip\r\n"))
    assert answer.status == 200
    (row,) = server.bad
    assert row["data"]["failure"]["maximumAllowedSizeBytes"] == 100_000
    assert len(row["data"]["payload"]) == 10_000


@pytest.mark.parametrize(
    "body", [b"x", gzip.compress(b"whole")[:-6], b"\x1f\x8b", b""], ids=["text", "cut", "magic-only", "empty"]
)
def test_what_only_claims_to_be_gzip_is_stored_as_it_came(listening: Make, body: bytes) -> None:
    server = listening()
    assert server.send(post(body, headers=b"Content-Encoding: gzip\r\n"))[0].status == 200
    assert server.payload.body == body.decode("utf-8", "replace")


def test_ten_megabytes_become_a_bad_row_with_200(listening: Make) -> None:
    server = listening()
    (answer,) = server.send(post(b"x" * 10_000_000, headers=ORIGIN))
    assert (answer.status, answer.body) == (200, b"ok")
    assert server.payloads == []
    (row,) = server.bad
    assert row["data"]["failure"]["actualSizeBytes"] == 10_000_000
    assert row["data"]["failure"]["maximumAllowedSizeBytes"] == 2_097_152
    assert "body:xxx" in row["data"]["payload"]


def test_an_endless_body_is_cut_off_with_an_answer(listening: Make) -> None:
    server = listening(limits={"body_bytes": 1_000})
    with server.connect() as conversation:
        conversation.say(b"POST /a/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
        for _ in range(80):
            conversation.say(chunk)
        answers = conversation.hear()
        assert [answer.status for answer in answers] in ([200], [])
        assert conversation.closed(5)
    (row,) = server.bad
    assert row["data"]["failure"]["actualSizeBytes"] > 64_000_000


def test_bodies_beyond_the_memory_limit_are_asked_to_come_back(listening: Make) -> None:
    server = listening(limits={"memory_bytes": 200_000}, timeouts={"retry_after": 7})
    with server.connect() as first, server.connect() as second:
        request = post(b"x" * 150_000, headers=ORIGIN)
        first.say(request[:-10])
        time.sleep(0.3)
        second.say(request)
        (answer,) = second.hear()
        assert (answer.status, answer.one("retry-after")) == (503, "7")
        assert answer.one("access-control-allow-origin") == "https://shop.example"
        first.say(request[-10:])
        assert first.hear()[0].status == 200
    assert len(server.payloads) == 1
    assert server.send(post(b"y" * 150_000))[0].status == 200


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


def test_a_client_that_leaves_in_the_middle_stores_nothing(listening: Make) -> None:
    server = listening()
    for cut in (5, 60, 120):
        with server.connect() as conversation:
            conversation.say(post(b"x" * 100)[:cut])
    with server.connect() as conversation:
        conversation.say(post(b"x" * 100)[:-1])
        conversation.socket.shutdown(socket.SHUT_WR)
        assert conversation.closed(5)
    assert server.send(get())[0].status == 200
    assert len(server.payloads) == 1
