"""Where a replay takes failed events from: the warehouse that the settings name."""

from collections.abc import Iterator
from typing import Protocol

from backbone.settings import Settings
from loader.replay_selection import Failure, Position, Selected, Selection
from loader.settings import WarehouseSettings
from loader.warehouses.gcp_extra import needing_gcp


class Source(Protocol):
    """The selected rows of `failed_events`, and what the loader has noted of replays."""

    def count(self, position: Position) -> int: ...

    def rows(self, position: Position) -> Iterator[Failure]:
        """As of now, ordered by key; nothing else may be asked meanwhile."""

    def positions(self) -> dict[str, int]:
        """How far the loader has read the bus."""

    def awaiting(self) -> set[str]:
        """Keys of failures sent again, as the loader knows, whose outcome it does not know."""

    def sent_by(self, replay_id: str) -> set[str]:
        """Keys of all failures one replay has sent, as far as the loader knows."""

    def close(self) -> None: ...


def open_source(settings: Settings, selection: Selection) -> Source:
    """Raises NoWarehouse, TransientError, and ConfigurationError for a condition that is none."""
    keeping = settings.section("warehouse", WarehouseSettings)
    if keeping.kind == "bigquery":
        with needing_gcp():
            from loader.warehouses.bigquery_selection import Selected as OfBigQuery

        return OfBigQuery(keeping, selection)
    return Selected(settings.data.folder, selection)
