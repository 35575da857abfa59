"""Entry point of the enricher service."""

import gc
import logging

from backbone import health, stopping
from backbone.bus import open_bus
from backbone.settings import Settings
from enricher.app import Service
from enricher.assembly import assembled
from enricher.settings import EnricherSettings

_log = logging.getLogger("snowmelt.enricher")


def run(settings: Settings) -> int:
    """Blocks until SIGTERM or SIGINT, then finishes the batch in hand. Raises ConfigurationError before anything is read."""
    stop = stopping.on_signals(settings.service.stop_seconds)
    health.serve(settings.service, stop)
    bus = open_bus(settings)
    with assembled(settings, largest_record=bus.largest_record) as enricher:
        service = Service(bus, enricher, settings.section("enricher", EnricherSettings), stop)
        gc.freeze()  # what is loaded now stays: no need to look through it again and again
        _log.info("enricher started")
        service.run()
        _log.info("enricher stopped")
    return 0
