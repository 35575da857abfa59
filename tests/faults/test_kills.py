"""SIGKILL of any process at any moment, under load: what was answered with 200 is exactly once in the warehouse."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pipeline import ROOT, Pipeline, eventually
from tracker import call

pytestmark = pytest.mark.fault
LONG = bool(os.environ.get("SNOWMELT_TEST_LONG"))
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
SERVICES = ("collector", "enricher", "loader")
EVERYTHING = "(select event_id from events union all select event_id from failed_events)"


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    fresh = Pipeline(tmp_path)
    yield fresh
    fresh.close()


class Load:
    """`snowmelt send` in the background; `answered` are the ids the collector said 200 to."""

    def __init__(self, pipeline: Pipeline, *flags: str) -> None:
        self._log = pipeline.folder / f"answered-{time.monotonic_ns()}"
        command = [sys.executable, "-m", "snowmelt", "send", "--url", pipeline.url, "--log", str(self._log), "--count", "0"]
        self._process = subprocess.Popen([*command, *flags], cwd=ROOT, stdout=subprocess.DEVNULL)

    def stop(self) -> list[str]:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)
        ids = self._log.read_text().split()
        assert len(ids) == len(set(ids)), "each event was answered once"
        return ids


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def ids_in(pipeline: Pipeline, source: str) -> list[str]:
    return [row["event_id"] for row in pipeline.try_sql(f"select event_id from {source}")]


def assert_exactly_once(pipeline: Pipeline, answered: list[str]) -> None:
    missing = eventually(lambda: [set(answered) - set(ids_in(pipeline, EVERYTHING))], what="rows")
    deadline = time.monotonic() + 90
    while missing[0] and time.monotonic() < deadline:
        time.sleep(0.5)
        missing = [set(answered) - set(ids_in(pipeline, EVERYTHING))]
    assert not missing[0], f"{len(missing[0])} of {len(answered)} events answered with 200 are nowhere"
    found = ids_in(pipeline, EVERYTHING)
    assert len(found) == len(set(found)), f"{len(found) - len(set(found))} events have more than one row"
    pipeline.run("audit")


def test_every_answered_event_is_in_the_warehouse_exactly_once(pipeline: Pipeline) -> None:
    chance = random.Random(20)
    pipeline.start()
    load = Load(pipeline, "--rate", "250", "--broken", "0.1", "--seed", "20", "--patience", "120")
    for number in range(50 if LONG else 10):
        time.sleep(chance.uniform(0.1, 2.5))
        service = SERVICES[number % 3] if number < 3 else chance.choice(SERVICES)
        before = pipeline.pid_of(service)
        kill(before)
        eventually(lambda s=service, b=before: pipeline.pid_of(s) != b, 30, 0.05, f"{service} runs again")  # type: ignore[misc]
    answered = load.stop()
    assert len(answered) > 1000
    assert_exactly_once(pipeline, answered)
    assert ids_in(pipeline, "events")
    assert ids_in(pipeline, "failed_events")
    assert pipeline.stop() == 0


def test_the_collector_keeps_what_it_answered_when_killed_in_the_middle_of_commits(pipeline: Pipeline) -> None:
    chance = random.Random(21)
    answered: list[str] = []
    for number in range(25 if LONG else 6):
        collector = pipeline.service("collector")
        eventually(lambda: healthy(pipeline), 20, 0.02)
        load = Load(pipeline, "--seed", str(1000 + number), "--connections", "16", "--patience", "0")
        time.sleep(0.6 + chance.uniform(0, 0.4))
        kill(collector.pid)
        collector.wait()
        answered += load.stop()
    assert len(answered) > 500
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
