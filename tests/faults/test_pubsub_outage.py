"""Pub/Sub away for a while, under load: the collector says 503, trackers keep their events, memory stays bounded, and afterwards
everything is there exactly once. The short form takes seconds, the long one two minutes of outage.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("google.pubsub_v1", reason="the libraries of Google Cloud are not installed")

import grpc
from load import Load, assert_exactly_once
from pipeline import Pipeline, eventually
from tracker import TP2, call

from backbone.bus.emulator import Emulator

pytestmark = pytest.mark.fault
LONG = bool(os.environ.get("SNOWMELT_TEST_LONG"))
OUTAGE = 120.0 if LONG else 6.0
MOST_MEMORY = 400_000_000


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    running = Emulator().start()
    yield running
    running.stop()


@pytest.fixture
def pipeline(tmp_path: Path, emulator: Emulator) -> Iterator[Pipeline]:
    settings = f'[bus]\nkind = "pubsub"\nendpoint = "{emulator.endpoint}"\ndeadline = 1.0\n[enricher]\nretry_max_seconds = 1.0\n'
    running = Pipeline(tmp_path, settings, bus="log")  # the settings say otherwise
    try:
        yield running.start()
        assert running.stop() == 0
        assert "Traceback" not in running.said()
    finally:
        running.close()


def test_an_outage_under_load_costs_nothing_but_time(pipeline: Pipeline, emulator: Emulator) -> None:
    load = Load(pipeline, "--rate", "250", "--broken", "0.1", "--seed", "30", "--patience", "300", "--connections", "16")
    time.sleep(2)
    fault = emulator.faults.order(grpc.StatusCode.UNAVAILABLE)
    answers: set[int] = set()
    largest = 0
    over = time.monotonic() + OUTAGE
    while time.monotonic() < over:
        answers.add(call(pipeline.url, "POST", TP2, b"{}", {"Content-Type": "application/json"})[0])
        largest = max(largest, *(memory_of(pipeline.pid_of(name)) for name in ("collector", "enricher", "loader")))
        time.sleep(0.2)
    emulator.faults.take_back(fault)
    assert answers == {503}
    assert largest < MOST_MEMORY
    before = time.monotonic()
    eventually(lambda: call(pipeline.url, "POST", TP2, b"{}", {"Content-Type": "application/json"})[0] == 200, 20)
    assert time.monotonic() - before < 15
    time.sleep(3)
    answered = load.stop()
    assert len(answered) > 200
    assert_exactly_once(pipeline, answered)


def test_answers_that_get_lost_and_redelivery_double_nothing(pipeline: Pipeline, emulator: Emulator) -> None:
    """Stored, but told otherwise: the collector, the enricher and the acknowledgements all do it again."""
    load = Load(pipeline, "--rate", "250", "--seed", "31", "--patience", "60", "--connections", "16")
    for subscription in list(emulator.topics.subscriptions.values()):
        subscription.storm = 2_000
    for _ in range(4):
        time.sleep(1)
        emulator.faults.order(grpc.StatusCode.DEADLINE_EXCEEDED, "Publish", times=2, lost=True)
    answered = load.stop()
    assert len(answered) > 200
    assert_exactly_once(pipeline, answered)


def memory_of(pid: int) -> int:
    """Resident bytes; 0 of a process that is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        return 0
