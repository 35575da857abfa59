"""What is known to have been sent again: marks on the bus that the loader has not read, and what it wrote down of the others."""

from collections.abc import Iterator
from contextlib import closing

from backbone.bus.protocol import Bus
from loader import replay_messages
from loader.replay_messages import Mark
from loader.replay_source import Source


def on_the_way(bus: Bus | None, source: Source, patching: bool) -> set[str]:
    """Keys of failures sent again of which the loader has not heard. `bus`: None where it cannot tell.

    With a patch also those whose outcome it has not heard: a changed event is not the one it was, and could not be told to be
    the same if both landed.
    """
    keys = {mark.failure_key for mark in _unread(bus, source)}
    return keys | source.awaiting() if patching else keys


def sent_by(replay_id: str, bus: Bus | None, source: Source) -> set[str]:
    """Keys of all failures one replay has sent."""
    keys = {mark.failure_key for mark in _unread(bus, source) if mark.replay_id == replay_id}
    return keys | source.sent_by(replay_id)


def _unread(bus: Bus | None, source: Source) -> Iterator[Mark]:
    if bus is None:
        return
    with closing(bus.subscribe(None, ["replayed"], source.positions())) as subscription:
        while records := subscription.pull(10_000, 32_000_000, 0.0):
            for record in records:
                yield from (message for message in replay_messages.read(record.data) if isinstance(message, Mark))
