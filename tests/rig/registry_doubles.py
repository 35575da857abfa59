"""A registry that answers by a function and counts, and the schema all resolver tests are about."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backbone.iglu.failures import NOT_FOUND, RegistryError, ResolutionFailure
from backbone.iglu.registries import Answer, Place
from backbone.iglu.resolver import Schema
from backbone.selfdescribing import SchemaKey, parse_key

DOWN = RegistryError("RepoFailure", "Unexpected server response: 500", transient=True)


def key(version: str = "1-0-0", vendor: str = "com.acme") -> SchemaKey:
    return parse_key(f"iglu:{vendor}/thing/jsonschema/{version}")


class Remote:
    """A registry that counts what it is asked, and answers by a function that a test may exchange."""

    rank = 100

    def __init__(
        self, name: str, answer: Callable[[SchemaKey], Answer], priority: int = 0, prefixes: tuple[str, ...] = ()
    ) -> None:
        self.place = Place(name, priority, prefixes)
        self.answer = answer
        self.asked: list[SchemaKey] = []

    def get(self, key: SchemaKey) -> Answer:
        self.asked.append(key)
        return self.answer(key)

    def close(self) -> None:
        self.answer = lambda key: NOT_FOUND


def has(*versions: str, **document: Any) -> Callable[[SchemaKey], Answer]:
    return lambda key: {"title": str(key.version), **document} if str(key.version) in versions else NOT_FOUND


def put(folder: Path, version: str = "1-0-0", vendor: str = "com.acme", **document: Any) -> Path:
    file = folder / key(version, vendor).path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document))
    return file


def schema(answer: object) -> Schema:
    assert isinstance(answer, Schema), answer
    return answer


def failure(answer: object) -> ResolutionFailure:
    assert isinstance(answer, ResolutionFailure), answer
    return answer
