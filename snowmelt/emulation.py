"""`snowmelt up --bus pubsub --emulator`: Pub/Sub in the memory of the supervisor, which lets it count what is on the way."""

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from backbone.bus.protocol import Stream
from backbone.errors import ConfigurationError, Fault
from backbone.settings import Settings

if TYPE_CHECKING:
    from backbone.bus.emulator import Emulator
    from backbone.bus.pubsub import PubSubBus
    from backbone.bus.pubsub_topics import Names

_ENDPOINT = "SNOWMELT_BUS_ENDPOINT"


def check(settings: Settings) -> None:
    """Raises ConfigurationError."""
    if settings.bus.kind != "pubsub":
        raise ConfigurationError([Fault("command line", "--emulator", "goes with --bus pubsub only")])


@contextmanager
def bus(settings: Settings, say: Callable[[str], None]) -> "Iterator[PubSubBus]":
    """An emulator on the port of `bus.endpoint`, else on a free one, told to the services through the environment."""
    try:
        from backbone.bus.emulator import Emulator
        from backbone.bus.pubsub import names_of
    except ModuleNotFoundError as problem:
        text = f"needs the libraries of Google Cloud ({problem.name} is missing): install snowmelt[gcp]"
        raise ConfigurationError([Fault("command line", "--emulator", text)]) from None

    emulator = Emulator(_port(settings)).start()
    before = os.environ.get(_ENDPOINT)
    os.environ[_ENDPOINT] = emulator.endpoint
    say(f"Pub/Sub emulator: {emulator.endpoint}, in memory. Other commands find it with")
    say(f"  export SNOWMELT_BUS_KIND=pubsub {_ENDPOINT}={emulator.endpoint}")
    counting = _counting(emulator, names_of(settings.bus, emulator.endpoint))
    try:
        yield counting
    finally:
        counting.close()
        emulator.stop()
        if before is None:
            del os.environ[_ENDPOINT]
        else:
            os.environ[_ENDPOINT] = before


def _port(settings: Settings) -> int:
    """Raises ConfigurationError."""
    if settings.bus.endpoint is None:
        return 0
    host, _, port = settings.bus.endpoint.rpartition(":")
    if host not in ("127.0.0.1", "localhost") or not port.isdigit():
        text = f"{settings.bus.endpoint} is no port of this machine, where an emulator could run: 127.0.0.1:<port>"
        raise ConfigurationError([Fault("", "bus.endpoint", text)])
    return int(port)


def _counting(emulator: "Emulator", names: "Names") -> "PubSubBus":
    """The bus on this emulator, knowing what Pub/Sub itself does not tell."""
    from backbone.bus.pubsub import PubSubBus
    from backbone.bus.pubsub_topics import TOPICS, topic_of

    class Counting(PubSubBus):
        def backlog(self, consumer: str, streams: Collection[Stream]) -> int:
            return sum(
                emulator.topics.unfinished(names.subscription(topic_of(stream), consumer), "" if stream in TOPICS else stream)
                for stream in streams
            )

        def totals(self) -> dict[Stream, int]:
            published = emulator.topics.published()
            totals = {stream: published.get(names.topic(stream), {}).get("", 0) for stream in TOPICS}
            return {**totals, "replayed": published.get(names.topic("bad"), {}).get("replayed", 0)}

    return Counting(names, emulator.endpoint, create=True)
