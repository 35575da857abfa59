"""SIGKILL of any process at any moment, under load: what was answered with 200 is exactly once in the warehouse."""

import os
import random
import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from load import Load, assert_exactly_once, ids_in
from pipeline import Pipeline, eventually
from tracker import call

pytestmark = pytest.mark.fault
LONG = bool(os.environ.get("SNOWMELT_TEST_LONG"))
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
SERVICES = ("collector", "enricher", "loader")


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    fresh = Pipeline(tmp_path, bus="log")
    yield fresh
    fresh.close()


@pytest.fixture(params=["log", "pubsub"])
def on_any_bus(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pipeline]:
    if request.param == "pubsub":
        pytest.importorskip("google.pubsub_v1", reason="the libraries of Google Cloud are not installed")
    fresh = Pipeline(tmp_path, bus=request.param)
    yield fresh
    fresh.close()


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_every_answered_event_is_in_the_warehouse_exactly_once(on_any_bus: Pipeline) -> None:
    pipeline = on_any_bus
    chance = random.Random(20)
    pipeline.start()
    load = Load(pipeline, "--rate", "250", "--broken", "0.1", "--seed", "20", "--patience", "120")
    for number in range(50 if LONG else 5):
        time.sleep(chance.uniform(0.1, 2.5))
        service = SERVICES[number % 3] if number < 3 else chance.choice(SERVICES)
        before = pipeline.pid_of(service)
        kill(before)
        eventually(lambda s=service, b=before: pipeline.pid_of(s) != b, 30, 0.05, f"{service} runs again")  # type: ignore[misc]
    answered = load.stop()
    assert len(answered) > 500
    assert_exactly_once(pipeline, answered)
    assert ids_in(pipeline, "events")
    assert ids_in(pipeline, "failed_events")
    assert pipeline.stop() == 0


def test_the_collector_keeps_what_it_answered_when_killed_in_the_middle_of_commits(pipeline: Pipeline) -> None:
    chance = random.Random(21)
    answered: list[str] = []
    for number in range(25 if LONG else 3):
        collector = pipeline.service("collector")
        eventually(lambda: healthy(pipeline), 20, 0.02)
        load = Load(pipeline, "--seed", str(1000 + number), "--connections", "16", "--patience", "0")
        time.sleep(0.6 + chance.uniform(0, 0.4))
        kill(collector.pid)
        collector.wait()
        answered += load.stop()
    assert len(answered) > 250
    stored = set(UUID.findall("\n".join(pipeline.tail("raw"))))
    assert set(answered) - stored == set()
    pipeline.start()
    assert_exactly_once(pipeline, answered)


def test_killing_the_supervisor_stops_the_services_and_loses_nothing(pipeline: Pipeline) -> None:
    pipeline.start()
    load = Load(pipeline, "--rate", "200", "--seed", "22", "--patience", "60")
    time.sleep(2)
    children = [pipeline.pid_of(service) for service in SERVICES]
    assert pipeline.process is not None
    pipeline.process.kill()
    pipeline.process.wait()
    eventually(lambda: not any(map(alive, children)), 40, what="services without supervisor end")
    pipeline.start()
    time.sleep(1)
    answered = load.stop()
    assert_exactly_once(pipeline, answered)


def healthy(pipeline: Pipeline) -> bool:
    try:
        return call(pipeline.url, "GET", "/health")[0] == 200
    except OSError:
        return False


def alive(pid: int) -> bool:
    """Zombies, which have nobody to wait for them here, count as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
