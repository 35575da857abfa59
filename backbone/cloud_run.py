"""What Cloud Run tells the containers it runs: that it does, and on which port it expects them."""

from collections.abc import Mapping

_MARKS = ("K_SERVICE", "CLOUD_RUN_WORKER_POOL", "CLOUD_RUN_JOB")
"""One of them is set in every service, worker pool and job (https://cloud.google.com/run/docs/container-contract)."""


def is_here(environment: Mapping[str, str]) -> bool:
    """Whether this is Cloud Run, whose disk is memory: gone with the instance."""
    return any(mark in environment for mark in _MARKS)


def port(environment: Mapping[str, str]) -> str | None:
    """Where requests and probes go. Elsewhere `PORT` means nothing to us: it belongs to whatever else runs on that machine."""
    return environment.get("PORT") if is_here(environment) else None
