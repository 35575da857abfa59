"""What is to go wrong in the stand-in for BigQuery."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Faults:
    lag_seconds: float = 0.0
    """After a change of a table, new columns cannot be written for so long."""
    lag_hidden: bool = False
    """The stream tells the new schema at once, but appends go on being refused."""
    marked: str | None = None
    """Rows with this text in a top-level column get a row error."""
    appends: list[str] = field(default_factory=list)
    """For the next appends of rows of `faulty_table`, in turn: `unavailable`, `lost` (before storing), `stored` (lost after
    storing), `quota`, `invalid`, `ok`."""
    faulty_table: str = "events"
    denied: bool = False
    """Whether the account lacks permission, on both interfaces."""
    patch_refusals: list[tuple[int, str]] = field(default_factory=list)
    """(status, reason) of the next changes of tables."""
    racing: list[Callable[[Any], None]] = field(default_factory=list)
    """Each is called with the table before a change is looked at: somebody else was faster."""
    streaming_seconds: float = 0.0
    """Rows cannot be changed for so long after they were streamed; half an hour in BigQuery itself."""
    page_rows: int = 10_000
    """Most rows of one answer to a query."""
    patches: int = 0
    queries: list[str] = field(default_factory=list)
    streams: int = 0
