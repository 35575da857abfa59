"""`snowmelt up --bus pubsub --emulator`: the way of the cloud on one machine. Nothing is lost by kills or by stopping.

All other journeys run on the stand-ins too, with PIPELINE_BUS=pubsub and PIPELINE_WAREHOUSE=bigquery in the environment.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline import Pipeline, eventually
from tracker import event, send

pytest.importorskip("google.pubsub_v1", reason="the libraries of Google Cloud are not installed")
pytestmark = pytest.mark.journey
FLAGS = ("--bus", "pubsub", "--emulator")


@pytest.fixture(params=["ducklake", "bigquery"])
def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pipeline]:
    if request.param == "bigquery":
        pytest.importorskip("google.cloud.bigquery", reason="the libraries of Google Cloud are not installed")
    fresh = Pipeline(tmp_path, bus="log", warehouse=request.param)  # the flags say what bus
    yield fresh
    fresh.close()


def test_events_become_rows_and_stopping_drains(cloud: Pipeline) -> None:
    cloud.start(*FLAGS)
    good = send(cloud.url, *(event("pv") for _ in range(200)))
    broken = send(cloud.url, event("ue", ue_pr='{"schema":"iglu:com.acme/unknown_thing"}'))
    assert set(cloud.rows(good)) == set(good)
    assert len(cloud.rows(broken, "failed_events")) == 1
    late = send(cloud.url, *(event("pv") for _ in range(100)))
    assert cloud.stop() == 0
    assert "nothing is waiting" in cloud.said()
    assert "Traceback" not in cloud.said()
    assert len(cloud.sql("select event_id from events")) == len(good) + len(late)
    assert "Everything is accounted for." in cloud.run("audit").stdout
    cloud.tamper(f"DELETE FROM events WHERE event_id = '{late[0]}'")
    assert "rows of events: 300 expected, 299 found." in cloud.run("audit", expect=1).stdout


def test_requests_that_are_packed_become_rows(tmp_path: Path) -> None:
    cloud = Pipeline(tmp_path, '[bus]\ncompression = "zstd"\n')
    try:
        cloud.start(*FLAGS)
        ids = [event_id for _ in range(20) for event_id in send(cloud.url, event("pv"), event("pv"))]
        assert set(cloud.rows(ids)) == set(ids)
        assert cloud.stop() == 0
        cloud.run("audit")
    finally:
        cloud.close()


def test_services_that_die_lose_nothing(cloud: Pipeline) -> None:
    cloud.start(*FLAGS)
    ids: list[str] = []
    for service in ("enricher", "loader"):
        ids += send(cloud.url, *(event("pv") for _ in range(100)))
        before = cloud.pid_of(service)
        os.kill(before, signal.SIGKILL)
        assert eventually(lambda s=service, b=before: cloud.pid_of(s) != b, 20)  # type: ignore[misc]
        ids += send(cloud.url, *(event("pv") for _ in range(100)))
    assert set(cloud.rows(ids)) == set(ids)
    assert cloud.stop() == 0
    (counts,) = cloud.sql("select count(*) as rows, count(distinct event_id) as ids from events")
    assert counts == {"rows": len(ids), "ids": len(ids)}
    cloud.run("audit")


def test_an_emulator_goes_with_pubsub_only(tmp_path: Path) -> None:
    done = Pipeline(tmp_path, bus="log").run("up", "--emulator", expect=2)
    assert "--bus pubsub" in done.stderr
