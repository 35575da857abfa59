"""What a replay would do, for `--dry-run`: counts by kind of failure and where it would go, and a few examples."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from loader.patches import LeftOut
from loader.replay_outcomes import Change, InFlight, Outcome, Ready, Unsendable, count
from loader.replay_selection import Failure
from loader.replay_state import Counts

_EXAMPLES = 3


class Group(NamedTuple):
    stage: str | None
    kind: str | None
    schema: str | None
    destination: str


@dataclass(slots=True)
class Preview:
    counts: Counts = field(default_factory=Counts)
    groups: Counter[Group] = field(default_factory=Counter)
    examples: list[Failure] = field(default_factory=list)
    """The first few that would be sent."""
    changes: list[tuple[str, Change]] = field(default_factory=list)
    """(failure key, what the patch does) of the first few it changes: event data, for the user's eyes alone."""

    def add(self, failure: Failure, found: Outcome) -> None:
        count(self.counts, found)
        self.groups[Group(failure.stage, failure.kind, failure.schema, _destination(found))] += 1
        if isinstance(found, Ready) and len(self.examples) < _EXAMPLES:
            self.examples.append(failure)
        if isinstance(found, Ready) and found.change is not None and len(self.changes) < _EXAMPLES:
            self.changes.append((failure.key, found.change))


def _destination(found: Outcome) -> str:
    if isinstance(found, Ready):
        return "enricher" if found.stream == "raw" else "loader"
    if isinstance(found, InFlight):
        return "on its way already"
    if isinstance(found, LeftOut):
        return "left out by the patch"
    return "cannot be sent" if isinstance(found, Unsendable) else "the patch fails"
