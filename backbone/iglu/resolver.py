"""Finds schemas: asks registries in order, remembers what they said.

Order: registries whose vendor prefix matches first, then local before HTTP, then by priority (`Place`). The first one that has
the schema wins. A schema with `$supersededBy` is replaced, once, by the version it names, from the same registry.

What was found stays until its time to live passed; if the registry then does not answer, the old schema is kept for another
period. "Not found" is final for that period too. Another error is asked again after a growing delay. Folders are looked at
anew every half second, so a changed file is in effect within one. Rules as Snowplow's client, but for two: the delay after
errors never shrinks (theirs does, at the 10th attempt), and folders are watched (theirs are read once).
"""

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from backbone.errors import RegistryUnavailable
from backbone.iglu.failures import MAX_ERRORS, RegistryAttempts, RegistryError, ResolutionFailure
from backbone.iglu.registries import Answer, FolderRegistry, Registry, Stamp
from backbone.selfdescribing import InvalidIglu, SchemaKey, SchemaVer, parse_version

_logger = logging.getLogger("snowmelt.backbone")

WATCH_SECONDS = 0.5
DEFAULT_CACHE_SIZE = 10_000
_MAX_VERSIONS = 1_000
_FOREVER = float("inf")


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """A schema as a registry gave it. Two lookups give the same object as long as nothing changed: compare with `is`."""

    key: SchemaKey
    """Of this document: another than asked for when superseded."""
    document: dict[str, Any]
    registry: str
    asked_for: SchemaKey


@dataclass(slots=True)
class _Told:
    """What one registry told about one key, and when it is worth asking again (`time.monotonic` seconds)."""

    schema: Schema | None = None
    errors: list[RegistryError] = field(default_factory=list)
    attempts: int = 0
    last_attempt: str = ""
    ask_again: float = 0.0
    stamp: Stamp = ()


@dataclass(slots=True)
class _Entry:
    """Everything known about one key."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    told: dict[Registry, _Told] = field(default_factory=dict)
    answer: Schema | ResolutionFailure | None = None
    fresh_until: float = 0.0
    used: float = 0.0


class CachePolicy(NamedTuple):
    """`size` in schemas, `ttl` in seconds (`None`: forever). Zero for either means that HTTP registries are asked every time."""

    size: int = DEFAULT_CACHE_SIZE
    ttl: float | None = None

    @property
    def off(self) -> bool:
        return self.size <= 0 or (self.ttl is not None and self.ttl <= 0)


class Resolver:
    """Thread-safe; concurrent lookups of one key ask once."""

    def __init__(self, registries: Iterable[Registry], cache: CachePolicy | None = None) -> None:
        self._registries = tuple(registries)
        self._cache = cache or CachePolicy()
        self._entries: dict[SchemaKey, _Entry] = {}
        self._lock = threading.Lock()

    @property
    def registries(self) -> Sequence[Registry]:
        return self._registries

    def lookup(self, key: SchemaKey) -> Schema | ResolutionFailure:
        """The schema to validate with, or why no registry gave one (`.transient`: it may still exist)."""
        now = time.monotonic()
        entry = self._entries.get(key)
        if entry is not None and now < entry.fresh_until and entry.answer is not None:
            entry.used = now
            return entry.answer
        if entry is None:
            entry = self._new_entry(key, now)
        with entry.lock:
            now = time.monotonic()
            entry.used = now
            if now >= entry.fresh_until or entry.answer is None:
                entry.answer = self._ask_all(key, entry, now)
            return entry.answer

    def at_hand(self, key: SchemaKey) -> Schema | ResolutionFailure | None:
        """What is known without asking a server, None if nothing is; never waits. A schema may be past its time to live."""
        entry = self._entries.get(key) or self._new_entry(key, time.monotonic())
        if not entry.lock.acquire(blocking=False):
            return None
        try:
            now = entry.used = time.monotonic()
            return entry.answer if entry.answer is not None and now < entry.fresh_until else self._told(key, entry, now)
        finally:
            entry.lock.release()

    def family(self, vendor: str, name: str, model: int) -> list[SchemaKey]:
        """All versions of one model, ascending: listed in folders; in HTTP registries probed from M-0-0 upwards.

        Raises RegistryUnavailable when a registry does not answer.
        """
        found: set[SchemaVer] = set()
        for registry in self._registries:
            if isinstance(registry, FolderRegistry):
                found.update(version for version in registry.versions(vendor, name) if version.model == model)
        if any(not isinstance(registry, FolderRegistry) for registry in self._registries):
            self._probe(vendor, name, model, found)
        return [SchemaKey(vendor, name, "jsonschema", version) for version in sorted(found)]

    def close(self) -> None:
        for registry in self._registries:
            registry.close()

    def _probe(self, vendor: str, name: str, model: int, found: set[SchemaVer]) -> None:
        revision = 0
        while len(found) < _MAX_VERSIONS:
            addition = 0
            while len(found) < _MAX_VERSIONS and self._has(vendor, name, version := SchemaVer(model, revision, addition), found):
                found.add(version)
                addition += 1
            if addition == 0:
                return
            revision += 1

    def _has(self, vendor: str, name: str, version: SchemaVer, found: set[SchemaVer]) -> bool:
        if version in found:
            return True
        answer = self.lookup(SchemaKey(vendor, name, "jsonschema", version))
        if isinstance(answer, Schema):
            return True
        if answer.transient:
            raise RegistryUnavailable(f"cannot list the versions of {vendor}/{name}: {answer}")
        return False

    def _new_entry(self, key: SchemaKey, now: float) -> _Entry:
        with self._lock:
            size = DEFAULT_CACHE_SIZE if self._cache.off else self._cache.size
            if len(self._entries) >= size and key not in self._entries:
                oldest = sorted(self._entries, key=lambda known: self._entries[known].used)
                for victim in oldest[: max(1, size // 10)]:
                    del self._entries[victim]
            return self._entries.setdefault(key, _Entry(used=now))

    def _ask_all(self, key: SchemaKey, entry: _Entry, now: float) -> Schema | ResolutionFailure:
        fresh_until = _FOREVER
        asked: list[tuple[str, _Told]] = []
        answer: Schema | None = None
        for registry in sorted(self._registries, key=lambda known: _order(known, key.vendor)):
            told = entry.told.setdefault(registry, _Told())
            if isinstance(registry, FolderRegistry):
                self._look(registry, key, told)
                fresh_until = min(fresh_until, now + WATCH_SECONDS)
            else:
                if now >= told.ask_again:
                    self._ask(registry, key, told)
                fresh_until = min(fresh_until, told.ask_again)
            asked.append((registry.place.name, told))
            if told.schema is not None:
                answer = told.schema
                break
        entry.fresh_until = fresh_until
        return answer if answer is not None else ResolutionFailure(tuple(_attempts(*pair) for pair in sorted(asked, key=_name)))

    def _told(self, key: SchemaKey, entry: _Entry, now: float) -> Schema | ResolutionFailure | None:
        asked: list[tuple[str, _Told]] = []
        for registry in sorted(self._registries, key=lambda known: _order(known, key.vendor)):
            told = entry.told.setdefault(registry, _Told())
            if isinstance(registry, FolderRegistry):
                self._look(registry, key, told)
            elif told.schema is None and now >= told.ask_again:
                return None
            if told.schema is not None:
                return told.schema
            asked.append((registry.place.name, told))
        return ResolutionFailure(tuple(_attempts(*pair) for pair in sorted(asked, key=_name)))

    def _look(self, registry: FolderRegistry, key: SchemaKey, told: _Told) -> None:
        """Reads the folder if it changed; a file that became unreadable or broken leaves the last good schema in place."""
        stamp = registry.stamp(key)
        if told.attempts and stamp == told.stamp:
            return
        answer = _succeeded(registry, key)
        told.stamp = stamp
        if isinstance(answer, RegistryError):
            _note(told, answer)
            if answer.transient:
                told.stamp = (None,)
            if answer.kind == "NotFound":
                told.schema = None
            elif told.schema is not None:
                _logger.warning("%s: %s stays as it was: %s", registry.place.name, key.uri, answer.message)
        elif told.schema is None or told.schema.document != answer.document:
            told.schema = answer
            told.attempts += 1

    def _ask(self, registry: Registry, key: SchemaKey, told: _Told) -> None:
        answer = _succeeded(registry, key)
        if self._cache.off:
            _tell(told, answer)
            return
        now = time.monotonic()
        told.ask_again = now + (_FOREVER if self._cache.ttl is None else self._cache.ttl)
        if isinstance(answer, RegistryError):
            if told.schema is None:
                if answer.kind == "NotFound" and told.errors and told.errors[-1].kind == "NotFound":
                    told.errors.clear()
                    told.attempts = 0
                _note(told, answer)
                if answer.kind != "NotFound":
                    told.ask_again = now + delay(told.attempts)
        elif told.schema is None or told.schema.document != answer.document:
            told.schema, told.errors, told.attempts = answer, [], 1


def _tell(told: _Told, answer: Schema | RegistryError) -> None:
    """Forgets what the registry said before; an equal document keeps its object, and so what was compiled from it."""
    told.errors, told.attempts = [], 0
    if isinstance(answer, RegistryError):
        told.schema = None
        _note(told, answer)
    elif told.schema is None or told.schema.document != answer.document:
        told.schema = answer


def delay(attempts: int) -> float:
    """Seconds before a registry that failed `attempts` times is asked again: 0.504, 0.516, 0.564 … 16.9, then 60."""
    return min(60.0, (500 + 4.0**attempts) / 1000) if attempts <= 8 else 60.0


def _order(registry: Registry, vendor: str) -> tuple[bool, int, int]:
    place = registry.place
    return not vendor.startswith(place.vendor_prefixes), registry.rank, place.priority


def _name(pair: tuple[str, _Told]) -> str:
    return pair[0]


def _note(told: _Told, error: RegistryError) -> None:
    """Remembers the error as the latest, without repeating it."""
    others = [known for known in told.errors if (known.kind, known.message) != (error.kind, error.message)]
    told.errors = [*others[-(MAX_ERRORS - 1) :], error]
    told.attempts += 1
    told.last_attempt = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _attempts(name: str, told: _Told) -> RegistryAttempts:
    return RegistryAttempts(name, tuple(told.errors), told.attempts, told.last_attempt)


def _succeeded(registry: Registry, key: SchemaKey) -> Schema | RegistryError:
    """The registry's schema, or the one that supersedes it."""
    document = registry.get(key)
    if isinstance(document, RegistryError):
        return document
    successor = document.get("$supersededBy")
    if successor is None:
        return Schema(key, document, registry.place.name, key)
    return _superseding(registry, key, successor)


def _superseding(registry: Registry, key: SchemaKey, successor: Any) -> Schema | RegistryError:
    try:
        version = parse_version(successor) if isinstance(successor, str) else None
    except InvalidIglu:
        version = None
    if version is None or version <= key.version:
        return RegistryError("ClientFailure", f"$supersededBy of {key.uri} does not name a later version")
    newer = key._replace(version=version)
    document: Answer = registry.get(newer)
    if isinstance(document, RegistryError):
        return RegistryError("ClientFailure", f"{newer.uri}, which supersedes {key.uri}: {document.kind}", document.transient)
    return Schema(newer, document, registry.place.name, key)
