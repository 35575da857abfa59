"""What the loader asks of a warehouse, and the shapes of its columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

from backbone.schema_types import Type
from loader.casting import Encoding


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
    failed_changes: list[Change] = field(default_factory=list)
    """Of that table."""
    replayed: list[tuple[str, int]] = field(default_factory=list)
    """(failure key, attempts) of failed payloads that were sent again: their rows go, unless they failed again meanwhile."""
    positions: Mapping[str, int] = field(default_factory=dict)

    def add(self, row: Row, encode: Callable[[Row], bytes]) -> None:
        self.names.update(row)
        self.rows.append(Encoded(row["event_id"], row.get("event_fingerprint"), encode(row)))


class Stored(NamedTuple):
    """What came of a batch. `recovered`: failed rows removed because their event has landed."""

    loaded: int
    duplicates: int
    failed: int
    recovered: int

    def __str__(self) -> str:
        return f"{self.loaded} loaded, {self.failed} failed, {self.duplicates} duplicates, {self.recovered} recovered"


class RowsRefused(Exception):
    """The warehouse refuses these rows (indices into `Batch.rows`, with its reason). Nothing of the batch was stored."""

    def __init__(self, rows: Sequence[tuple[int, str]]) -> None:
        self.rows = rows
        super().__init__(f"{len(rows)} rows refused")


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

    def store(self, batch: Batch) -> Stored:
        """All of it or nothing. Raises RowsRefused."""

    def maintain(self) -> None:
        """Housekeeping that is due; called between batches."""

    def close(self) -> None: ...
