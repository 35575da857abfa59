"""What the loader asks of a warehouse, and the shapes of its columns."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

from backbone.bus.protocol import Stream
from backbone.schema_types import Type
from loader.casting import Encoding
from loader.ledger import NOWHERE, Cell, event_cell
from loader.replay_messages import Message


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar column type, as the warehouse spells it."""

    type: str


@dataclass(frozen=True, slots=True)
class ListOf:
    element: "Shape"


@dataclass(frozen=True, slots=True)
class Record:
    fields: "Mapping[str, Shape]"


Shape: TypeAlias = Leaf | ListOf | Record


UNCLAIMED = "unclaimed"
"""Family of a column that another loader made for self-describing data: it is that of whichever schema its name fits."""


class Column(NamedTuple):
    """`family`: which schemas' data it holds (`event com.acme/click 1`); None for atomic columns and foreign ones."""

    shape: Shape
    family: str | None


class Change(NamedTuple):
    """Something to add. `path` is the column, then field names, `element` standing for the items of a list."""

    path: tuple[str, ...]
    shape: Shape
    family: str | None = None


Row: TypeAlias = dict[str, Any]
"""Column → value, nulls left out."""


class Encoded(NamedTuple):
    """A row of `events` as the warehouse takes it: a fifth of the memory, and quickly let go of."""

    event_id: str
    fingerprint: str | None
    data: bytes
    cell: Cell = NOWHERE


class Waiting(NamedTuple):
    """An event that waits for a schema: one row of `waiting_events`."""

    schema: str
    """URI of the schema that is missing."""
    why: str
    """`not found` or `registry unavailable`."""
    first_waited: str
    """`yyyy-MM-dd HH:mm:ss.SSS`, UTC."""
    line: str
    """As it came from the bus."""
    columns: "Row"
    """Those of `WAITING_COLUMNS` that it has."""
    failure_key: str | None = None
    """Of the row in `failed_events` that it would have, and may have from an earlier time: it goes."""
    number: int | None = None
    """Of its row; None for an event that was not waiting before."""


WAITING_COLUMNS = (
    "event_id",
    "event_fingerprint",
    "app_id",
    "collector_tstamp",
    "user_id",
    "domain_userid",
    "network_userid",
)
"""Atomic columns that `waiting_events` has too: to count events by hour and app, and to find a person's."""


class Waited(NamedTuple):
    """What is known of all events that wait for one schema."""

    events: int
    bytes: int
    since: str
    """When the first of them began to wait."""


@dataclass(slots=True)
class Batch:
    """What one transaction stores. `load_tstamp` is `yyyy-MM-dd HH:mm:ss.SSS`, UTC."""

    load_tstamp: str
    rows: list[Encoded] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    """Every column that any of the rows has."""
    changes: list[Change] = field(default_factory=list)
    failed: list[Row] = field(default_factory=list)
    """Rows for the table `failed_events`, see `loader.failed_events`."""
    replayed: list[Message] = field(default_factory=list)
    """What replays tell of themselves and of the failures they sent again."""
    waiting: list[Waiting] = field(default_factory=list)
    """Events to be kept in `waiting_events`."""
    taken: list[int] = field(default_factory=list)
    """Numbers of rows of `waiting_events` that this batch was made of: they go."""
    failed_changes: list[Change] = field(default_factory=list)
    """Of that table."""
    positions: Mapping[str, int] = field(default_factory=dict)
    read: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Records of the bus it was made of, by log and stream; none for rows that come from elsewhere."""
    oldest: str | None = None
    """The earliest `collector_tstamp` of its rows."""
    overflowing: int = 0
    """Rows with data in the column `overflow`."""

    def add(self, row: Row, encode: Callable[[Row], bytes]) -> None:
        self.names.update(row)
        received = row["collector_tstamp"]
        if self.oldest is None or received < self.oldest:
            self.oldest = received
        self.overflowing += "overflow" in row
        self.rows.append(Encoded(row["event_id"], row.get("event_fingerprint"), encode(row), event_cell(row)))


class Stored(NamedTuple):
    """What came of a batch. `recovered`: failed rows removed because their event has landed, or waits now."""

    loaded: int
    duplicates: int
    failed: int
    recovered: int
    parked: int = 0
    """Events that began to wait for their schema."""
    unparked: int = 0
    """Events that waited until now; they are among the other numbers."""

    def __str__(self) -> str:
        text = f"{self.loaded} loaded, {self.failed} failed, {self.duplicates} duplicates, {self.recovered} recovered"
        if self.parked:
            text += f", {self.parked} wait for their schema"
        return f"{text}, {self.unparked} had waited" if self.unparked else text


class BatchRefused(Exception):
    """The warehouse cannot store this batch, and trying again will not help. Nothing of it was stored; others can be."""


class TooLarge(str):
    """The reason why a row is refused that has so many bytes, more than `limit`."""

    actual: int
    limit: int

    def __new__(cls, actual: int, limit: int) -> "TooLarge":
        made = super().__new__(cls, f"the row has {actual} bytes, of which the warehouse takes {limit} at most")
        made.actual, made.limit = actual, limit
        return made


class RowsRefused(BatchRefused):
    """It is these rows (indices into `Batch.rows`, with the warehouse's reason)."""

    def __init__(self, rows: Sequence[tuple[int, str]]) -> None:
        self.rows = rows
        super().__init__(f"{len(rows)} rows refused")


class NotYetWritable(Exception):
    """These rows (indices into `Batch.rows`) need columns that were added just now and cannot be written yet; others can.

    Nothing of the batch was stored.
    """

    def __init__(self, rows: Sequence[int]) -> None:
        self.rows = rows
        super().__init__(f"{len(rows)} rows need columns that cannot be written yet")


class Table(Protocol):
    """What is asked while columns are worked out; of a warehouse, or of something that only looks like one."""

    encoding: Encoding

    def columns(self) -> Mapping[str, Column]: ...

    def encode(self, row: Row) -> bytes: ...

    def shape(self, kind: Type) -> Shape: ...


class Warehouse(Protocol):
    """One writer at a time. Methods raise TransientError when trying again may help."""

    encoding: Encoding

    def positions(self) -> dict[str, int]:
        """Where reading of the bus goes on: stored with the rows of the last batch."""

    def columns(self) -> Mapping[str, Column]:
        """Of the `events` table."""

    def failed_columns(self) -> Mapping[str, Column]:
        """Of the `failed_events` table."""

    def encode(self, row: Row) -> bytes:
        """One row of `events`."""

    def shape(self, kind: Type) -> Shape:
        """How a field of that type is stored."""

    def counted_logs(self) -> Collection[str]:
        """Logs whose records the ledger counts."""

    def count_from(self, balances: Mapping[str, Mapping[Stream, int]]) -> None:
        """Counts these logs from now on: what each of them holds of each stream was not read, or not counted, until now."""

    def store(self, batch: Batch) -> Stored:
        """All of it or nothing. Raises RowsRefused, BatchRefused."""

    def waiting(self) -> Mapping[str, Waited]:
        """By the URI of the schema waited for; known without asking the table."""

    def waiting_for(self, schema: str, before: str | None, limit: int, max_bytes: int) -> list[Waiting]:
        """The events waiting for longest (`before`: those that began before then), at most so many, at least one if any."""

    def maintain(self) -> None:
        """Housekeeping that is due; called between batches."""

    def close(self) -> None: ...
