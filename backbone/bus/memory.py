"""The bus in memory, for tests: same rules as the embedded log, nothing survives the process."""

import threading
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from backbone.bus.protocol import Extent, Positions, Progress, Record, Stream

_STREAMS: tuple[Stream, ...] = ("raw", "enriched", "failed", "bad", "replayed")


class MemoryBus:
    commits_at_once = 1
    largest_record = None

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.logs: dict[str, list[tuple[Stream, bytes]]] = {}
        self.consumed: dict[str, dict[str, int]] = {}
        self.counters: dict[str, Counter[str]] = {}
        self.acknowledged: dict[str, dict[str, int]] = {}

    def publisher(self, producer: str) -> "MemoryPublisher":
        return MemoryPublisher(self, producer)

    def subscribe(
        self, consumer: str | None, streams: Collection[Stream], start: Positions | None = None
    ) -> "MemorySubscription":
        if start is None:
            start = self.acknowledged.get(consumer, {}) if consumer is not None else {}
        return MemorySubscription(self, consumer, streams, start)

    def backlog(self, consumer: str, streams: Collection[Stream]) -> int:
        done = self.acknowledged.get(consumer, {})
        return sum(stream in streams for log, records in self.logs.items() for stream, _ in records[done.get(log, 0) :])

    def totals(self) -> dict[Stream, int]:
        return {name: sum(stream == name for records in self.logs.values() for stream, _ in records) for name in _STREAMS}

    def extents(self) -> dict[str, Extent]:
        return {log: Extent(1, 1, len(records)) for log, records in self.logs.items()}

    def counted(self, log: str, through: int) -> dict[Stream, int] | None:
        if log not in self.logs:
            return None
        return {name: sum(stream == name for stream, _ in self.logs[log][:through]) for name in _STREAMS}

    def progress(self, producer: str) -> Progress | None:
        with self.changed:
            written = self.counted(producer, len(self.logs.get(producer, ())))
            if written is None:
                return None
            return Progress(dict(self.consumed[producer]), dict(self.counters[producer]), written)


class MemoryPublisher:
    def __init__(self, bus: MemoryBus, producer: str) -> None:
        self._bus = bus
        self._producer = producer
        self._log = bus.logs.setdefault(producer, [])
        self._consumed = bus.consumed.setdefault(producer, {})
        self._counters = bus.counters.setdefault(producer, Counter())

    def commit(
        self,
        records: Sequence[tuple[Stream, bytes]],
        consumed: Positions | None = None,
        counted: Mapping[str, int] | None = None,
    ) -> None:
        with self._bus.changed:
            self._log.extend(records)
            self._consumed.update(consumed or {})
            self._counters.update(counted or {})
            self._bus.changed.notify_all()

    def consumed(self) -> dict[str, int]:
        return dict(self._consumed)

    def close(self) -> None:
        pass


class MemorySubscription:
    def __init__(self, bus: MemoryBus, consumer: str | None, streams: Collection[Stream], start: Positions) -> None:
        self._bus = bus
        self._consumer = consumer
        self._streams = frozenset(streams)
        self._read = dict(start)

    def pull(self, max_records: int, max_bytes: int, timeout: float) -> list[Record]:
        deadline = time.monotonic() + timeout
        with self._bus.changed:
            while not (records := self._pull_now(max_records, max_bytes)):
                if not self._bus.changed.wait(max(0.0, deadline - time.monotonic())):
                    return self._pull_now(max_records, max_bytes)
            return records

    def _pull_now(self, max_records: int, max_bytes: int) -> list[Record]:
        records: list[Record] = []
        for log, stored in self._bus.logs.items():
            for offset, (stream, data) in enumerate(stored[self._read.get(log, 0) :], self._read.get(log, 0) + 1):
                wanted = stream in self._streams
                if wanted and (len(records) >= max_records or (records and max_bytes < len(data))):
                    return records
                self._read[log] = offset
                if wanted:
                    max_bytes -= len(data)
                    records.append(Record(log, offset, stream, data))
        return records

    def ack(self, consumed: Positions) -> None:
        if self._consumer is not None:
            self._bus.acknowledged.setdefault(self._consumer, {}).update(consumed)

    def close(self) -> None:
        pass
