"""What Pub/Sub goes on keeping of messages, and for how long: for the day on which something must be gone from it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from datetime import timedelta
from typing import Any, NamedTuple

from google.api_core import exceptions

from backbone.bus import pubsub_topics as topics
from backbone.bus.pubsub import names_and_channel
from backbone.settings import BusSettings

_PATIENCE = 10.0
_USUAL = timedelta(days=7)


class Kept(NamedTuple):
    """By a subscription: what is unread, for so long (`read`: also what was read). By a topic: every message."""

    name: str
    span: timedelta
    read: bool = False


def kept(settings: BusSettings) -> list[Kept]:
    """Of all topics and subscriptions of the services; none for what cannot be looked at, or is not there.

    Raises ConfigurationError without credentials.
    """
    names, channel = names_and_channel(settings)
    with closing(channel):
        return [*_of_topics(channel, names), *_of_subscriptions(channel, names)]


def _of_topics(channel: Any, names: topics.Names) -> Iterator[Kept]:
    for name in (*map(names.topic, topics.TOPICS), names.dead_letters()):
        found = _looked_at(channel.topics.get_topic, {"topic": name})
        if found is not None and (span := found.message_retention_duration):
            yield Kept(name, span, read=True)


def _of_subscriptions(channel: Any, names: topics.Names) -> Iterator[Kept]:
    reads = [names.subscription(stream, consumer) for consumer, streams in topics.CONSUMERS.items() for stream in streams]
    for name in (*reads, names.dead_letters_keeper()):
        found = _looked_at(channel.subscriptions.get_subscription, {"subscription": name})
        if found is not None:
            yield Kept(name, found.message_retention_duration or _USUAL, bool(found.retain_acked_messages))


def _looked_at(get: Callable[..., Any], request: Mapping[str, str]) -> Any:
    with suppress(exceptions.GoogleAPICallError, exceptions.RetryError):
        return get(request=request, timeout=_PATIENCE)
    return None
