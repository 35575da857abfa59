"""`[loader]` of `snowmelt.toml`."""

from typing import Annotated

from pydantic import Field

from backbone.settings import Bytes, Seconds, Section


class LoaderSettings(Section):
    """`[loader]`: how the bus becomes rows of the warehouse."""

    batch_records: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    """Most records stored in one transaction. More make loading faster, fewer use less memory."""
    batch_bytes: Bytes = 48_000_000
    """Most bytes stored in one transaction; a single larger record makes a batch of its own."""
    batch_seconds: Seconds = 0.3
    """How long a batch that is not full waits for more records: the usual delay until an event can be queried."""
    known_events: Annotated[int, Field(ge=0, le=50_000_000)] = 1_000_000
    """How many of the latest events are remembered to recognise a repeated one; about 80 bytes of memory each."""
    drain_seconds: Seconds = 5.0
    """How long, when told to stop, the loader goes on storing what is already on the bus."""
