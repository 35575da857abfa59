"""Publishing: one Publish for each topic of a commit, more only where its limits ask for it; all acknowledged or an exception.

Pub/Sub has no transactions. When a commit fails, some of its records may have been stored: who then commits again publishes them
twice, which the loader recognises by event id and fingerprint.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import grpc

from backbone.bus.protocol import Positions, Stream
from backbone.bus.pubsub_channel import Channel, Message, PublishRequest, is_passing, routed, told
from backbone.bus.pubsub_topics import MARK, Names, topic_of
from backbone.errors import BusUnavailable

MOST_MESSAGES = 1_000
MOST_BYTES = 9_000_000
"""Google's bounds of one Publish are 1,000 messages and 10 MB, whatever frames the messages included."""
_FRAME = 64
_AT_ONCE = 8
_FIRST_PAUSE = 0.02


class PubSubPublisher:
    """May be used by several threads at once."""

    def __init__(self, channel: Channel, names: Names, deadline: float) -> None:
        """`deadline`: seconds that eight Publish calls, made together, may take; a collector's commit never needs more."""
        self._channel = channel
        self._names = names
        self._deadline = deadline

    def commit(
        self,
        records: Sequence[tuple[Stream, bytes]],
        consumed: Positions | None = None,
        counted: Mapping[str, int] | None = None,
    ) -> None:
        """Returns once every record is acknowledged. Positions and counters have no place on Pub/Sub. Raises BusUnavailable."""
        requests = list(self._requests(records))
        for start in range(0, len(requests), _AT_ONCE):
            self._publish(requests[start : start + _AT_ONCE])

    def _requests(self, records: Sequence[tuple[Stream, bytes]]) -> Iterator[Any]:
        open_requests: dict[Stream, tuple[list[Any], int]] = {}
        for stream, data in records:
            topic = topic_of(stream)
            messages, size = open_requests.get(topic) or ([], 0)
            if messages and (len(messages) == MOST_MESSAGES or size + len(data) + _FRAME > MOST_BYTES):
                yield PublishRequest(topic=self._names.topic(topic), messages=messages)
                messages, size = [], 0
            messages.append(Message(data=data) if topic == stream else Message(data=data, attributes={MARK: stream}))
            open_requests[topic] = messages, size + len(data) + _FRAME
        for topic, (messages, _) in open_requests.items():
            yield PublishRequest(topic=self._names.topic(topic), messages=messages)

    def _publish(self, requests: list[Any]) -> None:
        deadline = time.monotonic() + self._deadline
        pause = _FIRST_PAUSE
        while requests:
            left = deadline - time.monotonic()
            calls = [
                self._channel.publish.future(request, timeout=left, metadata=routed("topic", request.topic))
                for request in requests
            ]
            problems = [(request, problem) for request, call in zip(requests, calls, strict=True) if (problem := _problem(call))]
            if not problems:
                return
            problem = problems[0][1]
            left = deadline - time.monotonic() - pause
            if left <= 0 or not all(is_passing(each.code()) for _, each in problems):
                raise BusUnavailable(f"Pub/Sub does not accept records: {told(problem)}")
            time.sleep(pause)
            pause *= 2
            requests = [request for request, _ in problems]

    def consumed(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        """The channel belongs to the bus, and ends with the process."""


def _problem(call: Any) -> Any:
    """How a call failed; None when it did not."""
    try:
        call.result()
    except (grpc.RpcError, grpc.FutureCancelledError):
        return call
    return None
