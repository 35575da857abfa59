"""The `--patch` of a replay: a JSON patch (RFC 6902) or a JavaScript function, applied to one document at a time.

JavaScript runs in an interpreter of its own that reaches neither files nor network, with bounds on time and memory.
"""

import copy
import hashlib
import math
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from backbone import jsontext
from backbone.errors import ConfigurationError, Fault
from backbone.jsontext import LiteralNumber

Json = dict[str, Any]

_SECONDS = 0.05
_MEMORY = 64_000_000
_SAFE = 2**53 - 1
_NEEDED = {
    "add": ("value",),
    "replace": ("value",),
    "test": ("value",),
    "move": ("from",),
    "copy": ("from",),
    "remove": (),
}
_CALL = "(text) => { const made = patch(JSON.parse(text)); return made == null ? null : JSON.stringify(made) ?? null }"


class LeftOut(NamedTuple):
    """The patch says that this event is not to be sent."""


class Broken(NamedTuple):
    """The patch failed on this event."""

    message: str


class Patch(Protocol):
    name: str
    text: str

    def apply(self, document: Json) -> Json | LeftOut | Broken:
        """The changed document; the given one stays as it is."""


def digest(text: str) -> str:
    """SHA-256 of a patch's text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def read(file: Path) -> Patch:
    """Raises ConfigurationError: unreadable, or not a patch."""
    try:
        text = file.read_text("utf-8")
    except OSError as problem:
        raise _fault(str(file), f"cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise _fault(str(file), "is not UTF-8") from None
    return of_text(str(file), text)


def of_text(name: str, text: str) -> Patch:
    """`name` decides by its end, `.json` or `.js`. Raises ConfigurationError."""
    if name.endswith(".json"):
        return JsonPatch(name, text)
    if name.endswith(".js"):
        return JavaScriptPatch(name, text)
    raise _fault(name, "a patch is a JSON patch, whose name ends in .json, or JavaScript, in .js")


def _fault(name: str, problem: str) -> ConfigurationError:
    return ConfigurationError([Fault(name, "--patch", problem)])


class JsonPatch:
    """A `test` that fails leaves the event out; any other operation that fails breaks it."""

    def __init__(self, name: str, text: str) -> None:
        import jsonpatch

        self.name, self.text = name, text
        self._test_failed = jsonpatch.JsonPatchTestFailed
        self._failed = (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, ValueError, LookupError)
        try:
            operations, _ = jsontext.loads(text)
            self._patch = jsonpatch.JsonPatch(operations)
            _check(operations)
        except jsontext.JsonError as problem:
            raise _fault(name, f"is not JSON: {problem}") from None
        except self._failed as problem:
            raise _fault(name, f"is not a JSON patch: {problem}") from None

    def apply(self, document: Json) -> Json | LeftOut | Broken:
        try:
            made = copy.deepcopy(self._patch).apply(document)
        except self._test_failed:
            return LeftOut()
        except self._failed as problem:
            # The library may add the document itself.
            return Broken(f"an operation of the patch fails: {_first_line(problem).partition(' not found in ')[0]}")
        return made if type(made) is dict else Broken("the patch leaves no object")


def _check(operations: Any) -> None:
    """What the library would notice on the first event only."""
    for number, operation in enumerate(operations):
        missing = [key for key in ("path", *_NEEDED[operation["op"]]) if key not in operation]
        if missing:
            raise ValueError(f"operation {number} has no `{missing[0]}`")


class JavaScriptPatch:
    """`function patch(event) { …; return event; }`; null or nothing leaves the event out, an exception breaks it."""

    def __init__(self, name: str, text: str) -> None:
        import quickjs

        self.name, self.text = name, text
        self._new_context = quickjs.Context
        self._failure = quickjs.JSException
        try:
            kind = self._begin()
        except self._failure as problem:
            raise _fault(name, f"is not JavaScript that runs: {_first_line(problem)}") from None
        if kind != "function":
            raise _fault(name, "has no function named patch: function patch(event) { …; return event; }")

    def apply(self, document: Json) -> Json | LeftOut | Broken:
        try:
            text = self._call(jsontext.dumps(document, exact=False))
        except self._failure as problem:
            told = _first_line(problem)
            if told.startswith("InternalError"):  # out of time or memory: what is left of it is not trusted
                self._begin()
            return Broken(f"more than {_SECONDS * 1000:.0f} ms" if "interrupted" in told else told)
        return LeftOut() if text is None else _made(document, text)

    def _begin(self) -> str:
        """A new interpreter with the function in it; the type of `patch`."""
        context: Any = self._new_context()
        context.set_memory_limit(_MEMORY)
        context.set_time_limit(_SECONDS)
        context.eval(self.text)
        self._context = context
        self._call = context.eval(_CALL)
        return str(context.eval("typeof patch"))


def _first_line(problem: Exception) -> str:
    """Fit for a terminal, whatever it quotes."""
    return "".join(character if character.isprintable() else "?" for character in str(problem).split("\n", 1)[0][:200])


def _made(before: Json, text: str) -> Json | Broken:
    try:
        made, _ = jsontext.loads(text)
        if type(made) is not dict:
            return Broken("the function returned something that is no object")
        kept: Json = with_old_spellings(before, made)
    except (jsontext.JsonError, _Doubtful) as problem:
        return Broken(str(problem))
    return kept


class _Doubtful(ValueError):
    """A number that JavaScript has rounded, and that is no longer where it was."""


def with_old_spellings(before: Any, after: Any) -> Any:
    """`after` with the numbers that were only passed through as they were written: JavaScript knows doubles alone.

    A number is looked for where it was, then, if it cannot be a whole number made by the patch, anywhere in the document.
    """
    spellings: dict[float, dict[str, Any]] = {}
    for number in _numbers(before):
        spellings.setdefault(float(number), {})[jsontext.dumps(number, exact=False)] = number
    return _respelled(before, after, spellings)


def _numbers(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _numbers(item)
    elif _is_number(value):
        yield value


def _is_number(value: Any) -> bool:
    if type(value) is int:
        return abs(value) < 10**300
    return isinstance(value, float)


def _respelled(before: Any, after: Any, spellings: dict[float, dict[str, Any]]) -> Any:
    if type(after) is dict:
        old = before if type(before) is dict else {}
        return {name: _respelled(old.get(name), item, spellings) for name, item in after.items()}
    if type(after) is list:
        items = before if type(before) is list else []
        return [_respelled(items[at] if at < len(items) else None, item, spellings) for at, item in enumerate(after)]
    if after is None and isinstance(before, LiteralNumber) and math.isinf(before):
        return before
    if not _is_number(after):
        return after
    if _is_number(before) and float(before) == float(after):
        return before
    return _found(after, spellings.get(float(after), {}))


def _found(number: Any, spellings: dict[str, Any]) -> Any:
    if not spellings or (float(number).is_integer() and abs(number) <= _SAFE):
        return number
    if len({Decimal(text) for text in spellings}) > 1:
        raise _Doubtful("a number too long for JavaScript was moved, and there are several it could be")
    return next(iter(spellings.values()))
