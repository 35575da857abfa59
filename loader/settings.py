"""`[loader]` and `[warehouse]` of `snowmelt.toml`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from backbone.settings import Bytes, Seconds, Section
from loader.criteria import Choices, Criteria, CriterionText

Days = Annotated[float, Field(gt=0)]


class LoaderSettings(Section):
    """`[loader]`: how the bus becomes rows of the warehouse."""

    batch_records: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    """Most records stored in one transaction. More make loading faster, fewer use less memory."""
    batch_bytes: Bytes = 48_000_000
    """Most bytes stored in one transaction; a single larger record makes a batch of its own."""
    batch_seconds: Seconds = 0.3
    """How long a batch that is not full waits for more records: the usual delay until an event can be queried."""
    known_events: Annotated[int, Field(ge=0, le=100_000_000)] = 10_000_000
    """How many of the latest events are remembered to recognise a repeated one; 16 bytes of memory each, at most twice that."""
    drain_seconds: Seconds = 5.0
    """How long, when told to stop, the loader goes on storing what is already on the bus."""
    waiting_days: Days = 7.0
    """How long an event waits for a schema that cannot be found, or whose registry does not answer; then it is a failed event."""
    waiting_bytes: Bytes = 1_000_000_000
    """How much may wait; beyond it, events whose schema is missing are failed events at once."""
    skip_schemas: tuple[CriterionText, ...] = ()
    """Entities and events not to be loaded: `iglu:com.acme/*/jsonschema/1-*-*`. Their events load without them."""
    legacy_columns: tuple[CriterionText, ...] = ()
    """Schemas (as above) that get a column for each full version, as BigQuery Loader 1 made them."""
    legacy_column_mode: bool = False
    """Whether all schemas get such columns."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """TCP port on loopback where Prometheus finds the loader's metrics at `/metrics`; 0 picks a free one and logs it."""

    @property
    def choices(self) -> Choices:
        return Choices(Criteria.of(self.skip_schemas), Criteria.of(self.legacy_columns), self.legacy_column_mode)


class WarehouseSettings(Section):
    """`[warehouse]`: what is kept, for how long, and where its copies go."""

    kind: Literal["ducklake", "bigquery"] = "ducklake"
    """The embedded warehouse in the data folder, or a dataset in BigQuery."""
    project: str | None = None
    """Google Cloud project of the dataset."""
    dataset: str | None = None
    """The dataset; it must be there, its tables are made."""
    location: str | None = None
    """Where the dataset is (`EU`, `us-central1`); unset: BigQuery finds out by itself."""
    endpoint: str | None = None
    """URL that stands in for BigQuery's REST interface, without credentials; for tests, together with `write_endpoint`."""
    write_endpoint: str | None = None
    """The same, `host:port`, for the Storage Write API (gRPC without encryption)."""
    event_days: Days | None = None
    """Rows of `events` are deleted when they were loaded this long ago; unset: never."""
    failed_days: Days | None = 365.0
    """The same for `failed_events`."""
    max_fields: Annotated[int, Field(ge=200)] = 10_000
    """Most fields of `events`, nested ones counted (BigQuery's own limit); data that needs more goes to the column `overflow`."""
    maintenance_hours: Annotated[float, Field(gt=0)] = 24.0
    """How often the loader drops what is older than allowed; in the embedded warehouse it also merges files and makes a copy."""
    backup: Path | None = None
    """Folder for copies of the embedded warehouse, best on another disk; unset: no copies."""
    backups_kept: Annotated[int, Field(ge=1)] = 7
    """How many copies are kept; their data files are shared."""
