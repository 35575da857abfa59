"""The bus: what carries records from one service to the next.

A producer appends records to named streams; any number of consumers read them, each from its own position. On the embedded
log every producer has one log of its own holding all its streams in commit order, so what it commits together (an event's
`failed` and `bad` records, or records and the input positions they were made from) is stored together or not at all.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

Stream = Literal["raw", "enriched", "failed", "bad", "replayed"]
"""`replayed` tells the loader which failures were sent again; the other four are the events on their way."""
Positions = Mapping[str, int]
"""Log name → offset of the last record consumed from it."""


class Record(NamedTuple):
    log: str
    offset: int
    stream: Stream
    data: bytes


class Publisher(Protocol):
    def commit(self, records: Sequence[tuple[Stream, bytes]], consumed: Positions | None = None) -> None:
        """Durable on return, all or nothing. `consumed` is stored with the records. Raises BusFull, BusUnavailable."""

    def consumed(self) -> dict[str, int]:
        """Positions stored by the last commits: where this producer's own reading must go on."""

    def close(self) -> None: ...


class Subscription(Protocol):
    def pull(self, max_records: int, max_bytes: int, timeout: float) -> list[Record]:
        """Records after the last pulled one, in order for each log; empty when none came within `timeout` seconds."""

    def ack(self, consumed: Positions) -> None:
        """These are done with: the bus may delete them once every consumer says so."""

    def close(self) -> None: ...


class Bus(Protocol):
    def publisher(self, producer: str) -> Publisher: ...

    def subscribe(self, consumer: str | None, streams: Collection[Stream], start: Positions | None = None) -> Subscription:
        """Reads from `start`, else from what `consumer` acknowledged last, else from the beginning. No name: unregistered."""

    def backlog(self, consumer: str, streams: Collection[Stream]) -> int:
        """Records of these streams `consumer` has not acknowledged."""

    def totals(self) -> dict[Stream, int]:
        """Records every stream ever held, those deleted meanwhile too."""
