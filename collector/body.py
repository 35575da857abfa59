"""Reading the body of a request within bounds."""

import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

from collector.memory import Memory

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

_MOST_DISCARDED = 67_108_864
_GZIP = 16 + zlib.MAX_WBITS


class Body(NamedTuple):
    """`data` is at most the limit; `length` tells how long the body really is, as far as it was read."""

    data: bytes
    length: int
    complete: bool = True
    """False where reading was given up: the connection must be closed."""


class NoMemory(NamedTuple):
    """Too many bodies are being read."""

    complete: bool


class Gone(NamedTuple):
    """The client left, or was too slow, before the body was complete."""


async def read(receive: Receive, limit: int, memory: Memory) -> Body | NoMemory | Gone:
    """The body, kept up to `limit` bytes; the rest is read and thrown away, so that the client hears the answer."""
    message = await receive()
    if message["type"] == "http.disconnect":
        return Gone()
    data: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return Body(data[:limit], len(data))
    parts = _Parts(limit, memory)
    try:
        while True:
            parts.add(data)
            more = bool(message.get("more_body"))
            if not more or parts.length > limit + _MOST_DISCARDED:
                return NoMemory(not more) if parts.refused else Body(b"".join(parts.kept), parts.length, not more)
            message = await receive()
            if message["type"] == "http.disconnect":
                return Gone()
            data = message.get("body", b"")
    finally:
        parts.forget()


class _Parts:
    def __init__(self, limit: int, memory: Memory) -> None:
        self._limit = limit
        self._memory = memory
        self._taken = 0
        self.kept: list[bytes] = []
        self.length = 0
        self.refused = False

    def add(self, data: bytes) -> None:
        wanted = data[: max(0, self._limit - self.length)]
        self.length += len(data)
        if self.refused or not wanted:
            return
        if self._memory.take(len(wanted)):
            self._taken += len(wanted)
            self.kept.append(wanted)
        else:
            self.forget()
            self.refused = True

    def forget(self) -> None:
        self._memory.give_back(self._taken)
        self._taken = 0
        self.kept = []


def decompressed(body: Body, encoding: bytes, limit: int) -> Body:
    """A gzip body as it was before compression, kept up to `limit` bytes; what is no gzip stays as it is."""
    if encoding.strip().lower() not in (b"gzip", b"x-gzip") or body.length > len(body.data):
        return body
    kept, left = bytearray(), body.data
    try:
        while left:
            member = zlib.decompressobj(_GZIP)
            kept += member.decompress(left, limit - len(kept))
            if len(kept) >= limit:
                return Body(bytes(kept), len(kept))
            if not member.eof:
                return body
            left = member.unused_data
    except zlib.error:
        return body
    return Body(bytes(kept), len(kept))
