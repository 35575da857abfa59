"""JSON lines in, JSON lines out: one answer for each line, in order, whatever is in it."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, BinaryIO

from backbone import jsontext
from backbone.errors import ConfigurationError, Fault

Json = dict[str, Any]


class Refused(Exception):
    """A line that cannot be answered; the text says why and holds nothing of the data."""


def answered(source: str, reply: Callable[[Json], Json]) -> int:
    """Prints an answer for each line of `source` (`-` is standard input), with the line's `id` if it has one.

    `reply` raises Refused. A line that is refused is answered by `{"id"?, "line", "error"}`; the exit code is 1 then, else 0.
    Raises ConfigurationError.
    """
    refused = 0
    with ExitStack() as stack:
        lines = sys.stdin.buffer if source == "-" else stack.enter_context(_opened(source))
        for number, line in enumerate(lines, start=1):
            answer = _answer(line, number, reply)
            refused += "error" in answer
            sys.stdout.buffer.write(jsontext.dumps(answer, exact=False).encode() + b"\n")
        sys.stdout.buffer.flush()
    if refused:
        print(f"{refused} line{' is' if refused == 1 else 's are'} no question", file=sys.stderr)
    return 1 if refused else 0


def _opened(file: str) -> BinaryIO:
    try:
        return open(file, "rb")
    except OSError as problem:
        raise ConfigurationError([Fault(file, "", problem.strerror or "cannot be opened")]) from None


def _answer(line: bytes, number: int, reply: Callable[[Json], Json]) -> Json:
    try:
        question, _ = jsontext.loads(line)
    except (jsontext.JsonError, UnicodeDecodeError) as problem:
        return {"line": number, "error": f"not JSON: {problem}"}
    if type(question) is not dict:
        return {"line": number, "error": "no JSON object"}
    about = {"id": question["id"]} if "id" in question else {}
    try:
        return {**about, **reply(question)}
    except Refused as problem:
        return {**about, "line": number, "error": str(problem)}
