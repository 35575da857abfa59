import re
import unicodedata

import pytest

from backbone.iglu.character_sets import UnsupportedPattern, chars, complement
from backbone.iglu.pattern_dialects import Python
from backbone.iglu.pattern_scanner import InvalidPattern
from backbone.iglu.pattern_syntax import translate
from backbone.iglu.patterns import matcher, rust_pattern

MATCHES = [
    ("^a$", "a\n", True),
    ("^a$", "a\r\n", True),
    ("^a$", "a\u0085", True),
    ("^a$", "a\n\n", False),
    ("(^a$)", "a\n", True),
    ("^a$|^b$", "b\n", True),
    ("^(a|b$)c", "ac", True),
    ("^.$", "\r", False),
    ("^.$", "\u2028", False),
    ("^.$", "\u0085", False),
    ("^.$", "\x0b", True),
    ("^.$", "😀", True),
    (r"^\s$", "\u00a0", False),
    (r"^\S$", "\u00a0", True),
    (r"^\d$", "٣", False),
    (r"^\D$", "٣", True),
    (r"^\w$", "é", False),
    (r"^[\w.-]+$", "a-b.c_1", True),
    (r"^[^\W_]+$", "a_", False),
    (r"\bfoo\b", "éfoo", False),
    (r"\bfoo\b", "-foo-", True),
    (r"a\Bb", "ab", True),
    (r"^\h\v$", "\u3000\u2029", True),
    (r"^a\Rb$", "a\r\nb", True),
    (r"\Aab\Z", "ab\n", True),
    (r"\Aab\z", "ab\n", False),
    (r"\Gab", "xab", False),
    ("^(a++)a$", "aaa", False),
    ("^(a++)b$", "aab", True),
    ("^(?>a|ab)c$", "abc", False),
    ("^a?+a$", "a", False),
    (r"^(?<n>a)\k<n>$", "aa", True),
    (r"^(a)\1$", "ab", False),
    (r"^(a)\11$", "aa1", True),
    (r"^\2(a)$", "a", False),
    ("(?i)^abc$", "aBC", True),
    ("(?i)^é$", "É", False),
    ("(?iu)^é$", "É", True),
    ("(?i:a)b", "AB", False),
    ("(?i:a)b", "Ab", True),
    ("((?i)a)b", "AB", False),
    ("(?i)[a-c]", "B", True),
    ("(?i)a(?-i)b", "AB", False),
    ("(?s)^.$", "\n", True),
    ("(?m)^b$", "a\nb", True),
    ("(?m)^b$", "a\r\nb\r\nc", True),
    ("(?m)^$", "a\n", False),
    ("(?d)^.$", "\r", True),
    ("(?d)^a$", "a\r", False),
    ("(?md)^b$", "a\rb", False),
    ("(?x) a b # end\n c", "abc", True),
    ("(?x)[a b]{2}", "ab", True),
    ("^[a-z&&[^b]]$", "b", False),
    ("^[a-z&&[^b]]$", "c", True),
    ("^[a-z&&def]$", "e", True),
    ("^[^a-z&&b]$", "b", False),
    ("^[a[0-9]]$", "5", True),
    ("^[]a]$", "]", True),
    ("^[^]a]$", "]", False),
    ("^[a-]$", "-", True),
    (r"^[\d-x]+$", "-", True),
    ("^[[:alpha:]]+$", "b", False),
    ("^[[:alpha:]]+$", ":ha", True),
    (r"^\p{L}+$", "é", True),
    (r"^\pL$", "é", True),
    (r"^\P{L}$", "1", True),
    (r"^[\p{L}\d]+$", "é1", True),
    (r"^[^\p{L}]$", "é", False),
    (r"^\p{Lower}$", "é", False),
    (r"^\p{IsAlphabetic}$", "é", True),
    (r"^\p{IsLatin}$", "б", False),
    (r"^\p{script=Cyrillic}$", "б", True),
    (r"^\p{general_category=Lu}$", "É", True),
    (r"^\p{InGreek}$", "α", True),
    (r"^\p{block=Basic Latin}$", "α", False),
    (r"^\p{javaLowerCase}$", "é", True),
    (r"^[^\p{javaLetterOrDigit}_]$", "-", True),
    (r"^\x41\u0042\x{43}\0104\cA\e\t$", "ABCD\x01\x1b\t", True),
    (r"^\ud83d\ude00$", "😀", True),
    (r"^\N{LATIN SMALL LETTER A}$", "a", True),
    (r"^\Qa.b\E+$", "a.bb", True),
    (r"^\Qa.b\E+$", "axb", False),
    (r"^[\Q]-\E]$", "]", True),
    (r"^\X$", "e\u0301", True),
    ("^a{2}$", "aa", True),
    ("^a{2,}$", "aaaa", True),
    ("^a{1,2}?$", "aaa", False),
    ("^a{2}{3}$", "aa", True),
    (r"^\/\-\_\#$", "/-_#", True),
    ("", "anything", True),
    ("^a|b$", "ax", True),
    ("(?<=a)b(?!c)", "abd", True),
    ("(?<!a)b", "ab", False),
    ("^[^\x00-\x1f]*$", "a\x00", False),
    (r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$", "a@b.co", True),
]


@pytest.mark.parametrize(("pattern", "text", "expected"), MATCHES, ids=[f"{pattern} on {text!r}" for pattern, text, _ in MATCHES])
def test_patterns_mean_what_they_mean_in_java(pattern: str, text: str, expected: bool) -> None:
    assert matcher(pattern)(text) is expected


@pytest.mark.parametrize(("pattern", "text", "expected"), MATCHES, ids=[f"{pattern} on {text!r}" for pattern, text, _ in MATCHES])
def test_both_engines_agree(pattern: str, text: str, expected: bool) -> None:
    try:
        search = re.compile(translate(pattern, Python())).search
    except UnsupportedPattern:
        assert rust_pattern(pattern) is not None, "then the other engine runs it"
        return
    assert (search(text) is not None) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        ")",
        "a)",
        "[",
        "[a",
        "[]",
        "[a&&",
        "*",
        "a**",
        "+a",
        "a{,2}",
        "{",
        "a{2,1}",
        "a{1",
        "(?z)",
        "(?<n",
        "(?<1>a)",
        "(?<n>a)(?<n>b)",
        r"\k<x>",
        r"\p{Emoji}",
        r"\p{",
        r"\p{gc=Xx}",
        r"\y",
        r"\u12",
        r"\x",
        r"\x{110000}",
        r"\x{",
        r"\0",
        r"\N{NO SUCH}",
        r"\Na",
        "[b-a]",
        r"[\d",
        "\\",
        "[a-\\d]",
        "(?i",
        r"\c",
    ],
)
def test_what_java_refuses_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPattern):
        matcher(pattern)


@pytest.mark.parametrize(
    "pattern",
    [r"\p{InLinearB}", r"\p{block=Ogham}", r"\p{javaMirrored}", r"(?i)(a)\1", "(?U)a", r"(?>\p{IsLatin})", "(" * 200 + ")" * 200],
)
def test_what_only_java_can_run_is_told_apart(pattern: str) -> None:
    with pytest.raises(UnsupportedPattern):
        matcher(pattern)


@pytest.mark.parametrize("pattern", ["^a$", "^a++$"], ids=["rust", "python"])
def test_lone_surrogates_are_matched_as_some_character(pattern: str) -> None:
    assert not matcher(pattern)("\ud800")
    assert matcher("^.$")("\ud800")


def test_an_evil_pattern_takes_linear_time() -> None:
    """With a backtracking engine this one would not end."""
    assert not matcher("^(([a-z]+)+)+!$")("a" * 10_000)


def test_categories_are_those_of_unicode() -> None:
    search = re.compile(translate(r"^\p{Lu}$", Python())).search
    points = (chr(point) for point in range(0, 0x1FFFF, 7))
    assert all((search(char) is not None) == (unicodedata.category(char) == "Lu") for char in points)


def test_complement_of_a_set_holds_the_rest() -> None:
    inside = chars("b-y").ranges
    assert complement(complement(inside)) == inside
    assert complement(inside) == ((0, 97), (122, 0x10FFFF))
