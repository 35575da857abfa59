"""From a request to the tracker parameters of its events: one adapter for each kind of request.

Third-party webhooks go here as `enricher/adapters/<vendor>.py`, each with one entry in ADAPTERS.
"""

from backbone.iglu.validator import Validator
from enricher.adapters import iglu_webhook, redirect, tp1, tp2
from enricher.adapters.protocol import Adapter, Rejected, rejected
from enricher.request import Parameters, Request

ADAPTERS: dict[tuple[str, str], Adapter] = {
    ("com.snowplowanalytics.snowplow", "tp1"): tp1.adapt,
    ("com.snowplowanalytics.snowplow", "tp2"): tp2.adapt,
    ("r", "tp2"): redirect.adapt,
    ("com.snowplowanalytics.iglu", "v1"): iglu_webhook.adapt,
}
"""(vendor, version) of a request's path → its adapter."""

_TRACKER_PROTOCOLS = frozenset((("com.snowplowanalytics.snowplow", "tp2"), ("r", "tp2")))


def adapt(request: Request, validator: Validator, max_depth: int) -> list[Parameters] | Rejected:
    """The parameters of the request's events. Raises RegistryUnavailable."""
    adapter = ADAPTERS.get((request.vendor, request.version))
    if adapter is None:
        api = f"{request.vendor}/{request.version}"
        return rejected("vendor/version", api, "vendor/version combination is not supported")
    return adapter(request, validator, max_depth)


def by_tracker(request: Request) -> bool:
    """Whether a rejected request is a tracker's fault (`tracker_protocol_violations`) or a webhook's (`adapter_failures`)."""
    return (request.vendor, request.version) in _TRACKER_PROTOCOLS
