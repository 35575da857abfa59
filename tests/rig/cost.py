"""What a month on Google Cloud costs, from what one core does and what Google asks. Both are written here, to be corrected.

Rates are those that `make bench` measured, taken at half: a process that is always full answers late.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

SECONDS = 30 * 86_400
VOLUMES = (1_000_000, 100_000_000, 1_000_000_000)
"""Events a month."""

RATES: Mapping[str, tuple[str, int]] = {
    "collector": ("requests a second, one event each, on Pub/Sub", 8_000),
    "enricher": ("events a second, on Pub/Sub", 8_000),
    "loader": ("rows a second, into the embedded warehouse", 12_000),
}
"""Measured on one core: `make bench`."""
MORE_SECONDS = {"collector": 0.0, "enricher": 0.0, "loader": 0.000021}
"""Seconds of CPU a record besides: measured, what BigQuery's client takes for a row."""
LOAD = 0.5
PEAK = 3
"""The busiest hour over the mean."""


class Price(NamedTuple):
    what: str
    dollars: float
    unit: str


PRICES = {
    "cpu": Price("Cloud Run, billed by instance: a core", 18.0, "million seconds"),
    "memory": Price("Cloud Run, billed by instance: memory", 2.0, "million GiB seconds"),
    "request_cpu": Price("Cloud Run, billed by request: a core", 24.0, "million seconds"),
    "requests": Price("Cloud Run, billed by request: requests", 0.40, "million"),
    "pubsub": Price("Pub/Sub: what is published and delivered, beyond 10 GiB", 40.0, "TiB"),
    "retention": Price("Pub/Sub: kept after delivery", 0.27, "GiB and month"),
    "write": Price("BigQuery: written, beyond 2 TiB", 0.025, "GiB"),
    "storage": Price("BigQuery: stored, compressed", 0.04, "GiB and month"),
    "balancer": Price("Load balancer", 18.0, "month"),
    "balancer_bytes": Price("Load balancer: what passes", 0.008, "GiB"),
    "armor": Price("Cloud Armor", 8.0, "month"),
    "armor_requests": Price("Cloud Armor: requests", 0.75, "million"),
    "logs": Price("Logs, beyond 50 GiB", 0.50, "GiB"),
}
RAW, ENRICHED, ROW, LOG = 2_000, 3_000, 1_000, 500
"""Bytes of an event: as it arrives, enriched, as a compressed row; of a line in the request log."""
GIB = 2**30
REQUEST_SECONDS = 0.02
"""How long a request holds a core when few come: Cloud Run bills from its start to its answer, once for all that overlap."""


def cores(service: str, events: int) -> int:
    """Instances of one core in the busiest hour."""
    needed = events / SECONDS * PEAK * (1 / RATES[service][1] + MORE_SECONDS[service]) / LOAD
    return max(1, math.ceil(needed))


def mean_cores(service: str, events: int) -> float:
    """Instances on average: those of the peak leave when it is over."""
    return max(1.0, cores(service, events) / PEAK)


def instances(count: float, memory: float) -> float:
    """`memory`: GiB each."""
    return count * SECONDS / 1e6 * (PRICES["cpu"].dollars + memory * PRICES["memory"].dollars)


def collector(events: int) -> float:
    """The cheaper of Cloud Run's two ways of billing."""
    by_request = events / 1e6 * (REQUEST_SECONDS * PRICES["request_cpu"].dollars + PRICES["requests"].dollars)
    return min(by_request, instances(mean_cores("collector", events), 0.5))


def workers(events: int) -> float:
    return instances(mean_cores("enricher", events), 1.0) + instances(cores("loader", events), 2.0)


def compact(_events: int) -> float:
    return instances(1, 3.0)


def pubsub(events: int) -> float:
    gib = events * 2 * (RAW + ENRICHED) / GIB
    return max(0.0, gib - 10) / 1024 * PRICES["pubsub"].dollars


def retention(events: int) -> float:
    """Seven days of raw, one of enriched."""
    return events * (RAW * 7 + ENRICHED) / 30 / GIB * PRICES["retention"].dollars


def bigquery(events: int) -> float:
    """Writing, and a month's rows stored for a month."""
    written = max(0.0, events * ENRICHED / GIB - 2 * 1024)
    return written * PRICES["write"].dollars + events * ROW / GIB * PRICES["storage"].dollars


def balancer(events: int) -> float:
    return PRICES["balancer"].dollars + events * RAW / GIB * PRICES["balancer_bytes"].dollars


def armor(events: int) -> float:
    return PRICES["armor"].dollars + events / 1e6 * PRICES["armor_requests"].dollars


def logs(events: int) -> float:
    return max(0.0, events * LOG / GIB - 50) * PRICES["logs"].dollars


PARTS = {
    "Collector": collector,
    "Enricher and loader": workers,
    "Pub/Sub": pubsub,
    "Pub/Sub, kept for a replay": retention,
    "BigQuery: writing, and a month's rows": bigquery,
}
MORE = {
    "with `compact`: in place of enricher and loader": compact,
    "with a domain: load balancer": balancer,
    "with a rate limit: Cloud Armor": armor,
    "without the log exclusion: a line for each request": logs,
}


def page() -> str:
    """Tables for docs/cost.md."""
    head = (
        "| Dollars a month | "
        + " | ".join(f"{volume // 1_000_000:,} M events" for volume in VOLUMES)
        + " |\n|---|"
        + "---:|" * len(VOLUMES)
    )
    rows = [row(name, [part(volume) for volume in VOLUMES]) for name, part in PARTS.items()]
    sums = row("**Sum**", [sum(part(volume) for part in PARTS.values()) for volume in VOLUMES])
    more = [row(name, [part(volume) for volume in VOLUMES]) for name, part in MORE.items()]
    sizes = [row(f"Cores for the {name}, at the peak", [cores(name, volume) for volume in VOLUMES]) for name in RATES]
    rates = [f"| {name} | {rate:,} {unit} | {MORE_SECONDS[name] * 1e6:,.0f} µs |" for name, (unit, rate) in RATES.items()]
    prices = [f"| {price.what} | {price.dollars:g} a {price.unit} |" for price in PRICES.values()]
    return "\n".join(
        [
            *(head, *rows, sums, *more, *sizes, ""),
            *("| Measured | One core | and besides, a record, for BigQuery |\n|---|---|---|", *rates, ""),
            *("| Assumed price | Dollars |\n|---|---|", *prices),
        ]
    )


def row(name: str, amounts: list[float] | list[int]) -> str:
    return f"| {name} | " + " | ".join(f"{amount:,.0f}" for amount in amounts) + " |"
