"""Topics and subscriptions of the emulator: who still has to get which message, and until when somebody has it."""

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

_MOST_PULLED_BYTES = 10_000_000


class Message:
    """`sent`: the message as Google's type, with id and time of publishing."""

    __slots__ = ("attempts", "sent", "size")

    def __init__(self, sent: Any, attempts: int = 0) -> None:
        self.sent = sent
        self.attempts = attempts
        self.size = len(sent.data)


@dataclass(slots=True)
class Topic:
    name: str
    subscriptions: "list[Subscription]" = field(default_factory=list)
    published: dict[str, int] = field(default_factory=dict)
    """Messages it ever got, by their attribute `stream`; without one: under the empty text."""


@dataclass(slots=True)
class Subscription:
    """`described`: as it was asked for, Google's type. `most_attempts`: 0 for no bound. Guarded by the lock of its `Topics`."""

    described: Any
    ack_deadline: float
    most_attempts: int
    dead_letters: Callable[[Any], None]
    waiting: deque[Message] = field(default_factory=deque)
    given: dict[str, tuple[Message, float]] = field(default_factory=dict)
    deadlines: list[tuple[float, str]] = field(default_factory=list)
    storm: int = 0
    """So many acknowledgements are still to be ignored: their messages come again."""
    deliveries: int = 1
    """Every message comes so often at least, whatever is acknowledged before."""
    acknowledged: int = 0
    redelivered: int = 0
    dead: int = 0

    def give(self, most: int, now: float) -> list[tuple[str, Message]]:
        """Messages and their ack ids."""
        self.expire(now)
        given: list[tuple[str, Message]] = []
        size = 0
        while self.waiting and len(given) < most and (not given or size + self.waiting[0].size <= _MOST_PULLED_BYTES):
            message = self.waiting.popleft()
            message.attempts += 1
            self.redelivered += message.attempts > 1
            ack_id = f"{message.sent.message_id}-{message.attempts}-{next(_NUMBERS)}"
            self.given[ack_id] = message, now + self.ack_deadline
            heapq.heappush(self.deadlines, (now + self.ack_deadline, ack_id))
            size += message.size
            given.append((ack_id, message))
        return given

    def acknowledge(self, ack_id: str) -> int:
        """Bytes that are gone now."""
        given = self.given.pop(ack_id, None)
        if given is None:
            return 0
        if self.storm or given[0].attempts < self.deliveries:
            self.storm = max(0, self.storm - 1)
            self.waiting.append(given[0])
            return 0
        self.acknowledged += 1
        return given[0].size

    def extend(self, ack_id: str, seconds: float, now: float) -> None:
        if ack_id not in self.given:
            return
        message, _ = self.given[ack_id]
        if seconds <= 0:
            del self.given[ack_id]
            self._return(message)
            return
        self.given[ack_id] = message, now + seconds
        heapq.heappush(self.deadlines, (now + seconds, ack_id))

    def expire(self, now: float) -> None:
        """Takes back what nobody acknowledged in time."""
        while self.deadlines and self.deadlines[0][0] <= now:
            _, ack_id = heapq.heappop(self.deadlines)
            given = self.given.get(ack_id)
            if given is not None and given[1] <= now:
                del self.given[ack_id]
                self._return(given[0])

    def _return(self, message: Message) -> None:
        if self.most_attempts and message.attempts >= self.most_attempts:
            self.dead += 1
            self.dead_letters(message.sent)
        else:
            self.waiting.append(message)

    def unfinished(self) -> list[Message]:
        return [*self.waiting, *(message for message, _ in self.given.values())]


_NUMBERS = itertools.count(1)


class Topics:
    """All of them, in memory. `changed` guards everything, and tells those who wait for messages."""

    def __init__(self, most_bytes: int) -> None:
        self.changed = threading.Condition()
        self.topics: dict[str, Topic] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.bytes = 0
        self._most_bytes = most_bytes
        self._ids = itertools.count(time.time_ns() // 1_000)  # unlike those of an emulator that ended

    def full(self, size: int) -> bool:
        return self.bytes + size > self._most_bytes

    def publish(self, topic: Topic, messages: Collection[Any]) -> list[str]:
        """Their ids. The caller holds the lock."""
        ids = []
        for sent in messages:
            sent.message_id = str(next(self._ids))
            sent.publish_time.FromNanoseconds(time.time_ns())
            ids.append(sent.message_id)
            stream = sent.attributes.get("stream", "")
            topic.published[stream] = topic.published.get(stream, 0) + 1
            for subscription in topic.subscriptions:
                message = Message(sent)
                subscription.waiting.append(message)
                self.bytes += message.size
        self.changed.notify_all()
        return ids

    def subscribe(self, described: Any, topic: Topic) -> None:
        """The caller holds the lock."""

        def bury(sent: Any) -> None:
            target = self.topics.get(described.dead_letter_policy.dead_letter_topic)
            if target is not None:
                copy = type(sent)()
                copy.CopyFrom(sent)
                self.publish(target, [copy])
            self.bytes -= len(sent.data)

        made = Subscription(
            described, float(described.ack_deadline_seconds or 10), described.dead_letter_policy.max_delivery_attempts, bury
        )
        topic.subscriptions.append(made)
        self.subscriptions[described.name] = made

    def delete(self, name: str) -> None:
        """The caller holds the lock."""
        gone = self.subscriptions.pop(name)
        self.bytes -= sum(message.size for message in gone.unfinished())
        for topic in self.topics.values():
            topic.subscriptions = [each for each in topic.subscriptions if each is not gone]

    def acknowledge(self, subscription: Subscription, ids: Collection[str]) -> None:
        with self.changed:
            for ack_id in ids:
                self.bytes -= subscription.acknowledge(ack_id)
            self.changed.notify_all()

    def extend(self, subscription: Subscription, ids: Collection[str], seconds: float) -> None:
        now = time.monotonic()
        with self.changed:
            for ack_id in ids:
                subscription.extend(ack_id, seconds, now)
            self.changed.notify_all()

    def published(self) -> Mapping[str, Mapping[str, int]]:
        """Topic → attribute `stream` → messages it ever got."""
        with self.changed:
            return {name: dict(topic.published) for name, topic in self.topics.items()}

    def unfinished(self, subscription: str, stream: str = "") -> int:
        """Messages with this attribute `stream` (empty: without) that were not acknowledged."""
        with self.changed:
            found = self.subscriptions.get(subscription)
            messages = found.unfinished() if found is not None else []
            return sum(message.sent.attributes.get("stream", "") == stream for message in messages)
