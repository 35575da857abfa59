"""One gRPC channel to Pub/Sub, or to an emulator of it, and the calls that are made often.

Those take and give plain protobuf messages: wrapping each in the client library's own classes costs more than sending it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import grpc
from google.pubsub_v1 import types
from google.pubsub_v1.services.publisher import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber import SubscriberClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

Message = types.PubsubMessage.pb()
PublishRequest = types.PublishRequest.pb()
PublishResponse = types.PublishResponse.pb()
PullRequest = types.PullRequest.pb()
PullResponse = types.PullResponse.pb()
AcknowledgeRequest = types.AcknowledgeRequest.pb()
ModifyAckDeadlineRequest = types.ModifyAckDeadlineRequest.pb()

_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    # gRPC would wait up to two minutes before it looks again whether the service is back.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Several buses in one process must not share one connection's fate.
    ("grpc.use_local_subchannel_pool", 1),
)
_PASSING = frozenset(
    (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    )
)


class Channel:
    """`endpoint`: of an emulator; None for Google's own service and the credentials of this machine."""

    def __init__(self, endpoint: str | None) -> None:
        self.emulated = endpoint is not None
        self._channel = (
            PublisherGrpcTransport.create_channel("pubsub.googleapis.com:443", options=_OPTIONS)
            if endpoint is None
            else grpc.insecure_channel(endpoint, options=_OPTIONS)
        )
        self.topics = PublisherClient(transport=PublisherGrpcTransport(channel=self._channel))
        self.subscriptions = SubscriberClient(transport=SubscriberGrpcTransport(channel=self._channel))
        self.publish = self._call("Publisher/Publish", PublishResponse.FromString)
        self.pull = self._call("Subscriber/Pull", PullResponse.FromString)
        self.acknowledge = self._call("Subscriber/Acknowledge", _nothing)
        self.modify_ack_deadline = self._call("Subscriber/ModifyAckDeadline", _nothing)

    def _call(self, name: str, answer: Callable[[bytes], Any]) -> Any:
        return self._channel.unary_unary(
            f"/google.pubsub.v1.{name}", request_serializer=_serialized, response_deserializer=answer
        )

    def close(self) -> None:
        self._channel.close()


def routed(kind: str, name: str) -> Sequence[tuple[str, str]]:
    """The header by which Google finds the place of a topic or subscription."""
    return (("x-goog-request-params", f"{kind}={name}"),)


def is_passing(code: Any) -> bool:
    """Whether the same call may succeed a moment later."""
    return code in _PASSING


def told(error: Any) -> str:
    """Code and text of a failed call. Google's texts name resources and limits, never data."""
    return f"{error.code().name}: {' '.join((error.details() or '').split())[:300]}"


def _serialized(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def _nothing(_: bytes) -> tuple[()]:
    return ()
