"""Parses a Java regular expression and writes it anew for another engine. See `patterns` for why."""

import re

from backbone.iglu.character_sets import ANY, LETTER_OR_DIGIT, LINE_ENDS, MARK, VERTICAL, CharSet, UnsupportedPattern, chars
from backbone.iglu.pattern_dialects import Dialect
from backbone.iglu.pattern_scanner import InvalidPattern, Scanner

_MAX_NESTING = 100
_REPEAT = re.compile(r"\{(\d+)(?:(,)(\d*))?\}", re.ASCII)
_FLAGS = re.compile(r"\?([idmsuxU]*)(?:-([idmsuxU]*))?([:)])")
_GROUPS = ("?:", "?=", "?!", "?>", "?<=", "?<!")
_GROUP_NAME = re.compile(r"\?<([a-zA-Z][a-zA-Z0-9]*)>")
_REFERENCE_NAME = re.compile(r"<([a-zA-Z][a-zA-Z0-9]*)>")
_SINGLE = re.compile(r"[A-Za-z0-9]|\[(?:[^\]\\]|\\.)*\]")
_START, _END = "^", r"(?![\s\S])"
_BEFORE_LAST_END = r"(?=(?:\r\n|(?<!\r)\n|[\r\u0085\u2028\u2029])?" + _END + ")"


def translate(pattern: str, dialect: Dialect) -> str:
    """Raises InvalidPattern, UnsupportedPattern."""
    parser = _Parser(pattern, dialect)
    text = parser.alternatives(0)
    if parser.at < len(pattern):
        raise InvalidPattern("Unmatched closing ')'")
    return text


class _Parser(Scanner):
    def __init__(self, pattern: str, dialect: Dialect) -> None:
        super().__init__(pattern)
        self.dialect = dialect
        self.groups = 0
        self.group_names: dict[str, int] = {}

    def alternatives(self, depth: int) -> str:
        if depth > _MAX_NESTING:
            raise UnsupportedPattern("too many nested groups")
        parts = [self.sequence(depth)]
        while self.peek() == "|":
            self.at += 1
            parts.append(self.sequence(depth))
        return "|".join(parts)

    def sequence(self, depth: int) -> str:
        parts = []
        while True:
            if "x" in self.flags:
                self.skip_comments()
            char = self.peek()
            if not char or char == "|":
                break
            if char == ")":
                if depth == 0:
                    raise InvalidPattern("Unmatched closing ')'")
                break
            if char in "*+?":
                raise InvalidPattern(f"Dangling meta character '{char}'")
            parts.append(self.quantified(self.atom(depth)))
        return "".join(parts)

    def skip_comments(self) -> None:
        while (char := self.peek()) and (char in " \t\n\x0b\f\r" or char == "#"):
            if char == "#":
                while (char := self.peek()) and char not in "\n\r\u0085\u2028\u2029":
                    self.at += 1
            else:
                self.at += 1

    def quantified(self, atom: str) -> str:
        if "x" in self.flags:
            self.skip_comments()
        char = self.peek()
        if not char or char not in "*+?{":
            return atom
        if char == "{":
            repeat = self.repeat()
        else:
            repeat = self.next()
        return self.greedy(atom, repeat)

    def repeat(self) -> str:
        low, comma, high = self.match(_REPEAT, "Illegal repetition").groups()
        if max(len(low), len(high or "")) > 9 or (high and int(high) < int(low)):
            raise InvalidPattern("Illegal repetition range")
        return f"{{{low}{comma or ''}{high or ''}}}"

    def greedy(self, atom: str, repeat: str) -> str:
        if not atom:
            return ""
        suffix = self.peek()
        if suffix == "?":
            self.at += 1
            return f"(?:{atom}){repeat}?"
        if suffix == "+":
            self.at += 1
            return self.dialect.atomic(f"(?:{atom}){repeat}")
        return (
            f"(?:{atom}){repeat}" if len(atom) > 1 and not (atom[0] == "[" and atom.find("]") == len(atom) - 1) else atom + repeat
        )

    def atom(self, depth: int) -> str:
        char = self.next()
        if char == "(":
            return self.group(depth)
        if char == "[":
            return self.set(self.char_class())
        if char == "\\":
            return self.escape()
        if char == ".":
            return self.set(self.dot())
        if char == "^":
            return self.line_start() if "m" in self.flags else _START
        if char == "$":
            return self.line_end(depth)
        if char == "{":
            self.at -= 1
            self.repeat()
            return ""
        return self.literal(self.code_point(char))

    def literal(self, point: int) -> str:
        return self.set(CharSet(((point, point),))) if "i" in self.flags else self.dialect.char(point)

    def set(self, chars: CharSet) -> str:
        return self.dialect.set(chars.both_cases("u" in self.flags) if "i" in self.flags else chars)

    def dot(self) -> CharSet:
        if "s" in self.flags:
            return ANY
        return (chars("\n") if "d" in self.flags else LINE_ENDS).inverse()

    def line_start(self) -> str:
        if "d" in self.flags:
            return rf"(?:{_START}|(?<=\n)(?!{_END}))"
        return rf"(?:{_START}|(?<=[\n\u0085\u2028\u2029])(?!{_END})|(?<=\r)(?!\n)(?!{_END}))"

    def line_end(self, depth: int) -> str:
        if "m" in self.flags:
            return r"(?=\n|" + _END + ")" if "d" in self.flags else rf"(?:(?=[\r\u0085\u2028\u2029]|{_END})|(?<!\r)(?=\n))"
        if "d" in self.flags:
            return rf"(?=\n?{_END})"
        if depth == 0 and self.dialect.tail is not None and self.peek() in ("", "|"):
            return self.dialect.tail
        return _BEFORE_LAST_END

    def group(self, depth: int) -> str:
        outer = self.flags
        opening = self.group_opening()
        if not opening:
            return ""
        if opening == "(":
            self.groups += 1
        inner = self.alternatives(depth + 1)
        if self.peek() != ")":
            raise InvalidPattern("Unclosed group")
        self.at += 1
        self.flags = outer
        return self.dialect.atomic(inner) if opening == "(?>" else f"{opening}{inner})"

    def group_opening(self) -> str:
        """`(`, `(?:` …; empty where flags were set for the rest of the group around. Named groups become numbered ones."""
        if self.peek() != "?":
            return "("
        for kind in _GROUPS:
            if self.pattern.startswith(kind, self.at):
                self.at += len(kind)
                return f"({kind}"
        if self.pattern.startswith("?<", self.at):
            self.name_group()
            return "("
        on, off, end = self.match(_FLAGS, "Unknown inline modifier or group type").groups()
        self.set_flags(on, off or "")
        return "(?:" if end == ":" else ""

    def name_group(self) -> None:
        match = self.match(_GROUP_NAME, "Illegal group name")
        if match[1] in self.group_names:
            raise InvalidPattern("Repeated group name")
        self.group_names[match[1]] = self.groups + 1

    def set_flags(self, on: str, off: str) -> None:
        if "U" in on:
            raise UnsupportedPattern("flag U")
        self.flags = (self.flags | set(on)) - set(off)

    def escape(self) -> str:
        char = self.next()
        if char in "bB":
            return self.word_boundary(negated=char == "B")
        if char in "AGzZ":
            return {"A": _START, "G": _START, "z": _END, "Z": _BEFORE_LAST_END}[char]
        if char == "R":
            return rf"(?:\r\n|{self.dialect.set(VERTICAL)})"
        if char == "X":
            return rf"(?:\r\n|{self.dialect.set(ANY)}{self.dialect.set(MARK)}*)"
        if char == "Q":
            return self.quoted()
        if char == "k":
            return self.reference_by_name()
        if char in "123456789":
            return self.reference(int(char))
        self.at -= 1
        return self.set_or_char(self.escaped())

    def word_boundary(self, negated: bool) -> str:
        word = self.dialect.set(LETTER_OR_DIGIT)
        both = f"(?:(?<={word})(?!{word})|(?<!{word})(?={word}))"
        return f"(?!{both})" if negated else both

    def set_or_char(self, found: CharSet | int) -> str:
        return self.literal(found) if isinstance(found, int) else self.set(found)

    def quoted(self) -> str:
        text = self.quotation()
        return "".join(self.literal(ord(char)) for char in text[:-1]) + (
            self.quantified(self.literal(ord(text[-1]))) if text else ""
        )

    def reference_by_name(self) -> str:
        match = self.match(_REFERENCE_NAME, "Illegal reference to a group")
        if match[1] not in self.group_names:
            raise InvalidPattern("named capturing group is missing")
        return self.reference(self.group_names[match[1]])

    def reference(self, number: int) -> str:
        if "i" in self.flags:
            raise UnsupportedPattern("case-insensitive back-reference")
        while (digit := self.peek()).isdecimal() and digit.isascii() and number * 10 + int(digit) <= self.groups:
            number = number * 10 + int(self.next())
        return f"(?:\\{number})" if number <= self.groups else "(?!)"
