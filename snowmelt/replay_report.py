"""What `snowmelt replay` shows: how far it is, what it did, what it would do.

Event data is shown in one place only, the changes a patch would make, to whoever asked for them with `--dry-run`.
"""

import difflib
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from backbone import jsontext
from snowmelt.output import printing
from snowmelt.sql import table

if TYPE_CHECKING:
    from loader.replay_outcomes import Change
    from loader.replay_preview import Preview
    from loader.replay_state import Counts

_SECONDS = 5.0


class Progress:
    """A bar on a terminal; elsewhere a line now and then."""

    def __init__(self) -> None:
        self.replay_id: str | None = None
        self._bar: Any = None
        self._task: Any = None
        self._total = self._done = 0
        self._told = time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, replay_id: str, total: int) -> None:
        self.replay_id = replay_id
        self._total = total
        print(f"Replay {replay_id}: {total} failed events.", flush=True)
        if sys.stdout.isatty():
            from rich import progress

            columns = (progress.BarColumn(), progress.MofNCompleteColumn(), progress.TimeRemainingColumn())
            self._bar = progress.Progress(*columns)
            self._task = self._bar.add_task("", total=total)
            self._bar.start()

    def advance(self, number: int) -> None:
        self._done += number
        if self._bar is not None:
            self._bar.advance(self._task, number)
        elif time.monotonic() - self._told >= _SECONDS:
            self._told = time.monotonic()
            print(f"{self._done} of {self._total}", flush=True)


def told(counts: "Counts", would: bool = False) -> str:
    """What happened, or would happen, one line each."""
    if not counts.selected:
        return "No failed event matches."
    verb = "would be sent" if would else "sent"
    lines = [
        f"{counts.selected} failed selected; {verb}: {counts.to_enricher} to the enricher, {counts.to_loader} to the loader."
    ]
    if counts.changed or counts.unchanged:
        changes = "would change" if would else "changed"
        lines.append(f"Of these the patch {changes} {counts.changed} and leaves {counts.unchanged} as they are.")
    if counts.left_out:
        lines.append(f"{counts.left_out} are left out by the patch.")
    lines += [f"{number} cannot be patched: {message}" for message, number in sorted(counts.broken.items())]
    if counts.in_flight:
        lines.append(f"{counts.in_flight} were sent before and are still on their way.")
    lines += [f"{number} cannot be sent: {why}." for why, number in sorted(counts.not_replayable.items())]
    if counts.sent and not would:
        lines.append("What passes now moves to `events`; what fails again stays in `failed_events`.")
    return "\n".join(lines)


def print_preview(found: "Preview") -> None:
    from rich.console import Console

    with printing():
        print(told(found.counts, would=True))
        if found.groups:
            Console().print(_groups(found.groups), soft_wrap=not sys.stdout.isatty())
        for failure in found.examples:
            print(f"for example {failure.key}  {failure.kind}: {_printable(failure.reason or '')}")
        for key, change in found.changes:
            print("\n".join((f"\nThe patch would change {key}:", *difference(change))))


def _printable(text: str) -> str:
    """A reason quotes names that trackers sent."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _groups(groups: "Counter[Any]") -> Any:
    head = ("stage", "kind", "schema", "goes to", "events")
    rows = [[*(part or "" for part in group), str(number)] for group, number in groups.most_common()]
    return table(head, rows)


def difference(change: "Change") -> list[str]:
    """Lines of both documents that differ, with a few around them."""
    before, after = (list(_lines(value)) for value in change)
    return list(difflib.unified_diff(before, after, lineterm="", n=2))[2:]


def _lines(value: Any, indent: str = "", name: str = "") -> Iterator[str]:
    """The JSON of a value, an item a line, numbers as they are spelled."""
    inner = indent + "  "
    if isinstance(value, dict) and value:
        yield f"{indent}{name}{{"
        for key, item in value.items():
            yield from _lines(item, inner, f"{jsontext.dumps(key, exact=False)}: ")
        yield indent + "}"
    elif isinstance(value, list) and value:
        yield f"{indent}{name}["
        for item in value:
            yield from _lines(item, inner)
        yield indent + "]"
    else:
        yield indent + name + jsontext.dumps(value, exact=False)
