"""Every role as the container image runs it: from an installed wheel and pinned dependencies alone, as a user without rights,
in a folder nobody may write to, on Pub/Sub and BigQuery, watched and stopped as Cloud Run does it."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from image import USER, Image
from pipeline import eventually, free_port
from tracker import call, event, send

pytest.importorskip("google.pubsub_v1", reason="the libraries of Google Cloud are not installed")

import grpc
from bigquery_server import DATASET, PROJECT, BigQueryServer

from backbone.bus.emulator import Emulator

pytestmark = pytest.mark.journey
ROLES = {"collector": "collect", "enricher": "enrich", "loader": "load"}
CLOUD_RUN = {
    "collector": {"K_SERVICE": "collector"},
    "enricher": {"CLOUD_RUN_WORKER_POOL": "enricher"},
    "loader": {"CLOUD_RUN_WORKER_POOL": "loader"},
}


@pytest.fixture(scope="module")
def built() -> Iterator[Image]:
    folder = Path(tempfile.mkdtemp(prefix="snowmelt-image-"))  # pytest's own folders are closed to other users
    folder.chmod(0o755)
    try:
        yield Image(folder)
    finally:
        shutil.rmtree(folder)


class Cloud:
    """Roles and what they stand on."""

    def __init__(self, built: Image, folder: Path) -> None:
        self.image = built
        self.folder = folder
        self.pubsub = Emulator().start()
        self.bigquery = BigQueryServer(folder)
        self.ports = {role: free_port() for role in ROLES}
        self.url = f"http://127.0.0.1:{self.ports['collector']}"
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.settings = {
            "SNOWMELT_BUS_ENDPOINT": self.pubsub.endpoint,
            "SNOWMELT_WAREHOUSE_PROJECT": PROJECT,
            "SNOWMELT_WAREHOUSE_DATASET": DATASET,
            "SNOWMELT_WAREHOUSE_ENDPOINT": self.bigquery.endpoint,
            "SNOWMELT_WAREHOUSE_WRITE_ENDPOINT": self.bigquery.write_endpoint,
        }

    def ensure(self, *roles: str) -> None:
        for role in roles:
            if role not in self.running:
                self.start(role)

    def start(self, role: str, **more: str) -> None:
        """As Cloud Run does: the port by PORT, the start over when the probe is answered."""
        environment = {**self.settings, **CLOUD_RUN[role], "PORT": str(self.ports[role]), **more}
        self.running[role] = self.image.start([ROLES[role]], environment, self.folder / f"{role}.log")
        eventually(lambda: self.health(role) == 200, 30, 0.05, f"{role} answers: {self.said(role)}")

    def health(self, role: str) -> int:
        assert self.running[role].poll() is None, self.said(role)
        try:
            return call(f"http://127.0.0.1:{self.ports[role]}", "GET", "/health")[0]
        except OSError:
            return 0

    def stop(self, role: str) -> float:
        """Seconds it took; it must end with 0."""
        process, began = self.running.pop(role), time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(10) == 0, self.said(role)
        finally:
            process.kill()
        return time.monotonic() - began

    def doctor(self, *flags: str) -> tuple[int, Any]:
        """Exit code and report of `snowmelt doctor --target gcp`."""
        log = self.folder / "doctor.json"
        arguments = ["doctor", "--target", "gcp", "--collector-url", self.url, "--json", *flags]
        code = self.image.start(arguments, self.settings, log).wait(60)
        lines = log.read_text("utf-8").splitlines()
        assert lines, "the doctor said nothing"
        return code, json.loads(lines[-1])

    def said(self, role: str) -> str:
        return (self.folder / f"{role}.log").read_text("utf-8")

    def rows(self, table: str = "events") -> list[str]:
        if table not in self.bigquery.tables:
            return []
        return [str(row[0]) for row in self.bigquery.rows(f"SELECT event_id FROM `x.{table}`")]

    def close(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()
        self.pubsub.stop()
        self.bigquery.close()


@pytest.fixture(scope="module")
def cloud(built: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One for all: a start takes a second. Tests look at their own events."""
    made = Cloud(built, tmp_path_factory.mktemp("cloud"))
    yield made
    made.close()


def test_events_become_rows_and_every_role_ends_in_time(cloud: Cloud) -> None:
    before = cloud.image.files()
    cloud.ensure(*ROLES)
    good = send(cloud.url, *(event("pv", url="http://a.example/?utm_source=x") for _ in range(20)))
    broken = send(cloud.url, event("ue", ue_pr='{"schema":"iglu:com.acme/unknown_thing"}'))
    eventually(lambda: len(cloud.rows()) == len(good), what="rows")
    assert sorted(cloud.rows()) == sorted(good)
    eventually(lambda: cloud.rows("failed_events") == broken, what="a failed event")
    late = [one for _ in range(15) for one in send(cloud.url, *(event("pv") for _ in range(100)))]
    for role in ROLES:  # in the midst of it
        assert cloud.stop(role) < 10
    assert not any("Traceback" in cloud.said(role) for role in ROLES)
    cloud.ensure(*ROLES)
    eventually(lambda: len(cloud.rows()) >= len(good) + len(late), what="rows after the new start")
    assert sorted(cloud.rows()) == sorted([*good, *late])
    assert cloud.image.files() == before


def test_the_doctor_finds_everything_in_order_or_tells_where_an_event_got_stuck(cloud: Cloud) -> None:
    cloud.ensure(*ROLES)
    code, report = cloud.doctor("--watch")
    assert [check for check in report["checks"] if check["outcome"] != "fine"] == []
    assert (code, report["ok"]) == (0, True)
    seconds = report["event"]["seconds"]
    assert list(seconds) == ["accepted", "on raw", "on enriched", "enriched", "loaded", "visible"]
    assert seconds["on raw"] < seconds["on enriched"] < seconds["visible"]
    assert report["event"]["event_id"] in cloud.rows()
    assert [name for name in cloud.pubsub.topics.subscriptions if "-look-" in name] == []

    cloud.stop("loader")
    lacking = ("projects/snowmelt/subscriptions/enriched-loader", "pubsub.subscriptions.consume")
    cloud.pubsub.denied.add(lacking)
    code, report = cloud.doctor("--watch", "--wait", "2")
    cloud.pubsub.denied.remove(lacking)
    failed = {check["what"]: check["remedy"] for check in report["checks"] if check["outcome"] == "wrong"}
    assert list(failed) == ["loader may read enriched-loader", "row visible"]
    assert failed["loader may read enriched-loader"].startswith("gcloud pubsub subscriptions add-iam-policy-binding")
    assert "does the loader run?" in failed["row visible"]
    assert code == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes of another user")
def test_roles_are_not_root_and_cannot_write_where_they_are(cloud: Cloud) -> None:
    cloud.ensure("enricher")
    status = Path(f"/proc/{cloud.running['enricher'].pid}/status").read_text("ascii")
    (users,) = [line.split()[1:] for line in status.splitlines() if line.startswith("Uid:")]
    assert set(users) == {str(USER)}
    attempt = cloud.image.start(["load", "--from", "/dev/null"], {"SNOWMELT_DATA_FOLDER": "inside"}, cloud.folder / "attempt.log")
    assert attempt.wait(20) == 1
    assert "Permission denied" in (cloud.folder / "attempt.log").read_text("utf-8")


def test_a_loader_whose_warehouse_hangs_ends_in_time_and_what_it_held_comes_again(cloud: Cloud) -> None:
    cloud.ensure("collector", "enricher")
    if "loader" in cloud.running:
        cloud.stop("loader")
    cloud.start("loader", SNOWMELT_SERVICE_STOP_SECONDS="1.5")
    first = send(cloud.url, event("pv"))
    eventually(lambda: set(first) <= set(cloud.rows()), what="the first row")
    with cloud.bigquery._tables.lock:  # no call is answered any more
        second = send(cloud.url, *(event("pv") for _ in range(50)))
        time.sleep(1.0)
        assert cloud.stop("loader") < 5
    assert "it ends now" in cloud.said("loader")
    cloud.start("loader")
    eventually(lambda: set(second) <= set(cloud.rows()), 75, what="rows that were held")
    assert len(cloud.rows()) == len(set(cloud.rows()))


def test_an_enricher_whose_bus_fails_ends_in_time(cloud: Cloud) -> None:
    cloud.ensure("collector", "enricher")
    with cloud.pubsub.faults.during(grpc.StatusCode.UNAVAILABLE, "Publish"):
        assert call(cloud.url, "GET", "/i?e=pv&p=web")[0] == 503
        assert call(cloud.url, "GET", "/sink-health")[0] == 503
        assert cloud.health("collector") == 200  # starting it anew would help nobody
        assert cloud.health("enricher") == 200
        assert cloud.stop("enricher") < 10
        assert cloud.stop("collector") < 10


def test_cloud_run_is_refused_what_lives_on_disk(cloud: Cloud) -> None:
    """For which marks of Cloud Run: tests/backbone/test_cloud_run.py."""
    embedded = {"collect": {"SNOWMELT_BUS_KIND": "log"}, "load": {"SNOWMELT_WAREHOUSE_KIND": "ducklake"}}
    for role, kind in embedded.items():
        log = cloud.folder / f"{role}.log"
        environment = {**cloud.settings, **CLOUD_RUN["loader"], **kind, "SNOWMELT_SERVICE_HEALTH_PORT": "0"}
        assert cloud.image.start([role], environment, log).wait(20) == 2
        assert "its disk is memory" in log.read_text("utf-8")
