"""From one message of the raw stream to the Thrift records in it.

A message is one record, or a gzip or zstd container: a byte for the container's version, one for its content's (both 1), then
records, each a big-endian int32 length and that many bytes.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from gzip import GzipFile
from typing import IO, NamedTuple

import zstandard

_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"
_READ = 1 << 16


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


def records(message: bytes, limits: Limits) -> Iterator[bytes | TooLarge | Corrupt]:
    """Everything in the message, in order; nothing follows a `Corrupt`."""
    if message.startswith(_GZIP):
        yield from _contained(GzipFile(fileobj=io.BytesIO(message)), "Gzip", limits)
    elif message.startswith(_ZSTD):
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(message, read_across_frames=True)
        yield from _contained(reader, "Zstd", limits)
    else:
        yield message


def _contained(stream: IO[bytes], packing: str, limits: Limits) -> Iterator[bytes | TooLarge | Corrupt]:
    try:
        yield from _unpacked(stream, packing, limits)
    except (EOFError, OSError, zlib.error, zstandard.ZstdError):
        yield Corrupt("corrupt compressed payload")


def _unpacked(stream: IO[bytes], packing: str, limits: Limits) -> Iterator[bytes | TooLarge | Corrupt]:
    versions = _exactly(stream, 2)
    if versions != b"\x01\x01":
        yield Corrupt(f"Unsupported versions in compressed record header: {versions[0]}, {versions[1]}")
        return
    total = 0
    while (first := stream.read(1)) != b"":
        (size,) = struct.unpack(">i", first + _exactly(stream, 3))
        if size < 0:
            raise EOFError
        total += size + 4
        if total > limits.container:
            yield Corrupt(f"compressed payload unfolds to more than {limits.container} bytes")
            return
        if size > limits.record:
            _skip(stream, size)
            yield TooLarge(size, packing)
        else:
            yield _exactly(stream, size)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    parts = []
    while size:
        part = stream.read(min(size, _READ))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _skip(stream: IO[bytes], size: int) -> None:
    while size:
        part = stream.read(min(size, _READ))
        if not part:
            raise EOFError
        size -= len(part)
