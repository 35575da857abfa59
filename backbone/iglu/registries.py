"""Where schemas are kept: a folder in Git, or a registry behind HTTP (`http_registry`).

Layout of a folder: `vendor/name/format/version`, directly below it or below its sub-folder `schemas`. Files are read when
asked for. `$supersededBy` is derived from the `$supersedes` of the other versions in the same folder, so that superseding
works without a registry server; the newest one wins, transitively (spec: Iglu's superseding schemas).
"""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from backbone import jsontext
from backbone.iglu.failures import NOT_FOUND, RegistryError
from backbone.selfdescribing import InvalidIglu, SchemaKey, SchemaVer, parse_version

MAX_SCHEMA_BYTES = 5_000_000
"""A longer schema is refused; Iglu Server takes at most 100,000 bytes."""

_SETTLED = 0.05
"""Seconds after which a file's time stamp tells any further change (clock ticks are a few milliseconds long)."""
_BEING_WRITTEN = 2.0
"""A file younger than this that is no JSON is taken for one that is still being written."""

Answer: TypeAlias = "dict[str, Any] | RegistryError"
"""A schema document, or why there is none."""
Stamp: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """How a registry is known and when it is asked: name in lookup histories, vendor prefixes, priority (lower first)."""

    name: str
    priority: int = 0
    vendor_prefixes: tuple[str, ...] = ()


class Registry(Protocol):
    place: Place
    rank: int
    """2 for local folders, 100 for HTTP: decides between registries whose prefixes match alike."""

    def get(self, key: SchemaKey) -> Answer: ...

    def close(self) -> None: ...


class FolderRegistry:
    """Schemas in a folder."""

    rank = 2

    def __init__(self, place: Place, folder: Path) -> None:
        self.place = place
        self.folder = folder
        self._roots = (str(folder), str(folder / "schemas"))

    def get(self, key: SchemaKey) -> Answer:
        """The document with `$supersededBy` filled in."""
        if key.vendor in (".", ".."):
            return NOT_FOUND
        for root in self._roots:
            answer = _read(Path(root, key.path))
            if answer is not NOT_FOUND:
                return answer if isinstance(answer, RegistryError) else self._with_successor(key, answer)
        return NOT_FOUND

    def stamp(self, key: SchemaKey) -> Stamp:
        """Equal to an earlier one only if no file of the schema's family was added, changed or removed since."""
        if key.vendor in (".", ".."):
            return ()
        now = time.time_ns()
        parts: list[Any] = []
        for root in self._roots:
            for name, stat in _entries(f"{root}/{key.vendor}/{key.name}/{key.format}"):
                parts.append((name, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino))
                if now - max(stat.st_mtime_ns, stat.st_ctime_ns) < _SETTLED * 1e9:
                    parts.append(now)
        parts.sort(key=str)
        return tuple(parts)

    def versions(self, vendor: str, name: str, format_: str = "jsonschema") -> list[SchemaVer]:
        """Versions of a schema in this folder, ascending."""
        if vendor in (".", ".."):
            return []
        found = set()
        for root in self._roots:
            for entry, _ in _entries(f"{root}/{vendor}/{name}/{format_}"):
                try:
                    found.add(parse_version(entry))
                except InvalidIglu:
                    continue
        return sorted(found)

    def close(self) -> None:
        """Nothing is held open."""

    def _with_successor(self, key: SchemaKey, document: dict[str, Any]) -> Answer:
        if "$supersededBy" in document:
            return document
        successor = self._successor(key)
        return document if successor is None else {**document, "$supersededBy": str(successor)}

    def _successor(self, key: SchemaKey) -> SchemaVer | None:
        reached = {str(key.version)}
        newest = None
        for version in self.versions(key.vendor, key.name, key.format):
            if version > key.version and self._supersedes(key._replace(version=version), reached):
                reached.add(str(version))
                newest = version
        return newest

    def _supersedes(self, key: SchemaKey, versions: set[str]) -> bool:
        answers = (_read(Path(root, key.path)) for root in self._roots)
        document = next((answer for answer in answers if not isinstance(answer, RegistryError)), {})
        listed = document.get("$supersedes")
        return isinstance(listed, list) and any(version in versions for version in listed if isinstance(version, str))


def _entries(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError:
        return
    for entry in found:
        with contextlib.suppress(OSError):
            yield entry.name, entry.stat()


def _read(path: Path) -> Answer:
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_SCHEMA_BYTES + 1)
            age = time.time() - os.fstat(file.fileno()).st_mtime
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return NOT_FOUND
    except OSError as problem:
        return RegistryError("RepoFailure", f"cannot read the schema file: {problem.strerror or 'unknown error'}", transient=True)
    answer = parse(text)
    if isinstance(answer, RegistryError) and age < _BEING_WRITTEN:
        return answer._replace(transient=True)
    return answer


def parse(text: bytes) -> Answer:
    """A schema document from the bytes a registry holds."""
    if len(text) > MAX_SCHEMA_BYTES:
        return RegistryError("ClientFailure", f"schema is longer than {MAX_SCHEMA_BYTES} bytes")
    try:
        document, _ = jsontext.loads(text)
    except jsontext.JsonError as problem:
        return RegistryError("ClientFailure", f"schema is not JSON: {problem}")
    if type(document) is not dict:
        return RegistryError("ClientFailure", "schema is not a JSON object")
    return document
