"""Failed events sent back to the stage that refused them, once whatever was wrong is mended, or as a patch mends them.

Reads the warehouse, writes to the bus and to a small file of its own, and may run while everything else does. Twice is as good
as once: an event keeps its id, and the loader recognises one it has; a whole payload, or an event that was changed, is not sent
again while it is still on its way, and its row goes when the loader learns that it was sent. That message travels with what is
sent in one commit, so being killed does no harm.
"""

import getpass
import platform
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace as with_changes
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from backbone.bus import open_bus
from backbone.bus.protocol import Bus, Publisher, Stream
from backbone.errors import BusUnavailable, ConfigurationError, Fault, TransientError
from backbone.settings import Settings
from loader import patches, replay_messages, replay_trail, replay_unheard
from loader.patches import Patch
from loader.replay_messages import Account, Mark, Message
from loader.replay_outcomes import Ready, count, outcome
from loader.replay_preview import Preview
from loader.replay_selection import Failure, Position, Selection, from_filters
from loader.replay_source import Source, open_source
from loader.replay_state import Counts, PatchText, Progress, State, StateFile
from loader.warehouses.ducklake_catalog import NoWarehouse

PRODUCER = "replay"
_CHUNK = 500
_CHUNK_BYTES = 8_000_000
_EVERYTHING = Selection()


class AnotherReplay(TransientError):
    """Only one replay runs at a time."""

    def __init__(self) -> None:
        super().__init__("another replay is running; wait until it is done")


class Watcher(Protocol):
    """Told how a replay gets on."""

    def begin(self, replay_id: str, total: int) -> None:
        """About to deal with `total` failures."""

    def advance(self, number: int) -> None:
        """So many more were dealt with."""


def replay(
    settings: Settings, selection: Selection = _EVERYTHING, patch: Patch | None = None, watcher: Watcher | None = None
) -> Counts:
    """Sends failed events again.

    Raises ConfigurationError for a condition that is none, TransientError when bus or warehouse do not answer, AnotherReplay,
    Unheard.
    """
    state = _begun(selection, patch)
    with _opened(settings, selection) as works:
        if works is None or not works.selected.count(Position()):
            return Counts()
        if works.told is None:
            replay_unheard.check(settings.data.folder, works.selected)
        file = StateFile(settings.data.folder, state.replay_id)
        return _Replay(works, file, state, patch, watcher).run(Position())


def resume(settings: Settings, replay_id: str, watcher: Watcher | None = None) -> Counts | None:
    """Goes on with a replay that was stopped. None: it was finished already. Raises as `replay`."""
    file = StateFile(settings.data.folder, replay_id)
    selection = from_filters(file.read().filters)
    with _opened(settings, selection) as works:
        state = file.read()  # once more: until now it may have been running
        if state.finished is not None:
            return None
        if works is None:
            raise ConfigurationError([Fault(str(settings.data.folder), "--resume", "the warehouse is gone")])
        patch = None if state.patch is None else patches.of_text(*state.patch)
        state = state.settled(replay_trail.sent_by(replay_id, works.told, works.selected))
        progress = state.progress
        position = Position(datetime.fromisoformat(state.started), progress.after, progress.counts.selected)
        return _Replay(works, file, state, patch, watcher).run(position)


def preview(settings: Settings, selection: Selection = _EVERYTHING, patch: Patch | None = None) -> Preview:
    """What `replay` would do now. Writes nothing."""
    found = Preview()
    try:
        selected = open_source(settings, selection)
    except NoWarehouse:
        return found
    with closing(selected):
        held = replay_trail.on_the_way(_told(settings), selected, patch is not None)
        for failure in selected.rows(Position()):
            found.add(failure, outcome(failure, patch, held))
    return found


class _Works(NamedTuple):
    told: Bus | None
    """As in `replay_trail`."""
    publisher: Publisher
    selected: Source


@contextmanager
def _opened(settings: Settings, selection: Selection) -> Iterator[_Works | None]:
    """None: there is no warehouse yet. Only one replay gets in."""
    try:
        selected = open_source(settings, selection)
    except NoWarehouse:
        yield None
        return
    with closing(selected), _alone(settings), closing(_publisher(settings)) as publisher:
        yield _Works(_told(settings), publisher, selected)


def _publisher(settings: Settings) -> Publisher:
    """Of the embedded log, whoever holds it is the only one."""
    try:
        return open_bus(settings).publisher(PRODUCER)
    except BusUnavailable:
        if settings.bus.kind == "pubsub":
            raise
        raise AnotherReplay from None


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    if settings.bus.kind != "pubsub":
        yield
        return
    with replay_unheard.alone(settings.data.folder) as free:
        if not free:
            raise AnotherReplay
        yield


def _told(settings: Settings) -> Bus | None:
    return None if settings.bus.kind == "pubsub" else open_bus(settings)


class _Replay:
    """One run of a replay, from where its state says. Sends in chunks; see `loader.replay_state` for why none is sent twice."""

    def __init__(self, works: _Works, file: StateFile, state: State, patch: Patch | None, watcher: Watcher | None) -> None:
        self._works = works
        self._file = file
        self._state = state
        self._patch = patch
        self._watcher = watcher
        self._counts = state.progress.counts.copy()
        self._records: list[tuple[Stream, bytes]] = [_message(_account(state))]
        self._taken: list[str] = []
        self._sent: list[str] = []
        self._size = 0

    def run(self, position: Position) -> Counts:
        selected = self._works.selected
        held = replay_trail.on_the_way(self._works.told, selected, self._patch is not None)
        if self._watcher is not None:
            self._watcher.begin(self._state.replay_id, selected.count(position))
        self._file.write(self._state)
        for failure in selected.rows(position):
            self._take(failure, held)
            if len(self._taken) >= _CHUNK or self._size >= _CHUNK_BYTES:
                self._commit()
        self._commit()
        self._finish()
        return self._counts

    def _take(self, failure: Failure, held: set[str]) -> None:
        found = outcome(failure, self._patch, held)
        count(self._counts, found)
        self._taken.append(failure.key)
        if isinstance(found, Ready):
            self._sent.append(failure.key)
            self._size += len(found.data)
            self._records += [(found.stream, found.data), _message(_mark(failure, found, self._state.replay_id))]

    def _commit(self) -> None:
        after = self._taken[-1] if self._taken else self._state.progress.after
        reached = Progress(after, self._counts.copy())
        if self._sent:
            self._file.write(with_changes(self._state, next=reached, next_key=self._sent[0]))
        self._works.publisher.commit(self._records)
        self._state = with_changes(self._state, progress=reached, next=None, next_key=None)
        if self._watcher is not None:
            self._watcher.advance(len(self._taken))
        self._records, self._taken, self._sent, self._size = [], [], [], 0

    def _finish(self) -> None:
        """The patch's text is kept no longer than it is needed."""
        now = datetime.now(UTC).isoformat()
        self._works.publisher.commit([_message(_account(self._state, now))])
        self._file.write(with_changes(self._state, finished=now, patch=None))


def _message(message: Message) -> tuple[Stream, bytes]:
    return "replayed", replay_messages.encoded(message)


def _mark(failure: Failure, ready: Ready, replay_id: str) -> Mark:
    goes = failure.event_id is None or ready.change is not None
    now = datetime.now(UTC).isoformat()
    return Mark(failure.key, failure.attempts if goes else 0, replay_id, failure.event_id, now)


def _account(state: State, finished: str | None = None) -> Account:
    account = Account(state.replay_id, state.started, state.who, state.filters)
    if state.patch is not None:
        account = account._replace(patch_name=state.patch.name, patch_digest=patches.digest(state.patch.text))
    if finished is None:
        return account
    counts = state.progress.counts
    return account._replace(
        finished=finished,
        selected=counts.selected,
        sent_to_enricher=counts.to_enricher,
        sent_to_loader=counts.to_loader,
        not_sent=counts.selected - counts.sent,
    )


def _begun(selection: Selection, patch: Patch | None) -> State:
    now = datetime.now(UTC)
    return State(
        replay_id=f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
        started=now.isoformat(),
        who=f"{_user()}@{platform.node()}",
        filters=selection.filters(),
        patch=None if patch is None else PatchText(patch.name, patch.text),
        progress=Progress("", Counts()),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return "unknown"
