"""The loader as a service."""

import logging
import os
from collections.abc import Callable

from backbone import cloud_run, health, stopping
from backbone.bus import open_bus
from backbone.errors import ConfigurationError, Fault, TransientError
from backbone.iglu import build_resolver
from backbone.locks import WRITER, share
from backbone.settings import Settings
from loader.app import Loader
from loader.settings import LoaderSettings, WarehouseSettings
from loader.warehouses.gcp_extra import needing_gcp
from loader.warehouses.protocol import Warehouse

log = logging.getLogger("snowmelt.loader")

_LONGEST_PAUSE = 60.0


def run(settings: Settings) -> int:
    """Loads until SIGTERM or SIGINT, then stores what is on the bus and returns 0.

    Raises ConfigurationError before anything is read.
    """
    own = settings.section("loader", LoaderSettings)
    keeping = settings.section("warehouse", WarehouseSettings)
    stop = stopping.on_signals(settings.service.stop_seconds)
    health.serve(settings.service, stop)
    resolver = build_resolver(settings.iglu)
    try:
        if keeping.kind == "bigquery":
            if settings.bus.kind == "log":
                _be_seen(settings)
            opened = _bigquery(own, keeping, stop.wait)
        else:
            opened = _embedded(settings, own, keeping)
        if opened is None:
            return 0
        warehouse, between_batches, name = opened
        loader = Loader(open_bus(settings), warehouse, resolver, own, keeping.max_fields, between_batches)
        if own.metrics_port is not None:
            log.info("metrics: http://127.0.0.1:%d/metrics", loader.metrics.serve(own.metrics_port))
        log.info("loading into %s", name)
        try:
            loader.run(stop.is_set)
        finally:
            loader.close()
    finally:
        resolver.close()
    log.info("stopped after %d events", loader.totals.loaded)
    return 0


_Opened = tuple[Warehouse, Callable[[], None], str]


def _embedded(settings: Settings, own: LoaderSettings, keeping: WarehouseSettings) -> _Opened:
    from loader.maintenance import Maintenance
    from loader.warehouses.ducklake import DuckLake

    if cloud_run.is_here(os.environ):
        fault = Fault("environment", "warehouse.kind", "the embedded warehouse is refused on Cloud Run: its disk is memory")
        raise ConfigurationError([fault])
    folder = settings.data.warehouse
    warehouse = DuckLake(folder, own.known_events)
    return warehouse, Maintenance(warehouse, folder, keeping).between_batches, str(folder)


def _be_seen(settings: Settings) -> None:
    """Commands that need the bus read look by the lock whether a loader runs; this one lets others run beside it."""
    try:
        share(settings.data.warehouse / WRITER)
    except OSError:
        fault = Fault(str(settings.data.folder), "", "another loader reads this bus, into the embedded warehouse")
        raise ConfigurationError([fault]) from None


def _bigquery(own: LoaderSettings, keeping: WarehouseSettings, wait: Callable[[float], bool]) -> _Opened | None:
    """Tried until it works: permissions and quotas come back. `wait` is true when told to stop, which makes it None."""
    with needing_gcp():
        from loader.warehouses.bigquery import BigQuery
        from loader.warehouses.bigquery_access import place_of
        from loader.warehouses.bigquery_housekeeping import Housekeeping
    place = place_of(keeping)
    between_batches = Housekeeping(keeping).between_batches
    pause = 1.0
    while True:
        try:
            return BigQuery(place, own.known_events), between_batches, f"BigQuery, {place}"
        except TransientError as problem:
            log.warning("the warehouse cannot be opened, tried again in %.0f s: %s", pause, problem)
        if wait(pause):
            return None
        pause = min(_LONGEST_PAUSE, 2 * pause)
