"""The libraries of Google Cloud, which are installed with an extra."""

from collections.abc import Iterator
from contextlib import contextmanager

from backbone.errors import ConfigurationError, Fault


@contextmanager
def needing_gcp() -> Iterator[None]:
    """Around imports: says what to install where they are missing."""
    try:
        yield
    except ModuleNotFoundError as problem:
        text = f"bigquery needs the extra gcp (pip install 'snowmelt[gcp]'): {problem.name}"
        raise ConfigurationError([Fault("settings", "warehouse.kind", text)]) from problem
