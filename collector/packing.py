"""Requests of one commit packed together and compressed, as Snowplow's collector does.

A byte for the container's version, one for its content's (both 1), then each payload behind its length (int32, big-endian): all
of it one zstd or gzip stream.
"""

import gzip
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from backbone.bus.protocol import Positions, Publisher, Stream

Packed = Literal["zstd", "gzip"]
_VERSIONS = b"\x01\x01"
_LARGEST = 1_000_000
"""Bytes of payloads in one container: more would not be smaller, and come again as a whole."""
_ZSTD_LEVEL = 3
_GZIP_LEVEL = 6


class Packing:
    """A publisher before another one: what it is given for `raw` goes on in containers. For several threads at once."""

    def __init__(self, publisher: Publisher, kind: Packed) -> None:
        self._publisher = publisher
        self._compressed = _zstd() if kind == "zstd" else _gzip

    def commit(
        self,
        records: Sequence[tuple[Stream, bytes]],
        consumed: Positions | None = None,
        counted: Mapping[str, int] | None = None,
    ) -> None:
        payloads = [data for stream, data in records if stream == "raw"]
        others = [record for record in records if record[0] != "raw"]
        containers: list[tuple[Stream, bytes]] = [("raw", self._compressed(content)) for content in _contents(payloads)]
        self._publisher.commit([*containers, *others], consumed, counted)

    def consumed(self) -> dict[str, int]:
        return self._publisher.consumed()

    def close(self) -> None:
        self._publisher.close()


def _contents(payloads: Sequence[bytes]) -> Iterator[bytes]:
    parts, size = [_VERSIONS], 0
    for payload in payloads:
        if len(parts) > 1 and size + len(payload) > _LARGEST:
            yield b"".join(parts)
            parts, size = [_VERSIONS], 0
        parts += [struct.pack(">i", len(payload)), payload]
        size += len(payload)
    if len(parts) > 1:
        yield b"".join(parts)


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, _GZIP_LEVEL, mtime=0)


def _zstd() -> Callable[[bytes], bytes]:
    """Its library is not loaded where nobody asks for it; a compressor is for one thread."""
    import zstandard

    own = threading.local()

    def compressed(content: bytes) -> bytes:
        if not hasattr(own, "compressor"):
            own.compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)
        packed: bytes = own.compressor.compress(content)
        return packed

    return compressed


def packing(publisher: Publisher, compression: Literal["none", "zstd", "gzip"]) -> Publisher:
    """As the setting wants it."""
    return publisher if compression == "none" else Packing(publisher, compression)
