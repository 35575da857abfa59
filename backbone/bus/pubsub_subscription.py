"""Consuming: messages are pulled in batches ahead of their reader, kept leased while it works on them, acknowledged when it says
so, and given back when it stops.

Threads: for each subscription some that pull, since each has one Pull under way at a time; one keeper that acknowledges and
extends leases. What fails is tried again; what is lost on the way comes again, and is recognised where it is still known.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import grpc

from backbone.bus.protocol import Positions, Record, Stream
from backbone.bus.pubsub_channel import (
    AcknowledgeRequest,
    Channel,
    ModifyAckDeadlineRequest,
    PullRequest,
    is_passing,
    routed,
    told,
)
from backbone.bus.pubsub_inbox import Inbox

log = logging.getLogger("snowmelt.bus")

_MOST_PULLED = 1_000
_MOST_IDS = 1_000
"""A request may take 512 KiB, an ack id some 200 bytes."""
_PULL_TIMEOUT = 60.0
_CALL_TIMEOUT = 5.0
_CLOSING = 2.0
_LONGEST_PAUSE = 5.0
_SUSPICIOUS = 10
_QUIET = 10.0


class Lease(NamedTuple):
    """Seconds. `first`: the shortest ack deadline a subscription can have; asking for its own would need a permission more."""

    first: float = 10.0
    extended: int = 60
    margin: float = 6.0
    look_every: float = 1.0


USUAL_LEASE = Lease()


class PubSubSubscription:
    """One reader's: of its threads one may `pull` while another says `ack`; `close` comes after both."""

    def __init__(
        self,
        channel: Channel,
        sources: Mapping[str, Stream],
        wanted: Collection[Stream],
        start: Positions,
        held_bytes: int,
        lease: Lease,
        pulls: int,
        at_end: Callable[[], None] = lambda: None,
    ) -> None:
        """`sources`: subscription → stream of its topic; `pulls`: at a time, of each; `at_end` is called when it is closed."""
        self._channel = channel
        self._lease = lease
        self._at_end = at_end
        self._inbox = Inbox(dict(sources), wanted, start, held_bytes, lease.first, pulls * len(sources))
        self._closed = threading.Event()
        self._calls: set[Any] = set()
        self._settled: dict[str, list[str]] = {source: [] for source in sources}
        self._settling = threading.Condition()
        self._quiet_until = 0.0
        self._threads = [
            threading.Thread(target=self._pull_on, args=(source,), name="pull", daemon=True)
            for source in sources
            for _ in range(pulls)
        ]
        self._threads.append(threading.Thread(target=self._keep, name="leases", daemon=True))
        for thread in self._threads:
            thread.start()

    def pull(self, max_records: int, max_bytes: int, timeout: float) -> list[Record]:
        return self._inbox.pull(max_records, max_bytes, timeout)

    def ack(self, consumed: Positions) -> None:
        """Told to Pub/Sub a moment later: should that fail for good, the messages come again."""
        self._settle(self._inbox.settle(consumed))

    def _settle(self, ids: Mapping[str, list[str]]) -> None:
        with self._settling:
            for source, some in ids.items():
                self._settled[source] += some
            self._settling.notify_all()

    def close(self) -> None:
        """Acknowledges what is due and gives everything else back, within some seconds."""
        self._closed.set()
        with self._settling:
            self._settling.notify_all()
        with self._inbox.changed:
            self._inbox.changed.notify_all()
            calls = list(self._calls)
        for call in calls:
            call.cancel()
        deadline = time.monotonic() + _CLOSING
        for thread in self._threads:
            thread.join(max(0.1, deadline - time.monotonic()))
        self._acknowledge()
        for source, ids in self._inbox.held().items():
            for some in _portions(ids):
                self._tell(self._channel.modify_ack_deadline, _deadline(source, some, 0), source)
        self._at_end()

    # --- pulling

    def _pull_on(self, source: str) -> None:
        pause = 0.1
        while not self._closed.is_set():
            room = self._inbox.room()
            if not room:
                with self._inbox.changed:
                    self._inbox.changed.wait(0.5)
                continue
            try:
                messages = self._pulled(source, min(room, _MOST_PULLED))
                pause = 0.1
            except (grpc.RpcError, grpc.FutureCancelledError, ValueError) as problem:
                if not self._closed.is_set():
                    self._complain(source, problem)
                self._closed.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            if messages:
                self._notice(source, messages)
                self._settle({source: self._inbox.receive(source, messages)})

    def _pulled(self, source: str, most: int) -> Any:
        """Nothing when nothing came in time."""
        request = PullRequest(subscription=source, max_messages=most)
        with self._inbox.changed:
            if self._closed.is_set():
                return ()
            call = self._channel.pull.future(request, timeout=_PULL_TIMEOUT, metadata=routed("subscription", source))
            self._calls.add(call)
        try:
            return call.result().received_messages
        except grpc.RpcError as problem:
            if problem.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                return ()
            raise
        finally:
            with self._inbox.changed:
                self._calls.discard(call)

    def _notice(self, source: str, messages: Any) -> None:
        tries = max(message.delivery_attempt for message in messages)
        if tries > _SUSPICIOUS and self._may_complain():
            log.warning("%s gives messages for the %dth time: their reader fails again and again, or is too slow", source, tries)

    # --- keeping

    def _keep(self) -> None:
        while not self._closed.is_set():
            with self._settling:
                if not any(self._settled.values()):
                    self._settling.wait(self._lease.look_every)
            if not self._acknowledge():
                self._closed.wait(self._lease.look_every)
            self._extend()

    def _acknowledge(self) -> bool:
        """False when something is left to be told again."""
        with self._settling:
            settled = {source: ids for source, ids in self._settled.items() if ids}
            self._settled = {source: [] for source in self._settled}
        left: dict[str, list[str]] = {}
        for source, ids in settled.items():
            for some in _portions(ids):
                request = AcknowledgeRequest(subscription=source, ack_ids=some)
                if not self._tell(self._channel.acknowledge, request, source):
                    left.setdefault(source, []).extend(some)
        if left:
            self._settle(left)
        return not left

    def _extend(self) -> None:
        by_source: dict[str, list[Any]] = {}
        for held in self._inbox.expiring(self._lease.margin):
            by_source.setdefault(held.source, []).append(held)
        for source, expiring in by_source.items():
            for some in _portions(expiring):
                until = time.monotonic() + self._lease.extended
                request = _deadline(source, [held.ack_id for held in some], self._lease.extended)
                if self._tell(self._channel.modify_ack_deadline, request, source):
                    for held in some:
                        held.expires = until

    def _tell(self, call: Any, request: Any, source: str) -> bool:
        """Whether there is nothing more to do: a refusal for good is as final as success, and the message comes again."""
        timeout = _CLOSING if self._closed.is_set() else _CALL_TIMEOUT
        try:
            call(request, timeout=timeout, metadata=routed("subscription", source))
        except grpc.RpcError as problem:
            self._complain(source, problem)
            return not is_passing(problem.code()) and problem.code() is not grpc.StatusCode.PERMISSION_DENIED
        except ValueError:
            return True  # the channel is closed
        return True

    # --- complaining

    def _complain(self, source: str, problem: Any) -> None:
        if self._may_complain():
            text = told(problem) if isinstance(problem, grpc.RpcError) else type(problem).__name__
            log.warning("%s does not answer, trying on: %s", source, text)

    def _may_complain(self) -> bool:
        now = time.monotonic()
        if now < self._quiet_until:
            return False
        self._quiet_until = now + _QUIET
        return True


def _deadline(source: str, ids: list[str], seconds: int) -> Any:
    return ModifyAckDeadlineRequest(subscription=source, ack_ids=ids, ack_deadline_seconds=seconds)


def _portions(items: list[Any]) -> list[list[Any]]:
    return [items[start : start + _MOST_IDS] for start in range(0, len(items), _MOST_IDS)]
