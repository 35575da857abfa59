"""Group commit: while durable writes are under way, the records of all further requests gather for the next.

A thread for each write at a time; the event loop hands them batches, so nothing here needs a lock. There is no linger: a lone
request is written at once. Memory is bounded, and so is every wait.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Sequence

from backbone.bus.protocol import Publisher, Stream
from backbone.errors import SnowmeltError
from collector.memory import Memory

log = logging.getLogger("snowmelt.collector")

Batch = list[tuple[Stream, bytes]]
_LARGEST_BATCH = 16_000_000
_QUIET = 10.0


class _Write:
    """A batch on its way: the requests it answers, its bytes, and who looks that it does not take too long."""

    __slots__ = ("batch", "futures", "size", "stalled", "watch")

    def __init__(self) -> None:
        self.batch: Batch = []
        self.futures: list[asyncio.Future[bool]] = []
        self.size = 0
        self.stalled = False
        self.watch: asyncio.TimerHandle | None = None


class GroupCommit:
    """Stores records through a bus publisher. Every method but `close` is for the event loop's thread."""

    def __init__(self, publisher: Publisher, memory: Memory, timeout: float, at_once: int = 1) -> None:
        """`at_once`: how many commits may be under way together."""
        self._publisher = publisher
        self._memory = memory
        self._timeout = timeout
        self._waiting: list[tuple[Sequence[tuple[Stream, bytes]], int, asyncio.Future[bool]]] = []
        self._writing: set[_Write] = set()
        self._at_once = at_once
        self._unhealthy_until = 0.0
        self._silent_until = 0.0
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        for _ in range(self._at_once):
            thread = threading.Thread(target=self._write_batches, name="commit", daemon=True)
            thread.start()
            self._threads.append(thread)

    async def store(self, records: Sequence[tuple[Stream, bytes]]) -> bool:
        """True once the records are durable. False: the bus refused, took too long, or too much is waiting already."""
        size = sum([len(data) for _, data in records])
        if self._stalled() or not self._memory.take(size):
            return False
        stored: asyncio.Future[bool] = self._loop.create_future()
        self._waiting.append((records, size, stored))
        if len(self._writing) < self._at_once and len(self._waiting) == 1:
            # Not at once: other requests that arrived in the same turn of the loop come along.
            self._loop.call_soon(self._hand_over)
        return await stored

    def _stalled(self) -> bool:
        return any(write.stalled for write in self._writing)

    def _hand_over(self) -> None:
        if len(self._writing) >= self._at_once or not self._waiting:
            return
        write = _Write()
        for records, weight, stored in self._waiting:
            if write.batch and write.size + weight > _LARGEST_BATCH:
                break
            write.batch.extend(records)
            write.futures.append(stored)
            write.size += weight
        del self._waiting[: len(write.futures)]
        write.watch = self._loop.call_later(self._timeout, self._stall, write)
        self._writing.add(write)
        self._writes.put(write)

    def _stall(self, write: _Write) -> None:
        """A write takes too long. What waits behind it is dropped, its trackers are told to come back."""
        write.stalled = True
        self._complain("the bus did not answer in time")
        _resolve(write.futures, False)
        for _, size, stored in self._waiting:
            self._memory.give_back(size)
            _resolve([stored], False)
        self._waiting.clear()

    def _written(self, write: _Write, problem: str | None) -> None:
        self._writing.discard(write)
        if write.watch is not None:
            write.watch.cancel()
        self._memory.give_back(write.size)
        if problem is None:
            self._unhealthy_until = 0.0
        else:
            self._complain(problem)
        _resolve(write.futures, problem is None)
        if self._waiting:
            self._hand_over()

    def _complain(self, problem: str) -> None:
        now = time.monotonic()
        self._unhealthy_until = now + _QUIET
        if now >= self._silent_until:
            self._silent_until = now + _QUIET
            log.error("requests are refused with 503: %s", problem)

    def healthy(self) -> bool:
        """False while writes fail and for some seconds after: without requests nothing else would show a recovery."""
        return not self._stalled() and time.monotonic() >= self._unhealthy_until

    def _write_batches(self) -> None:
        while (write := self._writes.get()) is not None:
            problem = None
            try:
                self._publisher.commit(write.batch)
            except SnowmeltError as error:
                problem = str(error)
            except Exception as error:
                # Its text may hold event data.
                problem = f"unexpected {type(error).__name__} in the bus"
            write.batch.clear()
            try:
                self._loop.call_soon_threadsafe(self._written, write, problem)
            except RuntimeError:
                return

    async def close(self) -> None:
        """Waits for what is being written, then closes the publisher."""
        deadline = time.monotonic() + self._timeout
        while (self._writing or self._waiting) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        for _ in self._threads:
            self._writes.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join, max(0.1, deadline - time.monotonic()))
        if not any(thread.is_alive() for thread in self._threads):
            self._publisher.close()


def _resolve(futures: list[asyncio.Future[bool]], stored: bool) -> None:
    for future in futures:
        if not future.done():
            future.set_result(stored)
