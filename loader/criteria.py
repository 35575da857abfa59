"""Which schemas a setting of the loader is about: `iglu:com.acme/click/jsonschema/1-*-*`.

`*` may stand for the vendor, the name, the format and each number of the version.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from backbone.selfdescribing import SchemaKey

_PART = r"([a-zA-Z0-9\-_]+|\*)"
_NUMBER = r"(0|[1-9][0-9]{0,9}|\*)"
_CRITERION = re.compile(rf"iglu:([a-zA-Z0-9\-_.]+|\*)/{_PART}/{_PART}/{_NUMBER}-{_NUMBER}-{_NUMBER}\Z")


def _readable(text: str) -> str:
    """Raises ValueError."""
    if _CRITERION.match(text) is None:
        raise ValueError(f"{text!r} is not of the form iglu:vendor/name/jsonschema/1-*-*")
    return text


CriterionText = Annotated[str, AfterValidator(_readable)]
"""A setting that is a criterion; anything else is a fault of the configuration."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """Any of several."""

    _parts: tuple[tuple[str | None, ...], ...] = ()

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Criteria":
        """From texts that are criteria."""
        matches = [_CRITERION.match(text) for text in texts]
        parts = (match.groups() for match in matches if match is not None)
        return cls(tuple(tuple(None if part == "*" else part for part in six) for six in parts))

    def match(self, key: SchemaKey) -> bool:
        given = (key.vendor, key.name, key.format, *map(str, key.version))
        return any(all(part is None or part == own for part, own in zip(six, given, strict=True)) for six in self._parts)


@dataclass(frozen=True, slots=True)
class Choices:
    """What is not loaded at all, and what goes to a column for each full version."""

    skipped: Criteria = Criteria()
    legacy: Criteria = Criteria()
    all_legacy: bool = False

    def skip(self, key: SchemaKey) -> bool:
        """One that is named as legacy too is loaded, into its legacy columns only."""
        return self.skipped.match(key) and not self.legacy.match(key)

    def are_legacy(self, key: SchemaKey) -> bool:
        return self.all_legacy or self.legacy.match(key)


LOAD_ALL = Choices()
