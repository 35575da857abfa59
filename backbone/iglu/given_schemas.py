"""Schemas that somebody holds in hand: a registry without a place."""

from collections.abc import Iterable, Mapping
from typing import Any

from backbone.iglu.failures import NOT_FOUND
from backbone.iglu.registries import Answer, Place
from backbone.selfdescribing import InvalidIglu, SchemaKey, parse_key


class GivenSchemas:
    """Asked before folders. Documents are given as they are."""

    rank = 1

    def __init__(self, name: str, documents: Mapping[SchemaKey, dict[str, Any]]) -> None:
        self.place = Place(name, 0, ("",))
        self._documents = documents

    def get(self, key: SchemaKey) -> Answer:
        return self._documents.get(key, NOT_FOUND)

    def close(self) -> None:
        """Nothing is held open."""


def by_key(documents: Iterable[Any]) -> dict[SchemaKey, dict[str, Any]]:
    """Self-describing schemas under their keys; of two with one key the last. Raises InvalidIglu."""
    return {key_of(document): document for document in documents}


def key_of(document: Any) -> SchemaKey:
    """What a schema's `self` says it is. Raises InvalidIglu(INVALID_SCHEMA)."""
    about = document.get("self") if isinstance(document, dict) else None
    if not isinstance(about, dict):
        raise InvalidIglu("INVALID_SCHEMA")
    vendor, name, format_, version = (about.get(part) for part in ("vendor", "name", "format", "version"))
    if type(vendor) is not str or type(name) is not str or type(format_) is not str or type(version) is not str:
        raise InvalidIglu("INVALID_SCHEMA")
    return parse_key(f"iglu:{vendor}/{name}/{format_}/{version}")
