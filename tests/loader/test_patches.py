"""Patches as such: what they may be, what they answer, what they cannot do."""

import json
from pathlib import Path
from typing import Any

import pytest

from backbone import jsontext
from backbone.errors import ConfigurationError
from loader.patches import Broken, LeftOut, digest, of_text, read


def js(body: str, document: Any = None) -> Any:
    return of_text("p.js", f"function patch(event) {{ {body} }}").apply({"a": 1} if document is None else document)


def text_of(body: str, document: str) -> str:
    """The changed document's text, of a document's text."""
    return jsontext.dumps(js(body, jsontext.loads(document)[0]), exact=False)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("p.json", "{", "not JSON"),
        ("p.json", "{}", "not a JSON patch"),
        ("p.json", "[1]", "not a JSON patch"),
        ("p.json", '[{"op":"rename","path":"/a"}]', "rename"),
        ("p.json", '[{"op":"add","path":"a","value":1}]', "not a JSON patch"),
        ("p.json", '[{"op":"add","path":"/a"}]', "no `value`"),
        ("p.json", '[{"op":"move","path":"/a"}]', "not a JSON patch|no `from`"),
        ("p.js", "function patch(", "SyntaxError"),
        ("p.js", "let other = 1", "no function named patch"),
        ("p.js", "throw new Error('no')", "no"),
        ("p.js", "while (true) {}", "interrupted"),
        ("p.py", "", "ends in .json"),
    ],
)
def test_what_is_no_patch_is_refused_at_once(name: str, text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        of_text(name, text)


def test_a_file_is_read_or_its_fault_told(tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    with pytest.raises(ConfigurationError, match="No such file"):
        read(file)
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        read(file)
    file.write_text("[]")
    assert read(file).apply({"a": 1}) == {"a": 1}
    assert digest("[]") == digest(read(file).text)


def test_a_json_patch_leaves_the_document_and_itself_as_they_were() -> None:
    operations = [{"op": "add", "path": "/d", "value": {}}, {"op": "add", "path": "/d/x", "value": 1}]
    patch = of_text("p.json", json.dumps(operations))
    document: Any = {"a": [1]}
    first = patch.apply(document)
    assert first == {"a": [1], "d": {"x": 1}}
    assert isinstance(first, dict)
    first["d"]["x"] = 2
    assert patch.apply(document) == {"a": [1], "d": {"x": 1}}
    assert document == {"a": [1]}


def test_a_json_patch_keeps_the_spelling_of_numbers_its_own_included() -> None:
    patch = of_text("p.json", '[{"op":"copy","from":"/a","path":"/b"},{"op":"add","path":"/c","value":2.50}]')
    made = patch.apply(jsontext.loads('{"a":1.10}')[0])
    assert jsontext.dumps(made, exact=False) == '{"a":1.10,"b":1.10,"c":2.50}'


@pytest.mark.parametrize(
    "operation",
    [{"op": "remove", "path": "/x"}, {"op": "add", "path": "/x/y", "value": 1}, {"op": "add", "path": "/l/9", "value": 1}],
    ids=lambda operation: operation["path"],
)
def test_an_operation_that_fails_breaks_the_event_and_quotes_none_of_its_data(operation: Any) -> None:
    found = of_text("p.json", json.dumps([operation])).apply({"a": "secret", "l": []})
    assert isinstance(found, Broken)
    assert found.message.startswith("an operation of the patch fails: ")
    assert "secret" not in found.message


@pytest.mark.parametrize("body", ["return null", "return undefined", "", "return () => 1"])
def test_a_function_that_returns_nothing_leaves_the_event_out(body: str) -> None:
    assert js(body) == LeftOut()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("throw new Error('no such sku')", "Error: no such sku"),
        ("throw 'plain'", "plain"),
        ("throw 'red \\u001b[31m'", r"red \?\[31m"),
        ("return event.b.c", "TypeError"),
        ("return 5", "no object"),
        ("return [event]", "no object"),
        ("while (true) {}", "more than 50 ms"),
        ("const all = []; for (;;) all.push('x'.repeat(1e6) + all.length)", "InternalError|more than 50 ms"),
        ("return patch(event)", "RangeError"),
        ("event.self = event; return event", "TypeError: circular"),
        ("return fetch('http://localhost')", "ReferenceError"),
        ("return require('fs')", "ReferenceError"),
        ("return std.open('/etc/passwd')", "ReferenceError"),
    ],
)
def test_a_function_that_fails_breaks_the_event_with_its_message(body: str, message: str) -> None:
    import re

    found = js(body)
    assert isinstance(found, Broken)
    assert re.search(message, found.message)


def test_after_a_fault_the_next_event_is_patched_all_the_same() -> None:
    patch = of_text("p.js", "function patch(e) { if (e.loop) for (;;); e.seen = true; return e; }")
    assert isinstance(patch.apply({"loop": 1}), Broken)
    assert patch.apply({"a": 1}) == {"a": 1, "seen": True}


@pytest.mark.parametrize(
    ("body", "before", "after"),
    [
        ("return event", '{"a":1.10,"b":-0,"c":1e400,"d":12345678901234567890}', None),
        ("event.x = event.a; delete event.a; return event", '{"a":1.10}', '{"x":1.10}'),
        ("event.l.shift(); return event", '{"l":[1.10,2.20]}', '{"l":[2.20]}'),
        ("event.x = event.a; return event", '{"a":12345678901234567890}', '{"a":12345678901234567890,"x":12345678901234567890}'),
        ("event.a = event.a * 2; return event", '{"a":1.10}', '{"a":2.2}'),
        ("event.n = 1; return event", '{"a":1.0}', '{"a":1.0,"n":1}'),
        ("event.t = 'ü\\u0000\\u2028'; return event", "{}", '{"t":"ü\\u0000\u2028"}'),
    ],
)
def test_numbers_a_function_passes_through_are_spelled_as_before(body: str, before: str, after: str | None) -> None:
    assert text_of(body, before) == (before if after is None else after)


def test_a_number_javascript_rounded_is_never_guessed() -> None:
    document = jsontext.loads('{"a":12345678901234567890,"b":12345678901234567891}')[0]
    found = js("return {x: event.b}", document)
    assert isinstance(found, Broken)
    assert "too long for JavaScript" in found.message
