"""`snowmelt enrich --from`: the enricher without a bus, on a file of base64 payloads, one a line."""

import base64
import binascii
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import orjson

from backbone import badrow
from backbone.bus.protocol import Stream
from backbone.errors import ConfigurationError, Fault
from backbone.settings import Settings
from enricher import timestamps
from enricher.assembly import assembled
from enricher.enrich import ARTIFACT, Enricher, Output

_LONGEST_LINE = 100_000_000


def run(
    settings: Settings,
    source: str,
    good: Path | None = None,
    failed: Path | None = None,
    bad: Path | None = None,
    trace: Path | None = None,
    enrichments: Path | None = None,
    schemas: Sequence[Path] = (),
    assets: Path | None = None,
) -> int:
    """Reads `source` (`-` is standard input); writes what comes out to the files given.

    Answers 0 whatever the data are; a line that is no base64 gives a bad row too. Raises ConfigurationError, and
    RegistryUnavailable if a schema registry does not answer.
    """
    with ExitStack() as stack:
        enricher = stack.enter_context(assembled(settings, enrichments=enrichments, schemas=schemas, assets=assets))
        lines = stack.enter_context(_opened(Path(source), "rb")) if source != "-" else sys.stdin.buffer
        files: dict[Stream, BinaryIO] = {}
        chosen: tuple[tuple[Stream, Path | None], ...] = (("enriched", good), ("failed", failed), ("bad", bad))
        for stream, file in chosen:
            if file is not None:
                files[stream] = stack.enter_context(_opened(file, "wb"))
        tracing = stack.enter_context(_opened(trace, "wb")) if trace is not None else None
        _convert(enricher, lines, files, tracing)
    return 0


def _opened(file: Path, mode: str) -> BinaryIO:
    try:
        return file.open(mode)  # type: ignore[return-value]
    except OSError as problem:
        raise ConfigurationError([Fault(str(file), "", problem.strerror or "cannot be opened")]) from None


def _convert(enricher: Enricher, lines: BinaryIO, files: dict[Stream, BinaryIO], tracing: BinaryIO | None) -> None:
    counts: dict[Stream, int] = {"enriched": 0, "failed": 0, "bad": 0}
    number = 0
    for number, line in enumerate(_lines(lines), start=1):
        outputs = _outputs(enricher, line)
        for stream, record in outputs:
            counts[stream] += 1
            if stream in files:
                files[stream].write(record + b"\n")
        if tracing is not None:
            tracing.write(_trace(number, outputs))
    print(f"{number} payloads: {counts['enriched']} good, {counts['failed']} failed, {counts['bad']} bad rows", file=sys.stderr)


def _lines(source: BinaryIO) -> Iterator[bytes]:
    """Lines without their end; one that is too long is cut."""
    while line := source.readline(_LONGEST_LINE):
        rest = line
        while len(rest) == _LONGEST_LINE and not rest.endswith(b"\n"):
            rest = source.readline(_LONGEST_LINE)
        yield line.rstrip(b"\r\n")


def _outputs(enricher: Enricher, line: bytes) -> list[Output]:
    clock = time.time_ns() // 1_000_000
    try:
        payload = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        kept = base64.b64encode(line).decode()
        message = {"error": "the line is not base64"}
        maker = badrow.processor(ARTIFACT)
        return [("bad", badrow.payload_format_violation(maker, timestamps.iso(clock), message, kept))]
    return enricher.process(payload, clock)


def _trace(number: int, outputs: list[Output]) -> bytes:
    """`{"line": n, "good": [tsv…], "failed": [tsv…], "bad": [row…]}`; bad rows keep their spelling."""
    good = b",".join(orjson.dumps(record.decode()) for stream, record in outputs if stream == "enriched")
    failed = b",".join(orjson.dumps(record.decode()) for stream, record in outputs if stream == "failed")
    bad = b",".join(record for stream, record in outputs if stream == "bad")
    return b'{"line":%d,"good":[%b],"failed":[%b],"bad":[%b]}\n' % (number, good, failed, bad)
