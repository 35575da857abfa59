"""Collectors to talk to: `inside` calls the application, `listening` goes over a socket. Both store on a bus that can be read."""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest

from backbone import thrift
from backbone.bus.memory import MemoryBus
from backbone.bus.protocol import Bus, Publisher
from backbone.payload import CollectorPayload
from collector.app import Collector
from collector.main import Server
from collector.settings import CollectorSettings

NAME = "ssc-0.0.0-t"


class Answer(NamedTuple):
    """An HTTP answer; header names in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def one(self, name: str) -> str:
        (value,) = self.all(name)
        return value


class Stored:
    """What a collector put on its bus."""

    def __init__(self, bus: Bus) -> None:
        self._reading = bus.subscribe(None, ["raw", "bad"])
        self.records: list[tuple[str, bytes]] = []

    def _all(self, stream: str) -> list[bytes]:
        while records := self._reading.pull(1_000, 100_000_000, 0):
            self.records.extend((record.stream, record.data) for record in records)
        return [data for kind, data in self.records if kind == stream]

    def _end_reading(self) -> None:
        """Else its threads would complain, in the log that a later test looks at, that the bus is gone."""
        self._reading.close()

    @property
    def payloads(self) -> list[CollectorPayload]:
        return [thrift.decode(data) for data in self._all("raw")]

    @property
    def payload(self) -> CollectorPayload:
        (payload,) = self.payloads
        return payload

    @property
    def bad(self) -> list[dict[str, Any]]:
        return [json.loads(data) for data in self._all("bad")]


class Inside(Stored):
    """The application in this process, without a server around it."""

    def __init__(self, bus: Bus, settings: CollectorSettings, publisher: Publisher) -> None:
        super().__init__(bus)
        self.app = Collector(settings, NAME, publisher)
        self._loop = asyncio.new_event_loop()
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._started: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._life = self._loop.create_task(
            self.app({"type": "lifespan", "app": None, "state": {}}, self._events.get, self._started.put)
        )
        self._events.put_nowait({"type": "lifespan.startup"})
        self._loop.run_until_complete(self._started.get())

    def close(self) -> None:
        self._events.put_nowait({"type": "lifespan.shutdown"})
        self._loop.run_until_complete(self._life)
        self._loop.close()
        self._end_reading()

    def ask(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str | bytes]] = (),
        body: bytes | Sequence[bytes] = b"",
        client: tuple[str, int] = ("192.0.2.2", 50000),
        **scope: Any,
    ) -> Answer:
        return self.ask_together([(method, target, headers, body, client, scope)])[0]

    def ask_together(self, requests: Sequence[tuple[Any, ...]]) -> list[Answer]:
        """Requests that arrive in the same turn of the loop."""

        async def everything() -> list[Answer]:
            return await asyncio.gather(*(self._one(*request) for request in requests))

        return self._loop.run_until_complete(everything())

    async def _one(self, method: str, target: str, headers: Any, body: Any, client: Any, extra: dict[str, Any]) -> Answer:
        path, _, query = target.partition("?")
        sent = [(name.encode(), value.encode() if isinstance(value, str) else value) for name, value in headers]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower(), value) for name, value in sent],
            "snowmelt.headers": sent,
            "client": client,
            "scheme": "http",
            "server": ("127.0.0.1", 9090),
            "root_path": "",
            **extra,
        }
        parts = [body] if isinstance(body, bytes) else list(body)
        incoming = iter(
            [{"type": "http.request", "body": part, "more_body": True} for part in parts[:-1]]
            + [{"type": "http.request", "body": parts[-1]}]
        )
        said: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return next(incoming, {"type": "http.disconnect"})

        async def send(message: Any) -> None:
            said.append(message)

        await self.app(scope, receive, send)
        start, *rest = said
        shown = [(name.decode().lower(), value.decode("latin-1")) for name, value in start["headers"]]
        return Answer(start["status"], shown, b"".join(message.get("body", b"") for message in rest))


class Listening(Stored):
    """A server on a free port of this machine."""

    def __init__(self, bus: Bus, settings: CollectorSettings, publisher: Publisher) -> None:
        super().__init__(bus)
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = listener.getsockname()[1]
        self.server = Server(settings, Collector(settings, NAME, publisher))
        self._thread = threading.Thread(target=self.server.run, args=([listener],))
        self._thread.start()

    def close(self) -> None:
        self.server.stop()
        self._thread.join(30)
        assert not self._thread.is_alive()
        self._end_reading()

    def connect(self) -> "Conversation":
        return Conversation(self.port)

    def send(self, request: bytes, answers: int = 1, method: str = "GET") -> list[Answer]:
        """Answers to what was sent on one connection; fewer if the server closed it before."""
        with self.connect() as conversation:
            conversation.say(request)
            return conversation.hear(answers, method)


class Conversation:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self._received = b""

    def __enter__(self) -> "Conversation":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self.socket.sendall(data)

    def hear(self, answers: int = 1, method: str = "GET") -> list[Answer]:
        heard: list[Answer] = []
        while len(heard) < answers:
            if (answer := self._next(method)) is not None:
                heard.append(answer)
                continue
            try:
                chunk = self.socket.recv(65536)
            except ConnectionError:
                chunk = b""
            if not chunk:
                break
            self._received += chunk
        return heard

    def closed(self, within: float) -> bool:
        """Whether the server closes the connection within so many seconds."""
        self.socket.settimeout(within)
        try:
            while True:
                chunk = self.socket.recv(65536)
                if not chunk:
                    return True
                self._received += chunk
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def _next(self, method: str) -> Answer | None:
        head, separator, rest = self._received.partition(b"\r\n\r\n")
        if not separator:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        status = int(first.split()[1])
        length = 0 if method == "HEAD" or status == 100 else int(dict(headers)["content-length"])
        if len(rest) < length:
            return None
        self._received = rest[length:]
        return Answer(status, headers, rest[:length])


def _made(kind: Callable[[Bus, CollectorSettings, Publisher], Any]) -> Iterator[Callable[..., Any]]:
    made: list[Any] = []

    def make(bus: Bus | None = None, publisher: Publisher | None = None, **settings: Any) -> Any:
        bus = bus or MemoryBus()
        made.append(kind(bus, CollectorSettings.model_validate(settings), publisher or bus.publisher("collector")))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def inside() -> Iterator[Callable[..., Inside]]:
    """Makes applications from settings."""
    yield from _made(Inside)


@pytest.fixture
def listening() -> Iterator[Callable[..., Listening]]:
    """Makes servers from settings."""
    yield from _made(Listening)


@pytest.fixture(scope="module")
def inside_long() -> Iterator[Callable[..., Inside]]:
    """The same, kept for all tests of a file."""
    yield from _made(Inside)


@pytest.fixture(scope="module")
def listening_long() -> Iterator[Callable[..., Listening]]:
    """The same, kept for all tests of a file."""
    yield from _made(Listening)
