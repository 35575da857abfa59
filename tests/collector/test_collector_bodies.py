"""Over a socket: bodies in pieces, compressed, too long, too many."""

import gzip
import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from request_bytes import HOST, ORIGIN, get, post

Make = Callable[..., Any]


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
    assert row["data"]["failure"]["actualSizeBytes"] > 10_000_000
    assert row["data"]["failure"]["maximumAllowedSizeBytes"] == 10_000_000
    assert "body:xxx" in row["data"]["payload"]


def test_the_whole_buffer_of_a_tracker_after_an_outage_is_kept(listening: Make) -> None:
    """Ten thousand events in one request, more than one record may hold: split between events, in order."""
    server = listening()
    events = [
        {"e": "pv", "p": "srv", "tv": "py", "eid": f"{number:036d}", "url": "https://shop.example/" + "x" * 1_200}
        for number in range(9_000)
    ]
    schema = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
    (answer,) = server.send(post(json.dumps({"schema": schema, "data": events}).encode()))
    assert answer.status == 200
    assert server.bad == []
    batches = [json.loads(payload.body) for payload in server.payloads]
    assert len(batches) > 1
    assert [event["eid"] for batch in batches for event in batch["data"]] == [event["eid"] for event in events]


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
    server = listening(limits={"memory_bytes": 200_000, "body_bytes": 190_000}, timeouts={"retry_after": 7})
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
