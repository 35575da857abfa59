"""Changing the places of a JSON value that a JSONPath names, without touching the value itself.

`compile_path` turns a path and a function into one function from value to value. Parts on the way to a change are copied, the
rest is shared; a value in which nothing changed comes back as the same object. Nothing is ever added or removed.

Understood directly: `.name`, `['a', "b"]`, `[0, -1]`, `[1:3]`, `*`, `..` before any of these, and a dot before a bracket
(`$.['a']`). Paths with a filter (`[?(@.kind == 'email')]`) are left to `jsonpath-ng`; its own additions to JSONPath are refused.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

Change = Callable[[Any], Any]

_NAME = re.compile(r"[^.\[\]()*?@,:'\"`\s]+")
_STAR = re.compile(r"\*")
_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_NAMES = re.compile(rf"\s*(?:{_QUOTED})\s*(?:,\s*(?:{_QUOTED})\s*)*")
_ONE_NAME = re.compile(_QUOTED)
_INDICES = re.compile(r"\s*-?\d+\s*(?:,\s*-?\d+\s*)*")
_SLICE = re.compile(r"\s*(-?\d+)?\s*:\s*(-?\d+)?\s*")
_BRACKET = re.compile(rf"\[((?:{_QUOTED}|[^'\"\]])*)\]")


class InvalidPath(ValueError):
    """No JSONPath, or one that names nothing inside the value."""


class _Foreign(Exception):
    """A path this module leaves to jsonpath-ng."""


def compile_path(path: str, change: Change) -> Change:
    """Raises InvalidPath. What is returned may raise for paths left to jsonpath-ng."""
    if not path.startswith("$"):
        raise InvalidPath("must begin with $")
    if not path[1:].strip():
        raise InvalidPath("names the whole value; name the properties in it")
    try:
        steps = _steps(path.rstrip())
    except _Foreign:
        return _foreign(path, change)
    for deep, step in reversed(steps):
        change = step(change)
        if deep:
            change = _anywhere(change)
    return change


def _steps(path: str) -> list[tuple[bool, Callable[[Change], Change]]]:
    """(anywhere below, step) in order. Raises _Foreign."""
    steps = []
    at = 1
    while at < len(path):
        dots = 2 if path.startswith("..", at) else 1 if path[at] == "." else 0
        at += dots
        if match := _BRACKET.match(path, at):
            step = _bracket(match[1])
        elif dots and (match := _STAR.match(path, at)):
            step = _each
        elif dots and (match := _NAME.match(path, at)):
            step = _named((match[0],))
        else:
            raise _Foreign
        steps.append((dots == 2, step))
        at = match.end()
    return steps


def _bracket(inside: str) -> Callable[[Change], Change]:
    if inside.strip() == "*":
        return _each
    if _NAMES.fullmatch(inside):
        return _named(tuple(re.sub(r"\\(.)", r"\1", quoted[1:-1]) for quoted in _ONE_NAME.findall(inside)))
    if _INDICES.fullmatch(inside):
        return _at(tuple(map(int, inside.split(","))))
    if match := _SLICE.fullmatch(inside):
        return _sliced(slice(*(None if part is None else int(part) for part in match.groups())))
    raise _Foreign


def _named(names: tuple[str, ...]) -> Callable[[Change], Change]:
    def step(change: Change) -> Change:
        def apply(value: Any) -> Any:
            return _replace(value, [name for name in names if name in value], change) if type(value) is dict else value

        return apply

    return step


def _each(change: Change) -> Change:
    def apply(value: Any) -> Any:
        if type(value) is dict:
            return _replace(value, list(value), change)
        return _replace(value, range(len(value)), change) if type(value) is list else value

    return apply


def _at(indices: tuple[int, ...]) -> Callable[[Change], Change]:
    def step(change: Change) -> Change:
        def apply(value: Any) -> Any:
            if type(value) is not list:
                return value
            return _replace(value, [index for index in indices if -len(value) <= index < len(value)], change)

        return apply

    return step


def _sliced(part: slice) -> Callable[[Change], Change]:
    def step(change: Change) -> Change:
        def apply(value: Any) -> Any:
            return _replace(value, range(len(value))[part], change) if type(value) is list else value

        return apply

    return step


def _anywhere(change: Change) -> Change:
    """`change` is applied to the value and to everything in it, innermost first."""

    def apply(value: Any) -> Any:
        if type(value) is dict or type(value) is list:
            return change(inner(value))
        return value

    inner = _each(apply)
    return apply


def _replace(value: Any, places: Iterable[Any], change: Change) -> Any:
    copy = None
    for place in places:
        old = value[place]
        new = change(old)
        if new is not old:
            if copy is None:
                copy = value.copy()
            copy[place] = new
    return value if copy is None else copy


def _foreign(path: str, change: Change) -> Change:
    if "[?" not in path or "`" in path:
        raise InvalidPath(f"{path} is no JSONPath that names properties")
    from jsonpath_ng.ext.parser import parse  # here, as it is slow to import and seldom needed

    try:
        expression = parse(path)
    except Exception as error:  # the parser raises its own, plain Exception and those of its lexer
        raise InvalidPath(f"is no JSONPath: {str(error)[:200]}") from None

    def apply(value: Any) -> Any:
        copy = None
        for match in expression.find(value):
            new = change(match.value)
            if new is not match.value:
                copy = _copy(value) if copy is None else copy
                match.full_path.update(copy, new)
        return value if copy is None else copy

    return apply


def _copy(value: Any) -> Any:
    if type(value) is dict:
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if type(value) is list else value
