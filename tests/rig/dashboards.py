"""The dashboards of Cloud Monitoring, as JSON. That of the loader is drawn from the list of metrics in backbone/metrics.py.

`${prefix}` and `${collector}` are filled in by Terraform.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from backbone.metrics import LOADER, Metric

FOLDER = Path("terraform/modules/observability/dashboards")
_COLUMNS, _WIDTH, _HEIGHT = 48, 24, 16
_QUANTILES = (50, 95, 99)

Chart = tuple[str, Sequence[tuple[str, str]]]
"""Title; legend and PromQL of each line."""


def _topic(metric: str, stream: str) -> str:
    return f'{metric}{{monitored_resource="pubsub_topic",topic_id="${{prefix}}{stream}"}}'


def _subscriptions(metric: str) -> str:
    return f'max by (subscription_id) ({metric}{{monitored_resource="pubsub_subscription",subscription_id=~"${{prefix}}.*"}})'


def _collector(metric: str, more: str = "") -> str:
    return f'{metric}{{monitored_resource="cloud_run_revision",service_name="${{collector}}"{more}}}'


def _workers(metric: str) -> str:
    return f'{metric}{{monitored_resource="cloud_run_worker_pool",worker_pool_name=~"${{prefix}}.*"}}'


def _quantiles(buckets: str, by: str = "le") -> list[tuple[str, str]]:
    return [(f"p{each}", f"histogram_quantile({each / 100}, sum by ({by}) (rate({buckets}[5m])))") for each in _QUANTILES]


def _rate(series: str, by: str = "") -> str:
    return f"sum{by} (rate({series}[5m]))"


def pipeline() -> list[Chart]:
    """What flows, and what waits."""
    sizes = "pubsub_googleapis_com:topic_message_sizes_count"
    streams = ("raw", "enriched", "failed", "bad")
    good, bad = (_rate(_topic(sizes, stream)) for stream in ("enriched", "bad"))
    return [
        ("Messages a second, by stage", [(stream, _rate(_topic(sizes, stream))) for stream in streams]),
        ("Share of events that fail", [("failed", f"{bad} / ({good} + {bad})")]),
        (
            "Age of the oldest message, seconds",
            [("", _subscriptions("pubsub_googleapis_com:subscription_oldest_unacked_message_age"))],
        ),
        ("Messages that wait", [("", _subscriptions("pubsub_googleapis_com:subscription_num_undelivered_messages"))]),
        ("Rows a second into BigQuery", [("rows", _rate("bigquerystorage_googleapis_com:write_uploaded_row_count"))]),
        (
            "Messages that could not be delivered",
            [("", _subscriptions("pubsub_googleapis_com:subscription_dead_letter_message_count"))],
        ),
    ]


def quality() -> list[Chart]:
    """How well it is served."""
    requests = "run_googleapis_com:request_count"
    cpu = "run_googleapis_com:container_cpu_utilizations_bucket"
    memory = "run_googleapis_com:container_memory_utilizations_bucket"
    instances = "run_googleapis_com:container_instance_count"
    return [
        ("Requests a second, by kind of answer", [("", _rate(_collector(requests), " by (response_code_class)"))]),
        ("Answer times of the collector, ms", _quantiles(_collector("run_googleapis_com:request_latencies_bucket"))),
        ("Instances of the collector", [("", f"max by (state) ({_collector(instances)})")]),
        ("Instances of the workers", [("", f"max by (worker_pool_name) ({_workers(instances)})")]),
        ("CPU of the collector", _quantiles(_collector(cpu))),
        (
            "CPU of the workers, p95",
            [("", f"histogram_quantile(0.95, sum by (le, worker_pool_name) (rate({_workers(cpu)}[5m])))")],
        ),
        ("Memory of the collector", _quantiles(_collector(memory))),
        (
            "Memory of the workers, p95",
            [("", f"histogram_quantile(0.95, sum by (le, worker_pool_name) (rate({_workers(memory)}[5m])))")],
        ),
    ]


def cost() -> list[Chart]:
    """What is paid for."""
    billable = "run_googleapis_com:container_billable_instance_time"
    passing = 'pubsub_googleapis_com:topic_byte_cost{monitored_resource="pubsub_topic",topic_id=~"${prefix}.*"}'
    return [
        (
            "Seconds of instances paid for, a second",
            [("collector", _rate(_collector(billable))), ("workers", _rate(_workers(billable)))],
        ),
        ("Bytes through Pub/Sub a second", [("", _rate(passing, " by (topic_id)"))]),
        ("Bytes written to BigQuery a second", [("bytes", _rate("bigquerystorage_googleapis_com:write_uploaded_bytes_count"))]),
        ("Bytes of logs a second", [("", _rate("logging_googleapis_com:billing_bytes_ingested", " by (resource_type)"))]),
    ]


def loader() -> list[Chart]:
    """Every metric of the loader."""
    return [(metric.meaning[:1].upper() + metric.meaning[1:], _lines(metric)) for metric in LOADER]


def _lines(metric: Metric) -> list[tuple[str, str]]:
    if metric.kind == "counter":
        return [("a second", f"sum(rate({metric.name}[5m]))")]
    if metric.kind == "gauge":
        return [("", f"max({metric.name})")]
    return _quantiles(f"{metric.name}_bucket")


BOARDS: dict[str, tuple[str, Callable[[], list[Chart]]]] = {
    "pipeline": ("Pipeline", pipeline),
    "quality": ("Quality of service", quality),
    "cost": ("Cost", cost),
    "loader": ("Loader", loader),
}


def files() -> Iterator[tuple[Path, str]]:
    """Path from the root of the repository, content."""
    for name, (title, charts) in BOARDS.items():
        tiles = [_tile(at, chart) for at, chart in enumerate(charts())]
        board = {"displayName": f"Snowmelt: {title} (${{prefix}}…)", "mosaicLayout": {"columns": _COLUMNS, "tiles": tiles}}
        yield FOLDER / f"{name}.json", json.dumps(board, indent=2) + "\n"


def _tile(at: int, chart: Chart) -> dict[str, Any]:
    title, lines = chart
    per_row = _COLUMNS // _WIDTH
    sets = [_line(legend, query) for legend, query in lines]
    widget = {"title": title, "xyChart": {"chartOptions": {"mode": "STATS"}, "dataSets": sets}}
    return {"xPos": at % per_row * _WIDTH, "yPos": at // per_row * _HEIGHT, "width": _WIDTH, "height": _HEIGHT, "widget": widget}


def _line(legend: str, query: str) -> dict[str, Any]:
    line = {"plotType": "LINE", "targetAxis": "Y1", "timeSeriesQuery": {"prometheusQuery": query}}
    return {"legendTemplate": legend, **line} if legend else line
