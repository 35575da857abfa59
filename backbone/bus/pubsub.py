"""The bus on Google Pub/Sub: a topic for each stream, a subscription for each of its consumers.

What differs from the embedded log: records come in no order, and now and then twice; a commit is not all or nothing; positions
of input are not stored with what came of it, so a consumer acknowledges after its own publishing was acknowledged, and the
warehouse recognises what came twice; nothing is counted, so `backlog` and `totals` are zero.
"""

import os
import uuid
from collections.abc import Callable, Collection, Mapping

import google.auth
from google.auth.exceptions import DefaultCredentialsError

from backbone.bus import pubsub_topics as topics
from backbone.bus.protocol import Extent, Positions, Progress, Stream
from backbone.bus.pubsub_channel import Channel
from backbone.bus.pubsub_publisher import MOST_BYTES, PubSubPublisher
from backbone.bus.pubsub_subscription import USUAL_LEASE, Lease, PubSubSubscription
from backbone.bus.pubsub_topics import Names
from backbone.errors import ConfigurationError, Fault
from backbone.settings import BusSettings

_STREAMS: tuple[Stream, ...] = ("raw", "enriched", "failed", "bad", "replayed")


class PubSubBus:
    """`create`: whether what is missing is created, with subscriptions for `consumers`."""

    commits_at_once = 4
    largest_record = MOST_BYTES

    def __init__(
        self,
        names: Names,
        endpoint: str | None = None,
        create: bool = False,
        deadline: float = 2.0,
        held_bytes: int = 100_000_000,
        consumers: Mapping[str, Collection[Stream]] = topics.CONSUMERS,
        lease: Lease = USUAL_LEASE,
        pulls: int = 2,
    ) -> None:
        self._names = names
        self._channel = Channel(endpoint)
        self._deadline = deadline
        self._held_bytes = held_bytes
        self._lease = lease
        self._pulls = pulls
        self._consumers = consumers
        self._to_create = self._create = create

    def publisher(self, producer: str) -> PubSubPublisher:
        """Raises ConfigurationError when a topic does not exist."""
        self._create_missing()
        if not self._create:
            topics.check_topics(self._channel, self._names)
        return PubSubPublisher(self._channel, self._names, self._deadline)

    def subscribe(self, consumer: str | None, streams: Collection[Stream], start: Positions | None = None) -> PubSubSubscription:
        """Reads what its subscriptions hold; of `start` only that offsets go on behind it. Without a name: from now on.

        Raises ConfigurationError when a subscription does not exist.
        """
        self._create_missing()
        of_topics = sorted({topics.topic_of(stream) for stream in streams})
        if consumer is None:
            return self._passing(of_topics, streams)
        sources = {self._names.subscription(stream, consumer): stream for stream in of_topics}
        if not self._create:
            topics.check_subscriptions(self._channel, sources)
        return self._subscription(sources, streams, start or {})

    def _create_missing(self) -> None:
        """Not before something is sent or read: others ask this bus for nothing but its numbers."""
        if self._to_create:
            topics.create(self._channel, self._names, self._consumers)
            self._to_create = False

    def _passing(self, of_topics: Collection[Stream], streams: Collection[Stream]) -> PubSubSubscription:
        """Reads through subscriptions of its own."""
        mark = uuid.uuid4().hex[:12]
        sources = {
            topics.create_passing(self._channel, self._names, stream, f"{stream}-look-{mark}"): stream for stream in of_topics
        }

        def delete() -> None:
            for name in sources:
                self._channel.subscriptions.delete_subscription(request={"subscription": name}, timeout=5.0)

        return self._subscription(sources, streams, {}, delete)

    def _subscription(
        self,
        sources: dict[str, Stream],
        streams: Collection[Stream],
        start: Positions,
        at_end: Callable[[], None] = lambda: None,
    ) -> PubSubSubscription:
        return PubSubSubscription(self._channel, sources, streams, start, self._held_bytes, self._lease, self._pulls, at_end)

    def backlog(self, consumer: str, streams: Collection[Stream]) -> int:
        return 0

    def totals(self) -> dict[Stream, int]:
        return dict.fromkeys(_STREAMS, 0)

    def extents(self) -> dict[str, Extent]:
        return {}

    def counted(self, log: str, through: int) -> dict[Stream, int] | None:
        return None

    def progress(self, producer: str) -> Progress | None:
        return None

    def close(self) -> None:
        self._channel.close()


def configured(settings: BusSettings) -> PubSubBus:
    """Raises ConfigurationError, BusUnavailable."""
    endpoint = _endpoint(settings)
    return PubSubBus(
        names_of(settings, endpoint),
        endpoint,
        create=settings.create or endpoint is not None,
        deadline=settings.deadline,
        held_bytes=settings.held_bytes,
    )


def names_and_channel(settings: BusSettings) -> tuple[Names, Channel]:
    """For what is no business of a bus. Raises ConfigurationError."""
    endpoint = _endpoint(settings)
    return names_of(settings, endpoint), Channel(endpoint)


def _endpoint(settings: BusSettings) -> str | None:
    return settings.endpoint or os.environ.get("PUBSUB_EMULATOR_HOST")


def names_of(settings: BusSettings, endpoint: str | None) -> Names:
    chosen = settings.topics
    return Names(
        settings.project or os.environ.get("GOOGLE_CLOUD_PROJECT") or ("snowmelt" if endpoint else _project()),
        settings.prefix,
        {"raw": chosen.raw, "enriched": chosen.enriched, "failed": chosen.failed, "bad": chosen.bad},
        settings.subscriptions,
        chosen.dead_letter,
    )


def _project() -> str:
    try:
        _, project = google.auth.default()
    except DefaultCredentialsError as problem:
        raise ConfigurationError([Fault("environment", "", f"no Google credentials: {problem}")]) from None
    if not project:
        raise ConfigurationError([Fault("", "bus.project", "is not set, and neither environment nor credentials tell it")])
    return str(project)
