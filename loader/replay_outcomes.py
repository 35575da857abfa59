"""What becomes of one failed event in a replay, the same for a real one and for a look ahead."""

from typing import NamedTuple, TypeAlias

from backbone.bus.protocol import Stream
from loader import replay_documents
from loader.patches import Broken, LeftOut, Patch
from loader.replay_documents import Document, Sendable
from loader.replay_selection import Failure
from loader.replay_state import Counts
from loader.replay_wrapping import Json, Unfit, same

_MOST_FAULTS = 20


class Change(NamedTuple):
    """What a patch did to a document."""

    before: Json
    after: Json


class Ready(NamedTuple):
    """`patched`: whether a patch had a look at it; `change`: what it did, if anything."""

    stream: Stream
    data: bytes
    patched: bool = False
    change: Change | None = None


class InFlight(NamedTuple):
    """Sent by an earlier replay; what became of it is not known yet."""


class Unsendable(NamedTuple):
    why: str


Outcome: TypeAlias = Ready | InFlight | Unsendable | LeftOut | Broken


def outcome(failure: Failure, patch: Patch | None, held: set[str]) -> Outcome:
    """`held`: keys of failures that are on their way."""
    if failure.key in held:
        return InFlight()
    found = replay_documents.sendable(failure)
    if isinstance(found, str):
        return Unsendable(found)
    return Ready(found.stream, found.data) if patch is None else _patched(failure, found, patch)


def _patched(failure: Failure, found: Sendable, patch: Patch) -> Outcome:
    document = _document(failure)
    if document is None:
        return Unsendable("a patch cannot read what is left of it")
    made = patch.apply(document.value)
    if isinstance(made, LeftOut | Broken):
        return made
    if same(replay_documents.own(made), replay_documents.own(document.value)):
        return Ready(found.stream, found.data, True)
    try:
        return Ready(found.stream, document.encode(made), True, Change(document.value, made))
    except Unfit as problem:
        return Broken(str(problem))


def _document(failure: Failure) -> Document | None:
    try:
        return replay_documents.document(failure)
    except (LookupError, TypeError, AttributeError, ValueError):  # a bad row that another program wrote in its own way
        return None


def count(counts: Counts, found: Outcome) -> None:
    counts.selected += 1
    if isinstance(found, Ready):
        counts.to_enricher += found.stream == "raw"
        counts.to_loader += found.stream == "enriched"
        counts.changed += found.change is not None
        counts.unchanged += found.patched and found.change is None
    elif isinstance(found, InFlight):
        counts.in_flight += 1
    elif isinstance(found, LeftOut):
        counts.left_out += 1
    elif isinstance(found, Unsendable):
        counts.not_replayable[found.why] += 1
    else:
        room = len(counts.broken) < _MOST_FAULTS or found.message in counts.broken
        counts.broken[found.message if room else "other faults"] += 1
