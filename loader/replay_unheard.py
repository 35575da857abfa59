"""Replays over Pub/Sub, which cannot be asked what is on its way: one at a time, the next when the loader has heard of the last.

A machine knows of its own replays only, by the files it keeps of them.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backbone.errors import TransientError
from loader.replay_source import Source
from loader.replay_state import StateFile

_LOCK = "replay.lock"
_REMEMBERED = 86_400.0
"""Seconds after which the loader is taken to have heard of a replay."""


class Unheard(TransientError):
    """What an earlier replay sent may be on its way, and would be sent twice."""


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Whether no other replay of this data folder runs; for as long as the block lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        free = True
    except OSError:
        free = False
    try:
        yield free
    finally:
        os.close(handle)


def check(folder: Path, source: Source) -> None:
    """Raises Unheard unless the loader has heard of all that replays of the last day have sent."""
    for path in sorted((folder / "replays").glob("*.json")):
        if time.time() - path.stat().st_mtime > _REMEMBERED:
            continue
        sent = StateFile(folder, path.stem).read().progress.counts.sent
        heard = len(source.sent_by(path.stem))
        if heard < sent:
            raise Unheard(
                f"the loader has heard of {heard} of the {sent} failed events that replay {path.stem} sent; so that none is sent"
                f" twice, try again when it has heard of all (or remove {path})"
            )
