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


class Gone(NamedTuple):
    """The client left, or was too slow, before the body was complete."""


async def read(receive: Receive, limit: int, memory: Memory) -> Body | NoMemory | Gone:
    """The body, kept up to `limit` bytes; the rest is read and thrown away, so that the client hears an answer."""
    message = await receive()
    if message["type"] == "http.disconnect":
        return Gone()
    data: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return Body(data[:limit], len(data))
    parts = _Parts(limit, memory)
    try:
        while True:
            if not parts.add(data):
                return NoMemory()
            if not message.get("more_body") or parts.length > limit + _MOST_DISCARDED:
                return Body(b"".join(parts.kept), parts.length, not message.get("more_body"))
            message = await receive()
            if message["type"] == "http.disconnect":
                return Gone()
            data = message.get("body", b"")
    finally:
        memory.give_back(parts.taken)


class _Parts:
    def __init__(self, limit: int, memory: Memory) -> None:
        self._limit = limit
        self._memory = memory
        self.kept: list[bytes] = []
        self.taken = 0
        self.length = 0

    def add(self, data: bytes) -> bool:
        wanted = data[: max(0, self._limit - self.length)]
        self.length += len(data)
        if not wanted:
            return True
        if not self._memory.take(len(wanted)):
            return False
        self.taken += len(wanted)
        self.kept.append(wanted)
        return True


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
