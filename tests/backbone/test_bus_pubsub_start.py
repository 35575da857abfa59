"""How a bus on Pub/Sub begins: what it is called, what is missing, and who does not answer."""

import time
from collections.abc import Iterator

import pytest

pytest.importorskip("google.pubsub_v1", reason="the libraries of Google Cloud are not installed")

import grpc

from backbone.bus import open_bus
from backbone.bus import pubsub_topics as topics
from backbone.bus.emulator import Emulator
from backbone.bus.pubsub import PubSubBus
from backbone.bus.pubsub_topics import Names
from backbone.errors import BusUnavailable, ConfigurationError
from backbone.settings import load

NAMES = Names("test", "p-", {"bad": "enriched-bad"}, {"raw-enricher": "ours"})
RAW = "projects/test/subscriptions/ours"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    running = Emulator().start()
    yield running
    running.stop()


def test_missing_topics_and_subscriptions_are_all_named(emulator: Emulator) -> None:
    bus = PubSubBus(NAMES, emulator.endpoint)
    with pytest.raises(ConfigurationError) as told:
        bus.publisher("collector")
    assert len(told.value.faults) == 4
    assert "projects/test/topics/p-enriched-bad does not exist" in str(told.value)
    with pytest.raises(ConfigurationError, match="subscriptions/ours does not exist"):
        bus.subscribe("enricher", ["raw"])


def test_settings_choose_names_and_place(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator.endpoint)
    environment = {"SNOWMELT_BUS_KIND": "pubsub", "SNOWMELT_BUS_PROJECT": "acme", "SNOWMELT_BUS_TOPICS_RAW": "collected"}
    bus = open_bus(load(None, {}, environment=environment))
    subscription = bus.subscribe("enricher", ["raw"])
    bus.publisher("collector").commit([("raw", b"a")])
    (record,) = subscription.pull(10, 1_000, 15)
    assert record.data == b"a"
    subscription.close()
    assert "projects/acme/subscriptions/collected-enricher" in emulator.topics.subscriptions


def test_a_start_in_an_outage_waits_once_and_goes_on(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backbone.bus.pubsub_topics._TRYING", topics._TRYING.with_timeout(1.0))
    PubSubBus(NAMES, emulator.endpoint, create=True).publisher("whoever")
    with emulator.faults.during(grpc.StatusCode.UNAVAILABLE):
        began = time.monotonic()
        publisher = PubSubBus(NAMES, emulator.endpoint, deadline=0.2).publisher("collector")
        assert time.monotonic() - began < 3, "not once for each topic"
        with pytest.raises(BusUnavailable):
            publisher.commit([("raw", b"a")])
    publisher.commit([("raw", b"a")])
    assert emulator.topics.unfinished(RAW) == 1


def test_a_service_that_does_not_answer_at_the_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Emulator().start()
    gone.stop()
    monkeypatch.setattr("backbone.bus.pubsub_topics._TRYING", topics._TRYING.with_timeout(0.5))
    with pytest.raises(BusUnavailable, match="topics cannot be created"):
        PubSubBus(NAMES, gone.endpoint, create=True).publisher("whoever")
