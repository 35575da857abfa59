"""Names of warehouse columns and of the fields inside them. Two rules, for columns are older than fields."""

import re
from typing import Literal

Kind = Literal["event", "entity"]

_PUNCTUATION = re.compile(r"[.\-]")
_COLUMN_BOUNDARY = re.compile(r"([^A-Z_])([A-Z])")
_ACRONYM_END = re.compile(r"([A-Z]+)([A-Z][a-z])")
_WORD_END = re.compile(r"([a-z0-9])([A-Z])")
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_]")


def column_name(kind: Kind, vendor: str, name: str, model: int) -> str:
    """`contexts_com_acme_button_press_1` for entity `com.acme/buttonPress` 1-*-*."""
    prefix = "unstruct_event" if kind == "event" else "contexts"
    snake = _COLUMN_BOUNDARY.sub(r"\1_\2", _PUNCTUATION.sub("_", name)).lower()
    return field_name(f"{prefix}_{_PUNCTUATION.sub('_', vendor).lower()}_{snake}_{model}")


def field_name(key: str) -> str:
    """`user_id_token` for property `userIDToken`. Several properties may get one name."""
    snake = _WORD_END.sub(r"\1_\2", _ACRONYM_END.sub(r"\1_\2", key)).replace("-", "_").lower()
    clean = _FORBIDDEN.sub("_", snake)
    return f"_{clean}" if clean[:1].isdigit() else clean
