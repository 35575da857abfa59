"""Pub/Sub away for a while, under load: the collector says 503, trackers keep their events, memory stays bounded, and afterwards
everything is there exactly once. The short form takes seconds, the long one two minutes of outage.
"""

import os
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("google.pubsub_v1", reason="the libraries of Google Cloud are not installed")

from grpc import StatusCode as Code
from load import Load, assert_exactly_once, ids_in
from pipeline import Pipeline, eventually
from tracker import call

from backbone.bus.emulator import Emulator

pytestmark = pytest.mark.fault
LONG = bool(os.environ.get("SNOWMELT_TEST_LONG"))
OUTAGE = 120.0 if LONG else 4.0
MOST_MEMORY = 400_000_000
SERVICES = ("collector", "enricher", "loader")


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
    fault = emulator.faults.order(Code.UNAVAILABLE)
    answers: set[int] = set()
    largest = 0
    over = time.monotonic() + OUTAGE
    while time.monotonic() < over:
        answers.add(asked(pipeline))
        largest = max(largest, most_memory(pipeline))
        time.sleep(0.2)
    emulator.faults.take_back(fault)
    assert answers == {503}
    assert largest < MOST_MEMORY
    before = time.monotonic()
    eventually(lambda: asked(pipeline) == 200, 20)
    assert time.monotonic() - before < 15
    time.sleep(3)
    answered = load.stop()
    assert len(answered) > 200
    assert_exactly_once(pipeline, answered)


def test_whatever_is_wrong_with_pubsub_ends_with_it(pipeline: Pipeline, emulator: Emulator) -> None:
    """Connections break, quotas are used up, permissions are lost: no service ends for it, and all arrives once it is over."""
    before = {name: pipeline.pid_of(name) for name in SERVICES}
    load = Load(pipeline, "--rate", "250", "--broken", "0.1", "--seed", "32", "--patience", "60", "--connections", "16")
    eventually(lambda: ids_in(pipeline, "events"), what="all services work")
    for code in (None, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED, Code.PERMISSION_DENIED, None):
        with broken(emulator, code):
            eventually(lambda: asked(pipeline) == 503, 10, 0.05)
            time.sleep(10 if LONG else 1)
        eventually(lambda: asked(pipeline) == 200, 20)
    answered = load.stop()
    assert len(answered) > 200
    assert_exactly_once(pipeline, answered)
    assert {name: pipeline.pid_of(name) for name in SERVICES} == before


def test_answers_that_get_lost_double_nothing(pipeline: Pipeline, emulator: Emulator) -> None:
    """Stored, but told otherwise: the collector, the enricher and the acknowledgements all do it again."""
    load = Load(pipeline, "--rate", "250", "--seed", "31", "--patience", "60", "--connections", "16")
    for _ in range(10 if LONG else 2):
        time.sleep(1)
        for method in ("Publish", "Acknowledge"):
            emulator.faults.order(Code.DEADLINE_EXCEEDED, method, times=2, lost=True)
    answered = load.stop()
    assert len(answered) > 200
    assert_exactly_once(pipeline, answered)


def test_every_message_three_times_and_readers_that_forget_double_nothing(pipeline: Pipeline, emulator: Emulator) -> None:
    """Those killed know no more what they had done; events without id of their own get the same one again."""
    for subscription in list(emulator.topics.subscriptions.values()):
        subscription.deliveries = 3
    load = Load(pipeline, "--rate", "250", "--broken", "0.1", "--seed", "33", "--patience", "60", "--connections", "16")
    nameless = 0
    largest = 0
    for service in ("enricher", "loader", "enricher"):
        for _ in range(50):
            nameless += call(pipeline.url, "GET", "/i?e=pv&p=web&tv=t&aid=nameless")[0] == 200
        largest = max(largest, most_memory(pipeline))
        killed = pipeline.pid_of(service)
        os.kill(killed, signal.SIGKILL)
        eventually(lambda s=service, pid=killed: pipeline.pid_of(s) != pid, 30, 0.05)  # type: ignore[misc]
        time.sleep(1)
    answered = load.stop()
    assert len(answered) > 200
    assert nameless == 150
    assert_exactly_once(pipeline, answered)
    eventually(lambda: all(emptied(emulator)), 30)
    assert len(pipeline.sql("select event_id from events where app_id = 'nameless'")) == nameless
    assert sum(each.redelivered for each in emulator.topics.subscriptions.values()) > 2 * len(answered)
    assert largest < MOST_MEMORY


@contextmanager
def broken(emulator: Emulator, code: Code | None) -> Iterator[None]:
    """Every call is answered with this code; without one: all connections break, and none can be made."""
    if code is not None:
        with emulator.faults.during(code):
            yield
        return
    emulator.disconnect()
    try:
        yield
    finally:
        emulator.reconnect()


def asked(pipeline: Pipeline) -> int:
    """What the collector answers now."""
    return call(pipeline.url, "GET", f"/i?e=pv&p=web&tv=t&eid={uuid.uuid4()}")[0]


def emptied(emulator: Emulator) -> Iterator[bool]:
    return (not emulator.topics.unfinished(name) for name in list(emulator.topics.subscriptions))


def most_memory(pipeline: Pipeline) -> int:
    return max(memory_of(pipeline.pid_of(name)) for name in SERVICES)


def memory_of(pid: int) -> int:
    """Resident bytes; 0 of a process that is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        return 0
