"""What topics and subscriptions are called, and that they exist.

A topic without subscription keeps nothing: whatever is published to it is gone. So where topics are created, the
subscriptions of all services are created with them, before the first message.
"""

import logging
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.pubsub_v1 import types

from backbone.bus.protocol import Stream
from backbone.bus.pubsub_channel import Channel
from backbone.errors import BusUnavailable, ConfigurationError, Fault

log = logging.getLogger("snowmelt.bus")

TOPICS: tuple[Stream, ...] = ("raw", "enriched", "failed", "bad")
"""Streams that have a topic of their own."""
MARK = "stream"
"""Attribute of messages whose stream is not that of their topic."""
CONSUMERS: Mapping[str, tuple[Stream, ...]] = {"enricher": ("raw",), "loader": ("enriched", "failed", "bad")}
_KEEPER = "keeper"
_ATTEMPTS = 100
"""The most Pub/Sub allows: a message handed back by a consumer that stops counts as an attempt too."""
_DEADLINE = 10
_PATIENCE = 10.0
_TRYING = Retry(predicate=if_exception_type(exceptions.ServiceUnavailable), initial=0.1, maximum=1.0, timeout=_PATIENCE)
"""The client library's own would go on for ten minutes."""
_PASSING = (exceptions.ServerError, exceptions.TooManyRequests, exceptions.RetryError)
"""The service does not answer now: what is there will show later."""


def topic_of(stream: Stream) -> Stream:
    """Notes of replays travel with the bad rows: they are few, and end where those end."""
    return "bad" if stream == "replayed" else stream


@dataclass(frozen=True)
class Names:
    """`topics`, `subscriptions` as in the settings; `dead_letter` without the prefix."""

    project: str
    prefix: str = ""
    topics: Mapping[str, str] = field(default_factory=dict)
    subscriptions: Mapping[str, str] = field(default_factory=dict)
    dead_letter: str = "dead-letter"

    def topic(self, stream: Stream) -> str:
        return self._topic(self.topics.get(stream, stream))

    def subscription(self, stream: Stream, consumer: str) -> str:
        usual = f"{self.prefix}{self.topics.get(stream, stream)}-{consumer}"
        return f"projects/{self.project}/subscriptions/{self.subscriptions.get(f'{stream}-{consumer}', usual)}"

    def dead_letters(self) -> str:
        return self._topic(self.dead_letter)

    def dead_letters_keeper(self) -> str:
        return f"projects/{self.project}/subscriptions/{self.prefix}{self.dead_letter}-{_KEEPER}"

    def _topic(self, name: str) -> str:
        return f"projects/{self.project}/topics/{self.prefix}{name}"


def create(channel: Channel, names: Names, consumers: Mapping[str, Collection[Stream]] = CONSUMERS) -> None:
    """Whatever is missing; what is there stays as it is. Raises BusUnavailable, ConfigurationError."""
    try:
        for topic in (names.dead_letters(), *map(names.topic, TOPICS)):
            _ignoring_existing(channel.topics.create_topic, request={"name": topic}, timeout=_PATIENCE, retry=_TRYING)
        _subscribe(channel, {"name": names.dead_letters_keeper(), "topic": names.dead_letters()})
        for consumer, streams in consumers.items():
            for stream in {topic_of(stream) for stream in streams}:
                _subscribe(channel, subscription(names, stream, consumer))
    except (exceptions.Forbidden, exceptions.Unauthenticated) as problem:
        raise ConfigurationError([Fault("", "bus.create", f"topics cannot be created: {problem.message}")]) from None
    except (exceptions.GoogleAPICallError, exceptions.RetryError) as problem:
        raise BusUnavailable(f"topics cannot be created: {problem.message}") from None


def subscription(names: Names, stream: Stream, consumer: str) -> dict[str, Any]:
    return {
        "name": names.subscription(stream, consumer),
        "topic": names.topic(stream),
        "dead_letter_policy": {"dead_letter_topic": names.dead_letters(), "max_delivery_attempts": _ATTEMPTS},
    }


def create_passing(channel: Channel, names: Names, stream: Stream, consumer: str) -> str:
    """A subscription for one look, which Google deletes when nobody uses it for a day. It holds what comes from now on."""
    name = f"projects/{names.project}/subscriptions/{names.prefix}{consumer}"
    try:
        _subscribe(channel, {"name": name, "topic": names.topic(stream), "expiration_policy": {"ttl": {"seconds": 86_400}}})
    except (exceptions.GoogleAPICallError, exceptions.RetryError) as problem:
        raise BusUnavailable(f"no subscription for looking at {stream}: {problem.message}") from None
    return name


def _subscribe(channel: Channel, wanted: dict[str, Any]) -> None:
    # Without a policy Google deletes a subscription, and what it holds, when nobody has read it for a month.
    request = types.Subscription({"ack_deadline_seconds": _DEADLINE, "expiration_policy": {}, **wanted})
    _ignoring_existing(channel.subscriptions.create_subscription, request=request, timeout=_PATIENCE, retry=_TRYING)


def _ignoring_existing(call: Any, **arguments: Any) -> None:
    try:
        call(**arguments)
    except exceptions.AlreadyExists:
        return


def check_topics(channel: Channel, names: Names) -> None:
    """Raises ConfigurationError naming every topic that does not exist. Who may not look, or gets no answer, goes on."""
    _refuse(_missing(channel.topics.get_topic, "topic", [names.topic(stream) for stream in TOPICS]), "topics")


def check_subscriptions(channel: Channel, wanted: Collection[str]) -> None:
    """The same for subscriptions."""
    _refuse(_missing(channel.subscriptions.get_subscription, "subscription", wanted), "subscriptions")


def _missing(get: Any, kind: str, wanted: Collection[str]) -> list[str]:
    """All are asked for together: a start waits for one answer, and in an outage for one deadline."""
    with ThreadPoolExecutor(max(1, len(wanted)), "check") as pool:
        missing = pool.map(lambda name: _is_missing(get, kind, name), wanted)
        return [name for name, is_missing in zip(wanted, missing, strict=True) if is_missing]


def _is_missing(get: Any, kind: str, name: str) -> bool:
    try:
        get(request={kind: name}, timeout=_PATIENCE, retry=_TRYING)
    except exceptions.NotFound:
        return True
    except (exceptions.Forbidden, *_PASSING) as problem:
        log.info("whether %s exists cannot be told: %s", name, problem.message)
    except exceptions.Unauthenticated as problem:
        raise ConfigurationError([Fault("environment", "", f"the credentials are refused: {problem.message}")]) from None
    return False


def _refuse(missing: Collection[str], kind: str) -> None:
    faults = [
        Fault("", f"bus.{kind}", f"{name} does not exist: create it (docs/google-cloud.md), or set bus.create")
        for name in missing
    ]
    if faults:
        raise ConfigurationError(faults)
