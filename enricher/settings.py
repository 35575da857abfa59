"""`[enricher]`: the enricher's own settings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, field_validator

from backbone.event import COLUMNS
from backbone.settings import Bytes, Seconds, Section

if TYPE_CHECKING:  # every command reads the settings; the enricher itself is slow to import
    from enricher.enrich import Limits

Count = Annotated[int, Field(ge=1)]


class EnricherSettings(Section):
    """`[enricher]`: from raw payloads to enriched events."""

    enrichments: Path = Path("enrichments")
    """Folder of enrichment configuration files (`*.json`, in Snowplow's format). A folder that does not exist means: none."""
    assets: Path | None = None
    """Folder in which data files named by the enrichments are found by their base name, instead of being downloaded."""
    field_limits: dict[str, Count] = Field(default_factory=dict)
    """Longest text of single columns in UTF-16 units, overriding the defaults: `{ page_title = 4000 }`."""
    max_record_bytes: Bytes = 9_000_000
    """Size beyond which an event or bad row is replaced by a `size_violation` bad row."""
    max_payload_bytes: Bytes = 10_000_000
    """Size of one payload inside a compressed message; a longer one becomes a `size_violation` bad row."""
    max_unpacked_bytes: Bytes = 200_000_000
    """What one compressed message may unfold to."""
    max_json_depth: Annotated[int, Field(ge=2, le=190)] = 50
    """Levels of nesting accepted in self-describing data, its wrappers and scalars counted."""
    batch_records: Count = 500
    """Most payloads taken from the bus at once; their results are stored together."""
    batch_bytes: Bytes = 8_000_000
    """Most bytes of payloads taken from the bus at once."""
    poll_seconds: Seconds = 0.5
    """How long to wait for payloads before looking whether to stop."""
    retry_seconds: Seconds = 1.0
    """First pause when a schema registry or the bus does not answer; doubled each time up to `retry_max_seconds`."""
    retry_max_seconds: Seconds = 30.0
    """Longest pause between attempts."""

    @field_validator("field_limits")
    @classmethod
    def _known_columns(cls, limits: dict[str, int]) -> dict[str, int]:
        from enricher import atomic

        unknown = sorted(set(limits) - set(atomic.DEFAULT_LIMITS))
        if unknown:
            raise ValueError(f"no text columns of that name: {', '.join(unknown)}")
        return limits

    def limits(self, largest_record: int | None = None) -> "Limits":
        """What `enricher.enrich.Enricher` needs of these. `largest_record`: bytes that the bus takes."""
        from enricher import atomic, framing
        from enricher.enrich import Limits

        sizes = framing.Limits(self.max_payload_bytes, self.max_unpacked_bytes)
        largest = min(self.max_record_bytes, largest_record or self.max_record_bytes)
        columns = dict.fromkeys(COLUMNS, atomic.UNLIMITED)
        return Limits({**columns, **atomic.DEFAULT_LIMITS, **self.field_limits}, largest, self.max_json_depth, sizes)
