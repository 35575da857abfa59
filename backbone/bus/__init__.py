"""Chooses the bus the settings ask for."""

import os

from backbone import cloud_run
from backbone.bus.protocol import Bus, Positions, Publisher, Record, Stream, Subscription
from backbone.errors import ConfigurationError, Fault
from backbone.settings import Settings

__all__ = ["Bus", "Positions", "Publisher", "Record", "Stream", "Subscription", "open_bus"]

CONSUMERS = ("enricher", "loader")
"""Services whose turn comes sooner or later: what they have not read is kept, also while they have never run."""


def open_bus(settings: Settings) -> Bus:
    """Raises ConfigurationError where the embedded log would break the promise that a 200 means stored, or Pub/Sub lacks
    something; BusUnavailable. What the other kind of bus needs is not imported.
    """
    if settings.bus.kind == "pubsub":
        return _pubsub(settings)
    from backbone.bus.log import LogBus

    if cloud_run.is_here(os.environ):
        raise ConfigurationError(
            [Fault("environment", "bus.kind", "the embedded log is refused on Cloud Run: its disk is memory")]
        )
    return LogBus(settings.data.bus, settings.bus.max_bytes, settings.bus.segment_bytes, CONSUMERS)


def _pubsub(settings: Settings) -> Bus:
    try:
        from backbone.bus import pubsub
    except ModuleNotFoundError as problem:
        text = f"`pubsub` needs the libraries of Google Cloud ({problem.name} is missing): install snowmelt[gcp]"
        raise ConfigurationError([Fault("", "bus.kind", text)]) from None
    return pubsub.configured(settings.bus)
