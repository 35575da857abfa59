"""Arbitrary requests: the answer is never a 5xx, and what got a 200 is stored."""

import contextlib
import itertools
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

Make = Callable[..., Any]
SETTINGS: dict[str, Any] = {
    "redirects": {"enabled": True, "domains": ["a.example"]},
    "bounce": {"enabled": True},
    "do_not_track": {"enabled": True, "name": "dnt", "value": "1|yes"},
    "cookie": {"domains": ["a.example", ".b.example"], "client_name": "sp_js"},
    "paths": {"/own/path": "/com.snowplowanalytics.snowplow/tp2"},
    "limits": {"record_bytes": 2_000, "payload_bytes": 20_000, "body_bytes": 5_000},
    "hsts": {"enabled": True},
}

NAMES = b"cookie Origin X-Forwarded-For content-type Content-Encoding user-agent Referer SP-Anonymous Forwarded x-y".split()
VALUES = b"""
sp=8d6a5c1e-3a4b-4f6d-9c2e-1b7a0e5f4d3c
dnt=yes
gzip
application/json; charset=utf-16
a/b; charset=idna
text/plain; charset=utf-32
null
https://x.a.example
1.2.3.4, unknown
::ffff:1.2.3.4
a="
; charset=\xff
""".splitlines()
PATHS = ["/i", "/ice.png", "/a/b", "/own/path", "/r/tp2", "/r/", "/", "/health", "/crossdomain.xml", "//", "/%2F", "/a/b/c"]
QUERIES = b"u=https://a.example/%0d%0a n3pc=true nuid=%00 u= e=pv&nuid=8d6a5c1e-3a4b-4f6d-9c2e-1b7a0e5f4d3c".split()
LINES = b"""
GET /i HTTP/1.1
POST /a/b HTTP/1.1
GET http://h/a/b?x HTTP/1.0
OPTIONS * HTTP/1.1
CONNECT h:1 HTTP/1.1
Host: h
Content-Length: 5
Content-Length: 0
Transfer-Encoding: chunked
Connection: close
Connection: upgrade
Upgrade: h2c
Expect: 100-continue
Cookie: sp=x
Origin: null

hello
5
0
""".splitlines()

bytes_ = st.binary(max_size=200)
value = st.one_of(bytes_, st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace")), st.sampled_from(VALUES))
header = st.tuples(st.sampled_from(NAMES), value)
path = st.one_of(st.sampled_from(PATHS), st.text(max_size=40).map(lambda text: "/" + text.replace("?", "")))
query = st.one_of(st.sampled_from(QUERIES), bytes_)
leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=300))
events = st.recursive(
    leaves, lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=5), inner, max_size=5))
)
batch = st.lists(events, max_size=20).map(lambda data: json.dumps({"schema": "iglu:a/b/jsonschema/1-0-0", "data": data}).encode())
body = st.one_of(bytes_, batch, st.integers(0, 12_000).map(lambda size: b"x" * size), st.just(b"[" * 6_000))
line = st.one_of(st.sampled_from(LINES), st.binary(max_size=60))


@pytest.fixture(scope="module")
def app(inside_long: Make) -> Any:
    return inside_long(**SETTINGS)


@pytest.fixture(scope="module")
def server(listening_long: Make) -> Any:
    return listening_long(**SETTINGS)


@given(st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "PUT"]), path, query, st.lists(header, max_size=8), body, bytes_)
@settings(max_examples=400, deadline=None)
def test_whatever_is_asked_the_answer_is_no_fault(
    app: Any, method: str, path: str, query: bytes, headers: list[tuple[bytes, bytes]], body: bytes, rest: bytes
) -> None:
    before = len(app.payloads) + len(app.bad)
    scope = {"query_string": query, "raw_path": b"/raw"}
    answer = app.ask(method, path, [(name.decode(), value) for name, value in headers], [body, rest], **scope)
    assert answer.status < 500
    for name, value in answer.headers:
        assert "\r" not in name + value
        assert "\n" not in name + value
    opted_out = any(name == b"cookie" and (b"dnt=yes" in value or b"dnt=1" in value) for name, value in headers)
    if method == "POST" and answer.status == 200 and not opted_out:
        assert len(app.payloads) + len(app.bad) > before
    if answer.status == 404:
        assert len(app.payloads) + len(app.bad) == before


@given(st.lists(line, max_size=25).map(b"\r\n".join), st.lists(st.integers(0, 600), max_size=3))
@settings(max_examples=200, deadline=None)
def test_whatever_bytes_arrive_in_whatever_pieces(server: Any, data: bytes, cuts: list[int]) -> None:
    with server.connect() as conversation:
        edges = [0, *sorted(cuts), len(data)]
        for start, end in itertools.pairwise(edges):
            conversation.say(data[start:end])
        with contextlib.suppress(OSError):
            conversation.socket.shutdown(socket.SHUT_WR)
        answers = conversation.hear(50)
        assert all(answer.status < 500 for answer in answers)
    assert server.send(b"GET /health HTTP/1.1\r\n\r\n")[0].status == 200
