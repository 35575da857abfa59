"""Group commit: while one durable write is under way, the records of all further requests gather for the next.

One thread writes; the event loop hands it a batch at a time, so nothing here needs a lock. There is no linger: a lone request is
written at once. Memory is bounded, and so is every wait.
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


class GroupCommit:
    """Stores records through a bus publisher. Every method but `close` is for the event loop's thread."""

    def __init__(self, publisher: Publisher, memory: Memory, timeout: float) -> None:
        self._publisher = publisher
        self._memory = memory
        self._timeout = timeout
        self._waiting: list[tuple[Sequence[tuple[Stream, bytes]], int, asyncio.Future[bool]]] = []
        self._writing: list[asyncio.Future[bool]] | None = None
        self._stalled = False
        self._unhealthy_until = 0.0
        self._silent_until = 0.0
        self._batches: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._write_batches, name="commit", daemon=True)
        self._thread.start()

    async def store(self, records: Sequence[tuple[Stream, bytes]]) -> bool:
        """True once the records are durable. False: the bus refused, took too long, or too much is waiting already."""
        size = sum([len(data) for _, data in records])
        if self._stalled or not self._memory.take(size):
            return False
        stored: asyncio.Future[bool] = self._loop.create_future()
        self._waiting.append((records, size, stored))
        if self._writing is None and len(self._waiting) == 1:
            # Not at once: other requests that arrived in the same turn of the loop come along.
            self._loop.call_soon(self._hand_over)
        return await stored

    def _hand_over(self) -> None:
        if self._writing is not None or not self._waiting:
            return
        batch: Batch = []
        size = count = 0
        self._writing = []
        for records, weight, stored in self._waiting:
            if batch and size + weight > _LARGEST_BATCH:
                break
            batch.extend(records)
            self._writing.append(stored)
            size += weight
            count += 1
        del self._waiting[:count]
        self._size = size
        self._watch = self._loop.call_later(self._timeout, self._stall)
        self._batches.put(batch)

    def _stall(self) -> None:
        """The write under way takes too long. What waits behind it is dropped, its trackers are told to come back."""
        self._stalled = True
        self._complain("the bus did not answer in time")
        _resolve(self._writing or [], False)
        for _, size, stored in self._waiting:
            self._memory.give_back(size)
            _resolve([stored], False)
        self._waiting.clear()

    def _written(self, problem: str | None) -> None:
        written, self._writing = self._writing or [], None
        self._watch.cancel()
        self._memory.give_back(self._size)
        self._stalled = False
        if problem is None:
            self._unhealthy_until = 0.0
        else:
            self._complain(problem)
        _resolve(written, problem is None)
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
        return not self._stalled and time.monotonic() >= self._unhealthy_until

    def _write_batches(self) -> None:
        while (batch := self._batches.get()) is not None:
            problem = None
            try:
                self._publisher.commit(batch)
            except SnowmeltError as error:
                problem = str(error)
            except Exception as error:
                # Its text may hold event data.
                problem = f"unexpected {type(error).__name__} in the bus"
            batch.clear()
            try:
                self._loop.call_soon_threadsafe(self._written, problem)
            except RuntimeError:
                return

    async def close(self) -> None:
        """Waits for what is being written, then closes the publisher."""
        deadline = time.monotonic() + self._timeout
        while (self._writing is not None or self._waiting) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        self._batches.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, self._timeout)
            if self._thread.is_alive():
                return
        self._publisher.close()


def _resolve(futures: list[asyncio.Future[bool]], stored: bool) -> None:
    for future in futures:
        if not future.done():
            future.set_result(stored)
