"""What changed from one version of a schema to the next, told as the columns see it."""

from typing import Any

import pytest

from backbone.schema_changes import changes
from backbone.schema_keywords import parse
from backbone.schema_types import event_field

TEXT, NUMBER = {"type": "string"}, {"type": "integer"}


def told(old: Any, new: Any, required: tuple[list[str], list[str]] = ([], [])) -> list[str]:
    fields = []
    for properties, needed in zip((old, new), required, strict=True):
        keywords = parse({"type": "object", "properties": properties, "required": needed, "additionalProperties": False})
        assert keywords is not None
        fields.append(event_field("column", keywords))
    assert fields[0] is not None
    assert fields[1] is not None
    return list(map(str, changes(fields[0], fields[1])))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": TEXT}, {"a": TEXT}, []),
        ({"a": TEXT}, {"a": TEXT, "bC": NUMBER}, ["ok: Schema key addition at /b_c"]),
        ({"a": TEXT, "b": TEXT}, {"a": TEXT}, ["ok: Key removal at /b"]),
        ({"a": TEXT}, {"a": NUMBER}, ["breaking: Incompatible type change String to Long at /a"]),
        (
            {"a": {"type": "integer", "minimum": 0, "maximum": 9}},
            {"a": NUMBER},
            ["breaking: Incompatible type change Integer to Long at /a"],
        ),
    ],
)
def test_changes_of_properties(old: Any, new: Any, expected: list[str]) -> None:
    assert told(old, new) == expected


def test_changes_inside_lists_and_structs_name_their_place() -> None:
    def deep(inner: Any) -> Any:
        return {"rows": {"type": "array", "items": {"type": "object", "properties": inner, "additionalProperties": False}}}

    assert told(deep({"x": TEXT}), deep({"x": NUMBER, "y": TEXT})) == [
        "breaking: Incompatible type change String to Long at /rows/[arrayDown]/x",
        "ok: Schema key addition at /rows/[arrayDown]/y",
    ]


def test_presence_is_told_in_both_directions() -> None:
    both = {"a": TEXT, "b": TEXT}
    assert told(both, both, (["a"], ["b"])) == [
        "ok: Changing nullable property to required at /b",
        "ok: Changing required property to nullable at /a",
    ]


def test_what_a_list_holds_may_become_nullable() -> None:
    old, new = ({"a": {"type": "array", "items": {"type": kind}}} for kind in ("string", ["string", "null"]))
    assert told(old, new) == ["ok: Changing required property to nullable at /a/[arrayDown]"]
