import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbone import jsontext

SAFE_TEXT = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x2FFF, exclude_characters='"\\', exclude_categories=("Cc", "Cs"))
)
NUMBERS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True, alphabet="0123456789.eE+-"
)
SCALARS = st.one_of(NUMBERS, SAFE_TEXT.map(lambda text: f'"{text}"'), st.sampled_from(["true", "false", "null"]))


def _object(pairs: dict[str, str]) -> str:
    return "{" + ",".join(f'"{key}":{value}' for key, value in pairs.items()) + "}"


def _containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lists = st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]")
    return lists | st.dictionaries(SAFE_TEXT, inner, max_size=4).map(_object)


COMPACT_JSON = st.recursive(SCALARS, _containers, max_leaves=12)


@given(COMPACT_JSON)
def test_compact_text_comes_back_byte_for_byte(text: str) -> None:
    value, exact = jsontext.loads(text)
    assert jsontext.dumps(value, exact) == text


@given(COMPACT_JSON)
def test_spaces_between_tokens_are_all_that_is_lost(text: str) -> None:
    spaced = re.sub(r'("[^"]*")|([,:\[\]{}])', lambda match: match[1] or f" {match[2]}\n", text)
    value, exact = jsontext.loads(f"\t{spaced}\r\n".encode())
    assert jsontext.dumps(value, exact) == text


def _literals(value: Any) -> list[Any]:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [item for child in children for item in _literals(child)] + ([value] if type(value) is jsontext.LiteralNumber else [])


@given(COMPACT_JSON)
def test_exact_values_hold_no_literal_number(text: str) -> None:
    value, exact = jsontext.loads(text)
    assert not (exact and _literals(value))


@pytest.mark.parametrize(
    "literal",
    ["1.10", "1.0", "-0", "-0.0", "1e400", "1E5", "1e-7", "123456789012345678901234567890", "0.1000000000000000055", "9" * 5000],
)
def test_numbers_keep_their_spelling(literal: str) -> None:
    value, exact = jsontext.loads(f'{{"n": {literal}}}')
    assert jsontext.dumps(value, exact) == f'{{"n":{literal}}}'


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ('{"a":1,"b":2,"a":3}', '{"a":3,"b":2}'),
        ('"\\u0041\\/\\u00e9"', '"A/é"'),
        ('"\\u0000\\u001f\\u007f\\u0085"', '"\\u0000\\u001f\\u007f\\u0085"'),
        ('"\\ud83d\\ude00"', '"😀"'),
        ('["\\ud800"]', '["?"]'),
        ('{"\\udc00":1}', '{"?":1}'),
    ],
    ids=["duplicate-keys", "escapes", "controls", "surrogate-pair", "lone-surrogate", "lone-surrogate-in-key"],
)
def test_strings_are_printed_as_circe_does(text: str, printed: str) -> None:
    value, exact = jsontext.loads(text)
    assert jsontext.dumps(value, exact) == printed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "{",
        "[1,]",
        "NaN",
        "-Infinity",
        "\ufeff{}",
        '{"a":1} x',
        "'a'",
        '"\x01"',
        "01",
        "1.",
        b"\xff",
        b'"\xed\xa0\x80',
        "tru",
    ],
    ids=repr,
)
def test_what_is_not_json_is_refused(text: Any) -> None:
    with pytest.raises(jsontext.JsonError):
        jsontext.loads(text)


def test_errors_say_nothing_of_the_data() -> None:
    with pytest.raises(jsontext.JsonError) as problem:
        jsontext.loads('{"secret": "hunter2", }')
    assert "hunter2" not in str(problem.value)
    assert "secret" not in str(problem.value)


@pytest.mark.parametrize(
    "text", ["[" * 1_000_000, "[" * 300 + "]" * 300, '{"a":' * 250 + "1" + "}" * 250], ids=["open", "array", "object"]
)
def test_absurd_nesting_is_refused_without_recursion(text: str) -> None:
    with pytest.raises(jsontext.JsonTooDeep):
        jsontext.loads(text)


def test_brackets_in_strings_are_not_nesting() -> None:
    text = '"' + "[" * 1000 + '\\"{' + '"'
    assert jsontext.loads(text)[0] == "[" * 1000 + '"{'


def test_an_unfinished_string_full_of_quotes_is_read_in_linear_time() -> None:
    """Read once for every quote in it, this one would keep the test running for hours."""
    with pytest.raises(jsontext.JsonError):
        jsontext.loads(b"[" * 201 + b'"' + b'\\"' * 500_000)


@pytest.mark.parametrize(
    ("text", "levels"),
    [("1", 1), ("{}", 1), ("[]", 1), ('{"a":1}', 2), ("[1,[2]]", 3), ('{"a":{"b":{"c":[]}}}', 4)],
)
def test_depth_counts_scalars(text: str, levels: int) -> None:
    assert jsontext.depth(jsontext.loads(text)[0]) == levels


def test_depth_stops_one_past_the_limit() -> None:
    value: Any = 1
    for _ in range(150):
        value = [value]
    assert jsontext.depth(value, 10) == 11


def test_big_integers_of_the_program_itself_are_printed() -> None:
    assert jsontext.dumps({"n": 10**40}) == f'{{"n":1{"0" * 40}}}'
