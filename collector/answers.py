"""Answers: status, headers, body, and how they are sent."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, NamedTuple

from collector.cors import Header

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PIXEL = bytes.fromhex("47494638396101000100f00000ffffff00000021f90405000000002c00000000010001000002024401003b")
"""A transparent GIF of one pixel."""

TEXT: Header = (b"content-type", b"text/plain; charset=UTF-8")
ROBOTS = "\n\n".join(f"User-agent: {agent}\nDisallow: /" for agent in ("*", "Googlebot", "AdsBot-Google")).encode()

_PIXEL_HEADERS = ((b"content-type", b"image/gif"), (b"content-length", b"43"))
_HEAD_PIXEL_HEADERS = ((b"content-type", b"image/gif"),)
_OK_HEADERS = ((b"content-type", b"text/plain"), (b"content-length", b"2"))
NO_CACHE: Header = (b"cache-control", b"no-cache, no-store, must-revalidate")
CLOSE: Header = (b"connection", b"close")


class Answer(NamedTuple):
    """`headers` are complete but for what the server adds (Date)."""

    status: int
    headers: list[Header]
    body: bytes = b""


def ok(headers: list[Header]) -> Answer:
    """To a POST."""
    return Answer(200, [*headers, *_OK_HEADERS], b"ok")


def pixel(headers: list[Header], method: str) -> Answer:
    """To GET and HEAD."""
    if method == "HEAD":
        return Answer(200, [*headers, *_HEAD_PIXEL_HEADERS])
    return Answer(200, [*headers, *_PIXEL_HEADERS], PIXEL)


def text(status: int, body: bytes, headers: Sequence[Header] = ()) -> Answer:
    return Answer(status, [*headers, TEXT, (b"content-length", b"%d" % len(body))], body)


def empty(status: int, headers: Sequence[Header]) -> Answer:
    return Answer(status, [*headers, (b"content-length", b"0")])


async def give(answer: Answer, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})
