"""From one message of the raw stream to the Thrift records in it.

A message is one record, or a gzip or zstd container: a byte for the container's version, one for its content's (both 1), then
records, each a big-endian int32 length and that many bytes.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import zstandard

_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"
_CHUNK = 256
"""Compressed bytes unpacked at once: few, as each may unfold to thousands."""


class Limits(NamedTuple):
    """Bytes: of one record, and of all a container may unfold to."""

    record: int
    container: int


class TooLarge(NamedTuple):
    """A record longer than the limit; `packing` is Gzip or Zstd. It was skipped."""

    size: int
    packing: str


class Corrupt(NamedTuple):
    """The container cannot be read, or not further."""

    problem: str


def is_container(message: bytes) -> bool:
    """Whether the message is compressed and may hold several records."""
    return message.startswith((_GZIP, _ZSTD))


def records(message: bytes, limits: Limits) -> Iterator[bytes | TooLarge | Corrupt]:
    """Everything in the message, in order; nothing follows a `Corrupt`."""
    if message.startswith(_GZIP):
        yield from _contained(_Unpacked(message, lambda: zlib.decompressobj(31)), "Gzip", limits)
    elif message.startswith(_ZSTD):
        yield from _contained(
            _Unpacked(message, zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj), "Zstd", limits
        )
    else:
        yield message


class _Engine(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class _Unpacked:
    """The bytes a compressed message unfolds to, never many at once. Raises EOFError where it breaks off."""

    def __init__(self, message: bytes, engine: Callable[[], _Engine]) -> None:
        self._packed = message
        self._at = 0
        self._new_engine = engine
        self._engine = engine()
        self._ready = b""

    def read(self, size: int) -> bytes:
        """At least one and at most `size` bytes; none at the end."""
        while not self._ready:
            if self._engine.eof:
                self._at -= len(self._engine.unused_data)
                if self._at == len(self._packed):
                    return b""
                self._engine = self._new_engine()
            chunk = self._packed[self._at : self._at + _CHUNK]
            if not chunk:
                raise EOFError
            self._at += len(chunk)
            self._ready = self._engine.decompress(chunk)
        part, self._ready = self._ready[:size], self._ready[size:]
        return part

    def exactly(self, size: int) -> bytes:
        parts = []
        while size:
            part = self.read(size)
            if not part:
                raise EOFError
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def skip(self, size: int) -> None:
        while size:
            part = self.read(size)
            if not part:
                raise EOFError
            size -= len(part)


def _contained(stream: _Unpacked, packing: str, limits: Limits) -> Iterator[bytes | TooLarge | Corrupt]:
    try:
        yield from _records(stream, packing, limits)
    except (EOFError, ValueError, MemoryError, zlib.error, zstandard.ZstdError):
        yield Corrupt("corrupt compressed payload")


def _records(stream: _Unpacked, packing: str, limits: Limits) -> Iterator[bytes | TooLarge | Corrupt]:
    versions = stream.exactly(2)
    if versions != b"\x01\x01":
        yield Corrupt(f"Unsupported versions in compressed record header: {versions[0]}, {versions[1]}")
        return
    total = 0
    while (first := stream.read(1)) != b"":
        (size,) = struct.unpack(">i", first + stream.exactly(3))
        if size < 0:
            raise EOFError
        total += size + 4
        if total > limits.container:
            yield Corrupt(f"compressed payload unfolds to more than {limits.container} bytes")
            return
        if size > limits.record:
            stream.skip(size)
            yield TooLarge(size, packing)
        else:
            yield stream.exactly(size)
