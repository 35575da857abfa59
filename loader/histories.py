"""The versions of a schema family that its columns are made of, and why one of them may be missing."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from backbone.errors import RegistryUnavailable
from backbone.iglu.failures import ResolutionFailure
from backbone.iglu.resolver import Resolver, Schema
from backbone.selfdescribing import SchemaKey, SchemaVer

History: TypeAlias = dict[SchemaVer, Schema]
Find: TypeAlias = Callable[[SchemaKey], Schema | ResolutionFailure]
_MOST_PREPARED = 10
"""Versions of one family that are looked up at the same time."""


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A version of the family cannot be found or read. `key` is that version; `failure` None: not a readable schema."""

    key: SchemaKey
    failure: ResolutionFailure | None

    @property
    def why(self) -> str | None:
        """Why data of it should wait for the schema; None when there is one, but it is of no use."""
        return None if self.failure is None else why_missing(self.failure)

    @property
    def transient(self) -> bool:
        return self.failure is not None and self.failure.transient


def why_missing(failure: ResolutionFailure) -> str | None:
    """In words, what keeps a schema from being there; None when a registry has one that is no schema."""
    if failure.transient:
        return "registry unavailable"
    found = any(attempts.errors and attempts.errors[-1].kind != "NotFound" for attempts in failure.lookup_history)
    return None if found else "not found"


def history(find: Find, vendor: str, name: str, model: int, seen: Collection[SchemaVer]) -> History | Unresolved:
    """Every version from M-0-0 up to the highest seen; in earlier revisions as far as they go, and every one seen."""
    top = max(seen)
    found: History = {}

    def look(version: SchemaVer) -> Schema | Unresolved:
        key = SchemaKey(vendor, name, "jsonschema", version)
        answer = find(key)
        return answer if isinstance(answer, Schema) else Unresolved(key, answer)

    for version in sorted(seen):
        if version.revision < top.revision and isinstance(answer := look(version), Unresolved):
            return answer
    for revision in range(top.revision + 1):
        last_seen = max((v.addition for v in seen if v.revision == revision), default=0)
        addition = 0
        while True:
            version = SchemaVer(model, revision, addition)
            answer = look(version)
            if isinstance(answer, Schema):
                found[version] = answer
            elif revision == top.revision or addition == 0 or answer.transient:
                return answer
            addition += 1
            if addition > last_seen and (revision == top.revision or isinstance(answer, Unresolved)):
                break
    return found


def certainly_needed(key: SchemaKey) -> Iterable[SchemaKey]:
    """Of all versions below one; whether earlier revisions have more is found out step by step."""
    model, revision, addition = key.version
    for earlier in range(min(revision, _MOST_PREPARED)):
        yield key._replace(version=SchemaVer(model, earlier, 0))
    for number in range(max(0, addition - _MOST_PREPARED), addition + 1):
        yield key._replace(version=SchemaVer(model, revision, number))


def lookup(resolver: Resolver, key: SchemaKey) -> Schema | ResolutionFailure:
    """Raises RegistryUnavailable: whether there is such a schema is not known."""
    answer = resolver.lookup(key)
    if not isinstance(answer, Schema) and answer.transient:
        raise RegistryUnavailable(f"cannot look up {key.uri}: {answer}")
    return answer
