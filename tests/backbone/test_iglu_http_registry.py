import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from backbone.iglu import http_registry
from backbone.iglu.failures import NOT_FOUND, RegistryError
from backbone.iglu.http_registry import HttpRegistry, problem_of
from backbone.iglu.registries import Place
from backbone.selfdescribing import parse_key

KEY = parse_key("iglu:com.acme/thing/jsonschema/1-0-0")
Answering = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def server(answer: Answering) -> Iterator[tuple[str, list[Any]]]:
    requests: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append((self.path, dict(self.headers)))
            answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}", requests
    finally:
        running.shutdown()
        running.server_close()


def status(code: int, body: bytes = b"", **headers: str) -> Answering:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_registry, "_FIRST_WAIT", 0.0)


def error(answer: Any) -> RegistryError:
    assert isinstance(answer, RegistryError), answer
    return answer


@pytest.mark.parametrize("base", ["", "/", "///", "/api", "/api/"])
def test_a_schema_is_asked_for_under_the_base_without_trailing_slashes(base: str) -> None:
    with server(status(200, json.dumps({"type": "object"}).encode())) as (uri, requests):
        assert HttpRegistry(Place("r"), uri + base).get(KEY) == {"type": "object"}
    assert requests[0][0] == f"{base.rstrip('/')}/schemas/com.acme/thing/jsonschema/1-0-0"
    assert "apikey" not in {name.lower() for name in requests[0][1]}


def test_the_api_key_is_sent_as_a_header() -> None:
    with server(status(200, b"{}")) as (uri, requests):
        HttpRegistry(Place("r"), uri, "0f0e0d0c-0b0a-4908-8706-050403020100").get(KEY)
    assert {name.lower(): value for name, value in requests[0][1].items()}["apikey"] == "0f0e0d0c-0b0a-4908-8706-050403020100"


@pytest.mark.parametrize(
    ("answer", "kind", "message", "tries", "transient"),
    [
        (status(404), "NotFound", None, 1, False),
        (status(403), "ClientFailure", "Unexpected response code: 403", 1, True),
        (status(500), "RepoFailure", "Unexpected server response: 500", 3, True),
        (status(503), "RepoFailure", "Unexpected server response: 503", 3, True),
        (status(302, Location="http://127.0.0.1:1/"), "ClientFailure", "Unexpected response code: 302", 1, True),
        (status(200, b"<html>"), "ClientFailure", None, 1, True),
        (status(200, b"[]"), "ClientFailure", "schema is not a JSON object", 1, True),
    ],
    ids=["404", "403", "500", "503", "redirect", "html", "array"],
)
def test_refusals(answer: Answering, kind: str, message: str | None, tries: int, transient: bool) -> None:
    with server(answer) as (uri, requests):
        refused = error(HttpRegistry(Place("r"), uri).get(KEY))
    assert (refused.kind, refused.transient, len(requests)) == (kind, transient, tries)
    assert message is None or refused.message == message


def test_not_found_is_the_shared_value() -> None:
    with server(status(404)) as (uri, _):
        assert HttpRegistry(Place("r"), uri).get(KEY) == NOT_FOUND


def test_a_repaired_server_is_noticed_by_the_retry() -> None:
    answers = [status(500), status(200, b'{"title":"x"}')]
    with server(lambda handler: answers.pop(0)(handler)) as (uri, _):
        assert HttpRegistry(Place("r"), uri).get(KEY) == {"title": "x"}


def test_an_endless_body_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_registry, "MAX_SCHEMA_BYTES", 1_000)
    with server(status(200, b" " * 100_000 + b"{}")) as (uri, _):
        assert error(HttpRegistry(Place("r"), uri).get(KEY)).kind == "ClientFailure"


def test_a_silent_server_is_given_up_on() -> None:
    silence = threading.Event()
    with server(lambda _: silence.wait(10) and None) as (uri, requests):
        answer = error(HttpRegistry(Place("r"), uri, timeout=0.05).get(KEY))
        silence.set()
    assert (answer.kind, answer.transient, len(requests)) == ("ClientFailure", True, 3)


def test_nobody_listening_is_a_transient_failure() -> None:
    with server(status(200)) as (uri, _):
        pass
    answer = error(HttpRegistry(Place("r"), uri).get(KEY))
    assert (answer.kind, answer.transient) == ("ClientFailure", True)


@pytest.mark.parametrize("uri", ["http://x", "https://x.y:8080/api/", "http://[::1]:80"])
def test_good_addresses(uri: str) -> None:
    assert problem_of(uri) is None


@pytest.mark.parametrize("uri", ["", "x", "ftp://x", "file:///etc/passwd", "http://", "http://x:y", "http://x:0", "http://["])
def test_bad_addresses(uri: str) -> None:
    assert problem_of(uri) is not None
