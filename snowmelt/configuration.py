"""Settings of every service from one file, the environment and the flags of this command line.

All sections are always read, whatever the command, so that a fault in one is never hidden by running another.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backbone import settings
from backbone.settings import Section, Settings
from collector.settings import CollectorSettings
from enricher.settings import EnricherSettings
from loader.settings import LoaderSettings, WarehouseSettings

MODELS: Mapping[str, type[Section]] = {
    "collector": CollectorSettings,
    "enricher": EnricherSettings,
    "loader": LoaderSettings,
    "warehouse": WarehouseSettings,
}


def read(config: Path | None, data: Path | None, flags: Mapping[str, Any] | None = None) -> Settings:
    """Raises ConfigurationError holding every fault. `flags` are dotted keys; `None` means "not given"."""
    return settings.load(config, MODELS, flags={"data.folder": data, **(flags or {})})
