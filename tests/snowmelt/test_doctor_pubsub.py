"""`snowmelt doctor` on Pub/Sub: what is missing, set up otherwise or not allowed is named, each with its remedy."""

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("google.pubsub_v1", reason="the libraries of Google Cloud are not installed")

import grpc

from backbone.bus import pubsub_topics
from backbone.bus.emulator import Emulator
from backbone.bus.pubsub_channel import Channel
from backbone.bus.pubsub_topics import Names
from snowmelt import doctor_pubsub
from snowmelt.doctor_check import ROLES, Check

NAMES = Names("acme", "prod-")
READS = "projects/acme/subscriptions/prod-raw-enricher"
DEAD = "projects/acme/topics/prod-dead-letter"
DEAD_LETTERS = {"dead_letter_topic": DEAD, "max_delivery_attempts": 100}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    running = Emulator().start()
    yield running
    running.stop()


@pytest.fixture
def channel(emulator: Emulator) -> Iterator[Channel]:
    """Everything is there, as Snowmelt itself makes it."""
    opened = Channel(emulator.endpoint)
    pubsub_topics.create(opened, NAMES)
    yield opened
    opened.close()


def checked(channel: Channel, *roles: Any) -> list[Check]:
    return list(doctor_pubsub.checks(channel, NAMES, roles or ROLES))


def amiss(channel: Channel, *roles: Any) -> list[Check]:
    return [check for check in checked(channel, *roles) if check.outcome != "fine"]


def test_what_snowmelt_makes_is_in_order(channel: Channel) -> None:
    assert amiss(channel) == []
    whats = [check.what for check in checked(channel)]
    assert len([what for what in whats if what.startswith("topic ")]) == 5
    assert len([what for what in whats if what.startswith("subscription ")]) == 5
    assert "collector may publish to prod-raw" in whats
    assert "loader may read prod-bad-loader" in whats


def test_a_role_is_asked_only_for_what_it_needs(channel: Channel) -> None:
    allowed = [check.what for check in checked(channel, "collector") if " may " in check.what]
    assert allowed == ["collector may publish to prod-raw", "collector may publish to prod-bad"]


def test_what_does_not_exist_comes_with_the_command_that_makes_it(emulator: Emulator, channel: Channel) -> None:
    del emulator.topics.topics[DEAD]
    channel.subscriptions.delete_subscription(request={"subscription": READS})
    found = {check.what: check for check in amiss(channel)}
    assert found["topic prod-dead-letter"].remedy == "gcloud pubsub topics create prod-dead-letter"
    missing = found["subscription prod-raw-enricher"]
    assert (missing.outcome, missing.said) == ("wrong", "does not exist")
    assert missing.remedy.startswith("gcloud pubsub subscriptions create prod-raw-enricher --topic prod-raw ")
    assert "--expiration-period never" in missing.remedy


PERMISSIONS = {
    "collector may publish to prod-raw": ("projects/acme/topics/prod-raw", "pubsub.topics.publish"),
    "enricher may publish to prod-failed": ("projects/acme/topics/prod-failed", "pubsub.topics.publish"),
    "enricher may read prod-raw-enricher": (READS, "pubsub.subscriptions.consume"),
}


@pytest.mark.parametrize("what", PERMISSIONS)
def test_each_permission_is_named(emulator: Emulator, channel: Channel, what: str) -> None:
    emulator.denied.add(PERMISSIONS[what])
    (lacking,) = amiss(channel)
    assert (lacking.what, lacking.outcome) == (what, "wrong")
    assert PERMISSIONS[what][1] in lacking.said
    assert "add-iam-policy-binding prod-" in lacking.remedy


SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "topic": ({"topic": "projects/acme/topics/prod-bad"}, "wrong"),
    "filter": ({"filter": "attributes:x"}, "wrong"),
    "delivery": ({"push_config": {"push_endpoint": "https://a.example/"}}, "wrong"),
    "expiration": ({"expiration_policy": {"ttl": {"seconds": 31 * 86_400}}}, "wrong"),
    "dead letters": ({"dead_letter_policy": {"dead_letter_topic": DEAD, "max_delivery_attempts": 5}}, "doubtful"),
    "retention": ({"message_retention_duration": {"seconds": 3_600}}, "doubtful"),
    "ordering": ({"enable_message_ordering": True}, "doubtful"),
    "exactly-once delivery": ({"enable_exactly_once_delivery": True}, "doubtful"),
    "ack deadline": ({"ack_deadline_seconds": 600}, "doubtful"),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_each_setting_of_a_subscription_that_differs_is_named(channel: Channel, setting: str) -> None:
    different, outcome = SETTINGS[setting]
    channel.subscriptions.delete_subscription(request={"subscription": READS})
    usual = {"topic": "projects/acme/topics/prod-raw", "expiration_policy": {}, "dead_letter_policy": DEAD_LETTERS}
    channel.subscriptions.create_subscription(request={"name": READS, **usual, **different})
    (found,) = amiss(channel)
    assert (found.what, found.outcome) == (f"subscription prod-raw-enricher: {setting}", outcome)
    assert found.said
    assert found.remedy


def test_without_policies_a_subscription_expires_and_delivers_for_ever(channel: Channel) -> None:
    channel.subscriptions.delete_subscription(request={"subscription": READS})
    channel.subscriptions.create_subscription(request={"name": READS, "topic": "projects/acme/topics/prod-raw"})
    assert [check.what.partition(": ")[2] for check in amiss(channel)] == ["dead letters", "expiration"]


def test_who_may_not_look_learns_that_nothing_is_known(emulator: Emulator, channel: Channel) -> None:
    with emulator.faults.during(grpc.StatusCode.PERMISSION_DENIED, "GetTopic"):
        found = amiss(channel, "collector")
    assert {check.outcome for check in found} == {"unknown"}
    assert len(found) == 5


def test_a_service_that_fails_is_a_failure_with_its_words(emulator: Emulator, channel: Channel) -> None:
    with emulator.faults.during(grpc.StatusCode.INTERNAL, "GetTopic"):
        found = amiss(channel, "collector")
    assert {(check.outcome, check.said) for check in found} == {("wrong", "InternalServerError: ordered")}
