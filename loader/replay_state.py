"""What a replay must know to go on after it was stopped: one small file each, `<data>/replays/<id>.json`.

Before each commit to the bus the file says what will have been done after it. Whoever resumes looks whether that commit was made:
whether one of its marks is on the bus or in the warehouse. So nothing is sent twice, and no count is lost.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from backbone.errors import ConfigurationError, Fault

Json = dict[str, Any]


@dataclass(slots=True)
class Counts:
    """Of failed events. `broken`: what is wrong → how many; `not_replayable`: why → how many."""

    selected: int = 0
    to_enricher: int = 0
    to_loader: int = 0
    in_flight: int = 0
    """Sent by an earlier replay, and what became of them is not known yet."""
    changed: int = 0
    unchanged: int = 0
    left_out: int = 0
    """These three by the patch."""
    broken: Counter[str] = field(default_factory=Counter)
    """The patch failed on them, or made of them what cannot be sent."""
    not_replayable: Counter[str] = field(default_factory=Counter)

    @property
    def sent(self) -> int:
        return self.to_enricher + self.to_loader

    def copy(self) -> "Counts":
        return replace(self, broken=Counter(self.broken), not_replayable=Counter(self.not_replayable))


class Progress(NamedTuple):
    """`after`: key of the last failure that was dealt with."""

    after: str
    counts: Counts


class PatchText(NamedTuple):
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class State:
    """`started`: ISO 8601, UTC. `next`: what a commit under way leads to, `next_key` being one failure that it sends."""

    replay_id: str
    started: str
    who: str
    filters: Json
    patch: PatchText | None
    progress: Progress
    next: Progress | None = None
    next_key: str | None = None
    finished: str | None = None

    def settled(self, sent: set[str]) -> "State":
        """`sent`: failures this replay is known to have sent."""
        progress = self.next if self.next is not None and self.next_key in sent else self.progress
        return replace(self, progress=progress, next=None, next_key=None)


class StateFile:
    """Written as a whole or not at all."""

    def __init__(self, folder: Path, replay_id: str) -> None:
        """`folder`: the data folder."""
        self._folder = folder / "replays"
        self._id = replay_id

    @property
    def path(self) -> Path:
        return self._folder / f"{self._id}.json"

    def write(self, state: State) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        new = self.path.with_suffix(".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(state, file, default=_plain)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)

    def read(self) -> State:
        """Raises ConfigurationError: there is no such replay, or its file is damaged."""
        if not self.path.exists() or self.path.parent != self._folder:
            known = sorted(path.stem for path in self._folder.glob("*.json"))[-5:]
            hint = f"; the latest are {', '.join(known)}" if known else ""
            raise ConfigurationError([Fault("command line", "--resume", f"there is no replay {self._id}{hint}")])
        try:
            return _state(json.loads(self.path.read_text("utf-8")))
        except (ValueError, LookupError, TypeError):
            raise ConfigurationError([Fault(str(self.path), "", "is not the file of a replay")]) from None


def _plain(value: Any) -> Json:
    return {item.name: getattr(value, item.name) for item in fields(value)}


def _state(value: Json) -> State:
    following = None if value["next"] is None else _progress(value["next"])
    patch = None if value["patch"] is None else PatchText(*value["patch"])
    return State(**{**value, "patch": patch, "progress": _progress(value["progress"]), "next": following})


def _progress(value: Any) -> Progress:
    after, counts = value
    counters = {name: Counter(counts[name]) for name in ("broken", "not_replayable")}
    return Progress(after, Counts(**{**counts, **counters}))


def files_naming(folder: Path, values: Iterable[str]) -> list[Path]:
    """State files in whose filters, patches or messages one of these texts occurs. `folder`: the data folder."""
    spelled = [json.dumps(value)[1:-1] for value in values]
    files = sorted((folder / "replays").glob("*.json"))
    return [file for file in files if any(value in file.read_text("utf-8") for value in spelled)]
