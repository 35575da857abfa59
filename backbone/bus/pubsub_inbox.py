"""Messages a consumer holds: pulled from Pub/Sub, not acknowledged yet. Gives them places in logs, as the rest of the product
knows records: a log for each topic, in which offsets grow from message to message for as long as the process lives.

Offsets begin at the time of day, so that those of a process are greater than any an earlier one left behind.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable
from typing import Any

from backbone.bus.protocol import Positions, Record, Stream
from backbone.bus.pubsub_topics import MARK

_OVERHEAD = 500
"""What a held message takes besides its data, roughly."""
_FIRST_GUESS = 10_000
"""Bytes of a message, before any was seen."""
_REMEMBERED = 50_000


class Held:
    __slots__ = ("ack_id", "expires", "message_id", "offset", "size", "source")

    def __init__(self, source: str, message_id: str, ack_id: str, expires: float, offset: int, size: int) -> None:
        self.source = source
        self.message_id = message_id
        self.ack_id = ack_id
        self.expires = expires
        self.offset = offset
        self.size = size


class Inbox:
    """`sources`: subscription → stream of its topic. `lease`: seconds for which a message that was just pulled is ours.

    `limit`: bytes held, as well as they can be told before messages are pulled: half of it for what is held, half for what the
    `pulls` under way may bring.
    """

    def __init__(
        self, sources: dict[str, Stream], wanted: Collection[Stream], start: Positions, limit: int, lease: float, pulls: int
    ) -> None:
        self.changed = threading.Condition()
        self._sources = sources
        self._wanted = frozenset(wanted)
        self._limit = limit // 2
        self._share = self._limit // pulls
        self._usual = _FIRST_GUESS
        self._lease = lease
        self._ready: deque[Record] = deque()
        self._held: dict[str, deque[Held]] = {_log(stream): deque() for stream in sources.values()}
        self._known: dict[str, Held] = {}
        self._done: OrderedDict[str, None] = OrderedDict()
        self._bytes = 0
        now = time.time_ns() // 1_000
        self._offsets = {log: max(now, start.get(log, 0)) for log in self._held}

    def room(self) -> int:
        """How many messages the next pull may bring."""
        with self.changed:
            return max(1, self._share // self._usual) if self._bytes < self._limit else 0

    def receive(self, source: str, messages: Iterable[Any]) -> list[str]:
        """Takes them over. Returns ack ids of those nobody needs: not asked for, or acknowledged before."""
        needless = []
        with self.changed:
            expires = time.monotonic() + self._lease
            before, many = self._bytes, len(self._known)
            for received in messages:
                message = received.message
                key = f"{source} {message.message_id}"
                if (held := self._known.get(key)) is not None:
                    # It was given to us anew, as our lease had run out: the new ack id counts.
                    held.ack_id, held.expires = received.ack_id, expires
                elif key in self._done or (stream := self._stream(source, message)) not in self._wanted:
                    needless.append(received.ack_id)
                else:
                    self._take(source, key, stream, received.ack_id, message, expires)
            self._learn(self._bytes - before, len(self._known) - many)
            self.changed.notify_all()
        return needless

    def _learn(self, size: int, number: int) -> None:
        """The size of messages: one that grows is believed at once, one that shrinks little by little."""
        if number:
            mean = size // number
            self._usual = mean if mean > self._usual else (3 * self._usual + mean) // 4

    def _stream(self, source: str, message: Any) -> Stream:
        return "replayed" if message.attributes.get(MARK) == "replayed" else self._sources[source]

    def _take(self, source: str, key: str, stream: Stream, ack_id: str, message: Any, expires: float) -> None:
        data = message.data
        log = _log(self._sources[source])
        self._offsets[log] = offset = self._offsets[log] + 1
        held = Held(source, key, ack_id, expires, offset, len(data) + _OVERHEAD)
        self._held[log].append(held)
        self._known[key] = held
        self._bytes += held.size
        self._ready.append(Record(log, offset, stream, data, _identity(message)))

    def pull(self, max_records: int, max_bytes: int, timeout: float) -> list[Record]:
        deadline = time.monotonic() + timeout
        records: list[Record] = []
        with self.changed:
            while not self._ready and (left := deadline - time.monotonic()) > 0:
                self.changed.wait(left)
            while self._ready and len(records) < max_records and (not records or len(self._ready[0].data) <= max_bytes):
                record = self._ready.popleft()
                max_bytes -= len(record.data)
                records.append(record)
        return records

    def settle(self, consumed: Positions) -> dict[str, list[str]]:
        """Subscription → ack ids of what is done with up to these positions, which is held no longer."""
        settled: dict[str, list[str]] = {}
        with self.changed:
            for log, through in consumed.items():
                held = self._held.get(log, ())
                while held and held[0].offset <= through:
                    settled.setdefault(held[0].source, []).append(held[0].ack_id)
                    self._forget(held.popleft())
            self.changed.notify_all()
        return settled

    def _forget(self, held: Held) -> None:
        self._bytes -= held.size
        del self._known[held.message_id]
        self._done[held.message_id] = None
        if len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)

    def expiring(self, within: float) -> list[Held]:
        """Those whose lease has so many seconds left, or fewer."""
        with self.changed:
            limit = time.monotonic() + within
            return [held for held in self._known.values() if held.expires <= limit]

    def held(self) -> dict[str, list[str]]:
        """Subscription → ack ids of everything held."""
        result: dict[str, list[str]] = {}
        with self.changed:
            for held in self._known.values():
                result.setdefault(held.source, []).append(held.ack_id)
        return result


def _identity(message: Any) -> str:
    """Ids are unique within a topic, and with emulators only as long as they run: so the time counts too."""
    return f"{message.message_id} {message.publish_time.seconds}.{message.publish_time.nanos}"


def _log(stream: Stream) -> str:
    return f"pubsub {stream}"
