"""The loader as a service."""

import logging

from backbone import stopping
from backbone.bus import open_bus
from backbone.iglu import build_resolver
from backbone.settings import Settings
from loader.app import Loader
from loader.settings import LoaderSettings, WarehouseSettings
from loader.warehouses.ducklake import DuckLake

log = logging.getLogger("snowmelt.loader")


def run(settings: Settings) -> int:
    """Loads until SIGTERM or SIGINT, then stores what is on the bus and returns 0.

    Raises ConfigurationError before anything is read.
    """
    own = settings.section("loader", LoaderSettings)
    stop = stopping.on_signals()
    resolver = build_resolver(settings.iglu)
    try:
        warehouse = DuckLake(settings.data.warehouse, own.known_events)
        loader = Loader(open_bus(settings), warehouse, resolver, own, settings.section("warehouse", WarehouseSettings).max_fields)
        log.info("loading into %s", settings.data.warehouse)
        try:
            loader.run(stop.is_set)
        finally:
            loader.close()
    finally:
        resolver.close()
    log.info("stopped after %d events", loader.totals.loaded)
    return 0
