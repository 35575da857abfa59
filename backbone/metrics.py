"""What services count about themselves, in the form Prometheus reads. One list of metrics; documentation is made from it.

Names follow Snowplow's where it has one (`events_good`, `latency`); units are in the names, as Prometheus wants it.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

Kind = Literal["counter", "gauge", "histogram"]


class Metric(NamedTuple):
    """`alert`: when somebody should look, in words; empty for what is only worth drawing."""

    name: str
    kind: Kind
    meaning: str
    alert: str = ""
    buckets: tuple[float, ...] = ()


_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
_ROWS = (1.0, 10.0, 100.0, 1_000.0, 5_000.0, 10_000.0, 20_000.0, 50_000.0)

LOADER = (
    Metric(
        "snowmelt_loader_events_good_total", "counter", "rows added to `events`", "none for longer than your site is ever quiet"
    ),
    Metric("snowmelt_loader_events_bad_total", "counter", "rows added to `failed_events`", "its share of all events has doubled"),
    Metric("snowmelt_loader_duplicates_total", "counter", "events not stored because they were there already"),
    Metric("snowmelt_loader_recovered_total", "counter", "rows taken from `failed_events` because their event has landed"),
    Metric("snowmelt_loader_waiting_events", "gauge", "events waiting for a schema", "more than 0 for an hour"),
    Metric("snowmelt_loader_columns_added_total", "counter", "columns and nested fields added to the warehouse"),
    Metric(
        "snowmelt_loader_recovery_columns_total",
        "counter",
        "recovery columns created: a schema was changed in a way its column cannot follow",
        "it grows: publish that change as a new model",
    ),
    Metric("snowmelt_loader_overflow_rows_total", "counter", "rows with data in the column `overflow`", "it grows"),
    Metric("snowmelt_loader_fields", "gauge", "fields of `events`, nested ones counted", "above 80 % of `warehouse.max_fields`"),
    Metric("snowmelt_loader_batch_rows", "histogram", "rows in a transaction, failed ones included", buckets=_ROWS),
    Metric("snowmelt_loader_store_seconds", "histogram", "time of a transaction", "most take longer than 10 s", _SECONDS),
    Metric(
        "snowmelt_loader_e2e_latency_seconds",
        "histogram",
        "from the collector's clock to the commit, for the oldest event of each batch",
        "more than 5 minutes",
        _SECONDS,
    ),
    Metric(
        "snowmelt_loader_retries_total", "counter", "transactions tried again: disk full, catalogue locked", "it keeps growing"
    ),
)


class Metrics:
    """The values of one service."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._registry = CollectorRegistry()
        self._counters = {m.name: Counter(m.name, m.meaning, registry=self._registry) for m in metrics if m.kind == "counter"}
        self._gauges = {m.name: Gauge(m.name, m.meaning, registry=self._registry) for m in metrics if m.kind == "gauge"}
        self._histograms = {
            m.name: Histogram(m.name, m.meaning, registry=self._registry, buckets=m.buckets)
            for m in metrics
            if m.kind == "histogram"
        }

    def add(self, name: str, amount: float = 1) -> None:
        if amount:
            self._counters[name].inc(amount)

    def set(self, name: str, value: float) -> None:
        self._gauges[name].set(value)

    def observe(self, name: str, value: float) -> None:
        self._histograms[name].observe(value)

    def value(self, name: str) -> float:
        """Of a counter or gauge, or how often a histogram observed."""
        suffix = "_count" if name in self._histograms else ""
        return self._registry.get_sample_value(name + suffix) or 0.0

    def serve(self, port: int) -> int:
        """Answers `/metrics` on loopback until the process ends; the port, chosen when 0 was given. Raises OSError."""
        server, _ = start_http_server(port, "127.0.0.1", self._registry)
        return int(server.server_port)
