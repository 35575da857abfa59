"""JSONPath: which places a path names, and that nothing else is touched."""

import json
from typing import Any

import pytest

from backbone.jsontext import LiteralNumber
from enricher.enrichments.jsonpath import InvalidPath, compile_path

DATA: dict[str, Any] = {
    "e": "x",
    "n": 5,
    "z": None,
    "arr": ["x", 1, ["y"], {"k": "v"}],
    "o": {"e": "f"},
    "list": [{"k": "1"}, {"q": "3"}],
    "odd-name.x": "d",
}
TEXT = json.dumps(DATA)


def marked(value: Any) -> Any:
    """Strings are marked, also those directly in an array: what PII does with a hash."""
    if isinstance(value, str):
        return value + "!"
    return [item + "!" if isinstance(item, str) else item for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("$.e", {"e": "x!"}),
        ("$['e']", {"e": "x!"}),
        ('$["e"]', {"e": "x!"}),
        ("$.['e', 'missing']", {"e": "x!"}),
        ("$['e','arr']", {"e": "x!", "arr": ["x!", 1, ["y"], {"k": "v"}]}),
        ("$['odd-name.x']", {"odd-name.x": "d!"}),
        ("$.arr", {"arr": ["x!", 1, ["y"], {"k": "v"}]}),
        ("$.arr[*]", {"arr": ["x!", 1, ["y!"], {"k": "v"}]}),
        ("$.arr.*", {"arr": ["x!", 1, ["y!"], {"k": "v"}]}),
        ("$.arr[0]", {"arr": ["x!", 1, ["y"], {"k": "v"}]}),
        ("$.arr[-2][0]", {"arr": ["x", 1, ["y!"], {"k": "v"}]}),
        ("$.arr[0, 3].k", {"arr": ["x", 1, ["y"], {"k": "v!"}]}),
        ("$.arr[1:3]", {"arr": ["x", 1, ["y!"], {"k": "v"}]}),
        ("$.arr[9]", {}),
        ("$..e", {"e": "x!", "o": {"e": "f!"}}),
        ("$..['e']", {"e": "x!", "o": {"e": "f!"}}),
        ("$.list..k", {"list": [{"k": "1!"}, {"q": "3"}]}),
        ("$.list[*].k", {"list": [{"k": "1!"}, {"q": "3"}]}),
        ("$.list[?(@.k == '1')].k", {"list": [{"k": "1!"}, {"q": "3"}]}),
        ("$.o.*", {"o": {"e": "f!"}}),
        ("$.n", {}),
        ("$.z", {}),
        ("$.o", {}),
        ("$.missing", {}),
        ("$.z.a", {}),
        ("$.e.length", {}),
        ("$.list[?(@.k == '2')].k", {}),
    ],
)
def test_path(path: str, changes: dict[str, Any]) -> None:
    changed = compile_path(path, marked)(DATA)
    assert changed == DATA | changes
    assert list(changed) == list(DATA)
    assert json.dumps(DATA) == TEXT, "the original was changed"


def test_a_value_in_which_nothing_changed_is_the_same_object() -> None:
    assert compile_path("$.missing", marked)(DATA) is DATA
    assert compile_path("$.list[?(@.k == '2')].k", marked)(DATA) is DATA


def test_what_did_not_change_is_shared() -> None:
    assert compile_path("$.e", marked)(DATA)["arr"] is DATA["arr"]


@pytest.mark.parametrize("path", ["$.e", "$.a[?(@.e == 'x')].e"])
def test_numbers_keep_their_spelling(path: str) -> None:
    data = {"e": "x", "a": [{"e": "x"}], "price": LiteralNumber("1.10")}
    changed = compile_path(path, marked)(data)
    assert changed != data
    assert changed["price"].text == "1.10"


@pytest.mark.parametrize(
    "path",
    [
        "$",
        "$ ",
        "e",
        "",
        "$.",
        "$..",
        "$[",
        "$.a[",
        "$.a b",
        "$.a.length()",
        "$['a",
        "$[?(]",
        "$.a.`len`",
        "$.a[\\b]",
        "$.a + $.b",
        "$.a[?(@.b)].`len`",
    ],
)
def test_invalid_path(path: str) -> None:
    with pytest.raises(InvalidPath):
        compile_path(path, marked)
