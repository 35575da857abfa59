"""What each service has imported by the time it did its work, on each cloud: nothing of what its neighbours need."""

import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

pytest.importorskip("google.pubsub_v1", reason="the libraries of Google Cloud are not installed")
pytest.importorskip("google.cloud.bigquery_storage_v1", reason="the libraries of Google Cloud are not installed")

from bigquery_server import DATASET, PROJECT, BigQueryServer
from pipeline import Pipeline, eventually
from tracker import call, event, send

from backbone.bus.emulator import Emulator

pytestmark = pytest.mark.journey
PUBSUB = ("google.pubsub_v1", "google.cloud.pubsub")
BIGQUERY = ("google.cloud.bigquery", "google.cloud.bigquery_storage", "pyarrow", "pandas", "numpy")
EMBEDDED = ("duckdb",)
VALIDATION = ("jsonschema", "jsonschema_rs", "maxminddb", "ua_parser")
HTTP = ("uvicorn", "starlette")


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    running = Emulator().start()
    yield running
    running.stop()


@pytest.fixture
def bigquery(tmp_path: Path) -> Iterator[BigQueryServer]:
    running = BigQueryServer(tmp_path)
    yield running
    running.close()


@contextmanager
def running(pipeline: Pipeline) -> Iterator[None]:
    """Each service as a process of its own, which writes down whatever it imports."""
    pipeline.environment["PYTHONPROFILEIMPORTTIME"] = "1"
    with ExitStack() as ending:
        for name in ("collector", "enricher", "loader"):
            process = pipeline.service(name)
            ending.callback(process.wait, 30)
            ending.callback(process.send_signal, signal.SIGTERM)
        eventually(lambda: healthy(pipeline), 30, 0.05)
        del pipeline.environment["PYTHONPROFILEIMPORTTIME"]
        yield


def healthy(pipeline: Pipeline) -> bool:
    try:
        return call(pipeline.url, "GET", "/health")[0] == 200
    except OSError:
        return False


def imported(pipeline: Pipeline, service: str, packages: tuple[str, ...]) -> set[str]:
    """Which of these packages a service has imported."""
    said = (pipeline.folder / f"{service}.log").read_text("utf-8", "replace")
    modules = set(re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", said, re.MULTILINE))
    assert "backbone.settings" in modules
    return {package for package in packages if any(f"{name}.".startswith(f"{package}.") for name in modules)}


def test_on_pubsub_and_the_embedded_warehouse(tmp_path: Path, emulator: Emulator) -> None:
    pipeline = Pipeline(tmp_path, f'[bus]\nkind = "pubsub"\nendpoint = "{emulator.endpoint}"\n', bus="log")
    with running(pipeline):
        pipeline.rows(send(pipeline.url, event("pv")))
    assert imported(pipeline, "collector", (*PUBSUB, *BIGQUERY, *EMBEDDED, *VALIDATION, *HTTP)) == {"google.pubsub_v1", *HTTP}
    assert imported(pipeline, "enricher", (*PUBSUB, *BIGQUERY, *EMBEDDED, *HTTP)) == {"google.pubsub_v1"}
    of_duckdb = {"numpy", "pandas"}  # imported by itself where it finds them
    assert imported(pipeline, "loader", (*PUBSUB, *BIGQUERY, *EMBEDDED, *HTTP)) - of_duckdb == {"google.pubsub_v1", "duckdb"}


def test_on_the_log_and_bigquery(tmp_path: Path, bigquery: BigQueryServer) -> None:
    place = f'project = "{PROJECT}"\ndataset = "{DATASET}"\n'
    places = f'endpoint = "{bigquery.endpoint}"\nwrite_endpoint = "{bigquery.write_endpoint}"\n'
    pipeline = Pipeline(tmp_path, f'[warehouse]\nkind = "bigquery"\n{place}{places}', bus="log")
    with running(pipeline):
        (event_id,) = send(pipeline.url, event("pv"))
        eventually(lambda: "events" in bigquery.tables and bigquery.rows("SELECT event_id FROM `x.events`") == [(event_id,)])
    for service in ("collector", "enricher"):
        assert imported(pipeline, service, (*PUBSUB, *BIGQUERY, *EMBEDDED, "google", "grpc")) == set()
    assert imported(pipeline, "loader", (*PUBSUB, *EMBEDDED, *HTTP)) == set()
    assert imported(pipeline, "loader", BIGQUERY) >= {"google.cloud.bigquery"}
