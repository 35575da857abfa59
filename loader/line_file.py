"""Enriched lines of a file, to be read twice: once to learn which columns they need, once to load them."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from backbone.errors import ConfigurationError, Fault

_LONGEST_LINE = 100_000_000


class LineFile:
    """Lines end with LF or CR LF; the last may lack its end. One of more than 100 MB is cut."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._start = file.tell()

    def portions(self, most_lines: int, most_bytes: int) -> Iterator[list[bytes]]:
        """From the beginning, as many lines at a time as both limits allow, one at least."""
        self._file.seek(self._start)
        portion: list[bytes] = []
        size = 0
        for line in self._lines():
            if portion and (len(portion) >= most_lines or size + len(line) > most_bytes):
                yield portion
                portion, size = [], 0
            portion.append(line)
            size += len(line)
        if portion:
            yield portion

    def _lines(self) -> Iterator[bytes]:
        while line := self._file.readline(_LONGEST_LINE):
            rest = line
            while len(rest) == _LONGEST_LINE and not rest.endswith(b"\n"):
                rest = self._file.readline(_LONGEST_LINE)
            yield line.removesuffix(b"\n").removesuffix(b"\r")


@contextmanager
def opened(source: str) -> Iterator[LineFile]:
    """`-` is standard input. What can be read only once is copied to a temporary file. Raises ConfigurationError."""
    with ExitStack() as stack:
        try:
            file: BinaryIO = sys.stdin.buffer if source == "-" else stack.enter_context(Path(source).open("rb"))
        except OSError as problem:
            raise ConfigurationError([Fault(source, "", problem.strerror or "cannot be opened")]) from None
        if not file.seekable():
            copy = stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(file, copy, 1024 * 1024)
            copy.seek(0)
            file = copy
        yield LineFile(file)
