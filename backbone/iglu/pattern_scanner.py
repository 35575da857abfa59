"""The characters of a Java regular expression: escapes, properties, classes. Structure is read by `pattern_syntax`."""

import re
import unicodedata

from backbone.iglu.character_sets import BLANK, DIGIT, HORIZONTAL, VERTICAL, WORD, CharSet, named

_SIMPLE = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "a": "\a", "e": "\x1b"}
_CLASSES = {"d": DIGIT, "w": WORD, "s": BLANK, "h": HORIZONTAL, "v": VERTICAL}
_LOW_SURROGATE = re.compile(r"\\u[dD][c-fC-F]")
_BRACED_HEX = re.compile(r"\{([0-9a-fA-F]{1,8})\}")
_OCTAL = re.compile(r"[0-3][0-7]{2}|[0-7]{1,2}")
_NAME = re.compile(r"\{([A-Za-z0-9 \-]+)\}")


class InvalidPattern(ValueError):
    """Java refuses the pattern as well."""


class Scanner:
    """A position in a pattern, and what can be read there."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.flags: frozenset[str] = frozenset()

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def next(self) -> str:
        char = self.peek()
        if not char:
            raise InvalidPattern("Unexpected end of pattern")
        self.at += 1
        return char

    def match(self, expression: re.Pattern[str], problem: str) -> re.Match[str]:
        """Reads what `expression` matches here. Raises InvalidPattern."""
        match = expression.match(self.pattern, self.at)
        if match is None:
            raise InvalidPattern(problem)
        self.at = match.end()
        return match

    def code_point(self, char: str) -> int:
        """Joins a surrogate pair written as two characters."""
        follower = self.peek()
        if "\ud800" <= char <= "\udbff" and follower and "\udc00" <= follower <= "\udfff":
            self.at += 1
            return 0x10000 + ((ord(char) - 0xD800) << 10) + ord(follower) - 0xDC00
        return ord(char)

    def quotation(self) -> str:
        end = self.pattern.find("\\E", self.at)
        text = self.pattern[self.at :] if end < 0 else self.pattern[self.at : end]
        self.at = len(self.pattern) if end < 0 else end + 2
        return text

    def escaped(self) -> CharSet | int:
        """What may stand inside and outside of a character class."""
        char = self.next()
        if char in _SIMPLE:
            return ord(_SIMPLE[char])
        if char.lower() in _CLASSES:
            found = _CLASSES[char.lower()]
            return found if char.islower() else found.inverse()
        if char in "pP":
            return self.property(char == "P")
        if char == "u":
            return self.unicode_escape()
        if char == "x":
            return self.hexadecimal()
        if char == "0":
            return self.octal()
        if char == "c":
            return ord(self.next()) ^ 64
        if char == "N":
            return self.character_name()
        if char.isascii() and char.isalnum():
            raise InvalidPattern("Illegal/unsupported escape sequence")
        return self.code_point(char)

    def hex_digits(self, count: int) -> int:
        digits = self.pattern[self.at : self.at + count]
        if len(digits) < count or re.fullmatch(r"[0-9a-fA-F]+", digits) is None:
            raise InvalidPattern("Illegal hexadecimal or Unicode escape sequence")
        self.at += count
        return int(digits, 16)

    def unicode_escape(self) -> int:
        point = self.hex_digits(4)
        if 0xD800 <= point <= 0xDBFF and _LOW_SURROGATE.match(self.pattern, self.at):
            self.at += 2
            return 0x10000 + ((point - 0xD800) << 10) + self.hex_digits(4) - 0xDC00
        return point

    def hexadecimal(self) -> int:
        if self.peek() != "{":
            return self.hex_digits(2)
        match = self.match(_BRACED_HEX, "Unclosed hexadecimal escape sequence")
        if (point := int(match[1], 16)) > 0x10FFFF:
            raise InvalidPattern("Hexadecimal codepoint is too big")
        return point

    def octal(self) -> int:
        return int(self.match(_OCTAL, "Illegal octal escape sequence")[0], 8)

    def character_name(self) -> int:
        match = self.match(_NAME, "Illegal character name escape sequence")
        try:
            return ord(unicodedata.lookup(match[1].strip()))
        except (KeyError, TypeError):
            raise InvalidPattern("Unknown character name") from None

    def property(self, negated: bool) -> CharSet:
        if self.peek() == "{":
            end = self.pattern.find("}", self.at)
            if end < 0:
                raise InvalidPattern("Unclosed character family")
            name = self.pattern[self.at + 1 : end]
            self.at = end + 1
        else:
            name = self.next()
        found = named(name)
        if found is None:
            raise InvalidPattern("Unknown character property name")
        return found.inverse() if negated else found

    def char_class(self) -> CharSet:
        """After `[`: union of items, `&&` for intersection, nested classes."""
        negated = self.peek() == "^"
        self.at += negated
        result = self.class_items(first=True)
        while self.pattern.startswith("&&", self.at):
            self.at += 2
            result = result.intersection(self.class_items(first=False))
        if self.next() != "]":
            raise InvalidPattern("Unclosed character class")
        return result.inverse() if negated else result

    def class_items(self, first: bool) -> CharSet:
        result = CharSet()
        while True:
            char = self.peek()
            if not char:
                raise InvalidPattern("Unclosed character class")
            if (char == "]" and not first) or self.pattern.startswith("&&", self.at):
                return result
            first = False
            if "x" in self.flags and char in " \t\n\x0b\f\r":
                self.at += 1
            elif char == "[":
                self.at += 1
                result = result.union(self.char_class())
            elif self.pattern.startswith("\\Q", self.at):
                self.at += 2
                for quoted in self.quotation():
                    result = result.union(CharSet(((ord(quoted), ord(quoted)),)))
            else:
                result = result.union(self.class_range())

    def class_range(self) -> CharSet:
        low = self.class_char()
        if not isinstance(low, int):
            return low
        follower = self.pattern[self.at + 1 : self.at + 2]
        if self.peek() != "-" or follower in ("]", "[", ""):
            return CharSet(((low, low),))
        self.at += 1
        high = self.class_char()
        if not isinstance(high, int) or high < low:
            raise InvalidPattern("Illegal character range")
        return CharSet(((low, high),))

    def class_char(self) -> CharSet | int:
        char = self.next()
        return self.escaped() if char == "\\" else self.code_point(char)
