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
    identity: str = ""
    """Of a bus that may give a record twice: the same each time, and no other record's. Its content is no part of it."""


class Extent(NamedTuple):
    """Offsets of a log: of the first record it ever held, of the first it still holds, of its last (when empty: one less)."""

    begun: int
    kept: int
    last: int


class Progress(NamedTuple):
    """How far a producer has come, all of one moment: what it read, what it counted, what it wrote."""

    consumed: dict[str, int]
    counters: dict[str, int]
    written: dict[Stream, int]


class Publisher(Protocol):
    def commit(
        self,
        records: Sequence[tuple[Stream, bytes]],
        consumed: Positions | None = None,
        counted: Mapping[str, int] | None = None,
    ) -> None:
        """Durable on return, all or nothing: the records, positions read up to, numbers to add to the producer's counters.

        Raises BusFull, BusUnavailable.
        """

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
    @property
    def commits_at_once(self) -> int:
        """How many commits of one publisher, each in a thread of its own, may be under way together."""

    @property
    def largest_record(self) -> int | None:
        """Bytes; None for no bound of its own. Longer records must not be committed."""

    def publisher(self, producer: str) -> Publisher: ...

    def subscribe(self, consumer: str | None, streams: Collection[Stream], start: Positions | None = None) -> Subscription:
        """Reads from `start`, else from what `consumer` acknowledged last, else from the beginning. No name: unregistered."""

    def backlog(self, consumer: str, streams: Collection[Stream]) -> int:
        """Records of these streams `consumer` has not acknowledged."""

    def totals(self) -> dict[Stream, int]:
        """Records every stream ever held, those deleted meanwhile too."""

    # A bus that keeps no exact numbers (Pub/Sub) answers these three with nothing.

    def extents(self) -> dict[str, Extent]:
        """Every log there is."""

    def counted(self, log: str, through: int) -> dict[Stream, int] | None:
        """Records of each stream that a log ever held up to this offset; None where nobody can tell any more."""

    def progress(self, producer: str) -> Progress | None:
        """None while it has written nothing."""
