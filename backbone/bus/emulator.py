"""Pub/Sub on this machine, in memory: Google's protocol over gRPC, for tests and for trying things out.

    python -m backbone.bus.emulator [port] [service time in seconds]

Knows topics, subscriptions, ack deadlines, redelivery, dead letters and the service's limits of size; no streaming pull, no
ordering keys, no filters. When it ends, everything is gone.
"""

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from google.pubsub_v1 import types

from backbone.bus import emulator_permissions
from backbone.bus.emulator_faults import Faults
from backbone.bus.emulator_topics import Subscription, Topic, Topics

_THREADS = 200
"""A Pull that waits takes one."""
_LONGEST_PULL = 60.0
_LOOK_EVERY = 0.5
_MOST_MESSAGES = 1_000
_MOST_BYTES = 10_000_000
_MOST_IDS_BYTES = 524_288
_OPTIONS = (("grpc.max_receive_message_length", 64_000_000), ("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0))

TopicType = types.Topic.pb()
SubscriptionType = types.Subscription.pb()
PublishResponse = types.PublishResponse.pb()
PullResponse = types.PullResponse.pb()
ReceivedMessage = types.ReceivedMessage.pb()
Code = grpc.StatusCode


class Refused(Exception):
    """The call is answered with this code."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class Emulator:
    """Serves on 127.0.0.1 from `start` to `stop`. Raises OSError when the port is taken."""

    def __init__(self, port: int = 0, most_bytes: int = 1_000_000_000) -> None:
        """`most_bytes`: of messages kept; beyond it Publish is refused with RESOURCE_EXHAUSTED."""
        self.topics = Topics(most_bytes)
        self.faults = Faults()
        self.denied: emulator_permissions.Denied = set()
        self._stopped = False
        self._pool = ThreadPoolExecutor(_THREADS, "emulator")
        self._server, self.port = self._made(port)

    def _made(self, port: int) -> tuple[Any, int]:
        server = grpc.server(self._pool, options=_OPTIONS)
        self._serve(server, "Publisher", self._publisher_methods())
        self._serve(server, "Subscriber", self._subscriber_methods())
        emulator_permissions.serve(server, self.denied)
        try:
            return server, server.add_insecure_port(f"127.0.0.1:{port}")
        except RuntimeError:
            raise OSError(None, f"port {port} of this machine is taken") from None

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> "Emulator":
        self._server.start()
        return self

    def disconnect(self) -> None:
        """All connections break, and none is taken until `reconnect`; topics and messages stay."""
        self._server.stop(0).wait()

    def reconnect(self) -> None:
        self._server, _ = self._made(self.port)
        self._server.start()

    def stop(self) -> None:
        self._stopped = True
        with self.topics.changed:
            self.topics.changed.notify_all()
        self._server.stop(0.2).wait()
        self._pool.shutdown(wait=False)

    def _publisher_methods(self) -> dict[str, tuple[Any, Callable[[Any, Any], Any]]]:
        return {
            "CreateTopic": (TopicType, self._create_topic),
            "GetTopic": (types.GetTopicRequest.pb(), self._get_topic),
            "Publish": (types.PublishRequest.pb(), self._publish),
        }

    def _subscriber_methods(self) -> dict[str, tuple[Any, Callable[[Any, Any], Any]]]:
        return {
            "CreateSubscription": (SubscriptionType, self._create_subscription),
            "GetSubscription": (types.GetSubscriptionRequest.pb(), self._get_subscription),
            "DeleteSubscription": (types.DeleteSubscriptionRequest.pb(), self._delete_subscription),
            "Pull": (types.PullRequest.pb(), self._pull),
            "Acknowledge": (types.AcknowledgeRequest.pb(), self._acknowledge),
            "ModifyAckDeadline": (types.ModifyAckDeadlineRequest.pb(), self._modify_ack_deadline),
        }

    def _serve(self, server: Any, service: str, methods: dict[str, tuple[Any, Callable[[Any, Any], Any]]]) -> None:
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                self._guarded(name, method), request.FromString, lambda answer: answer.SerializeToString()
            )
            for name, (request, method) in methods.items()
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(f"google.pubsub.v1.{service}", handlers),))

    def _guarded(self, name: str, method: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def call(request: Any, context: Any) -> Any:
            fault = self.faults.next(name)
            if fault is not None and not fault.lost:
                context.abort(fault.code, "ordered")
            try:
                answer = method(request, context)
            except Refused as refused:
                context.abort(refused.code, str(refused))
            if fault is not None:
                while context.is_active():
                    time.sleep(0.02)
            return answer

        return call

    # --- topics

    def _create_topic(self, request: Any, _: Any) -> Any:
        with self.topics.changed:
            if request.name in self.topics.topics:
                raise Refused(Code.ALREADY_EXISTS, f"{request.name} exists")
            self.topics.topics[request.name] = Topic(request.name)
        return request

    def _get_topic(self, request: Any, _: Any) -> Any:
        return TopicType(name=self._topic(request.topic).name)

    def _topic(self, name: str) -> Topic:
        found = self.topics.topics.get(name)
        if found is None:
            raise Refused(Code.NOT_FOUND, f"{name} does not exist")
        return found

    def _publish(self, request: Any, _: Any) -> Any:
        if not 0 < len(request.messages) <= _MOST_MESSAGES:
            raise Refused(Code.INVALID_ARGUMENT, f"{len(request.messages)} messages in one request")
        if request.ByteSize() > _MOST_BYTES:
            raise Refused(Code.INVALID_ARGUMENT, f"a request of {request.ByteSize()} bytes")
        if not all(message.data or message.attributes for message in request.messages):
            raise Refused(Code.INVALID_ARGUMENT, "a message without data and attributes")
        with self.topics.changed:
            if self.topics.full(request.ByteSize()):
                raise Refused(Code.RESOURCE_EXHAUSTED, "no room for more messages")
            return PublishResponse(message_ids=self.topics.publish(self._topic(request.topic), request.messages))

    # --- subscriptions

    def _create_subscription(self, request: Any, _: Any) -> Any:
        with self.topics.changed:
            if request.name in self.topics.subscriptions:
                raise Refused(Code.ALREADY_EXISTS, f"{request.name} exists")
            attempts = request.dead_letter_policy.max_delivery_attempts
            if attempts and not 5 <= attempts <= 100:
                raise Refused(Code.INVALID_ARGUMENT, "max_delivery_attempts must be from 5 to 100")
            if request.ack_deadline_seconds and not 10 <= request.ack_deadline_seconds <= 600:
                raise Refused(Code.INVALID_ARGUMENT, "ack_deadline_seconds must be from 10 to 600")
            self.topics.subscribe(request, self._topic(request.topic))
        return request

    def _get_subscription(self, request: Any, _: Any) -> Any:
        return self._subscription(request.subscription).described

    def _delete_subscription(self, request: Any, _: Any) -> Any:
        with self.topics.changed:
            self._subscription(request.subscription)
            self.topics.delete(request.subscription)
        return Empty()

    def _subscription(self, name: str) -> Subscription:
        found = self.topics.subscriptions.get(name)
        if found is None:
            raise Refused(Code.NOT_FOUND, f"{name} does not exist")
        return found

    def _pull(self, request: Any, context: Any) -> Any:
        deadline = time.monotonic() + _LONGEST_PULL
        with self.topics.changed:
            while context.is_active() and not self._stopped:
                subscription = self._subscription(request.subscription)
                now = time.monotonic()
                given = subscription.give(min(request.max_messages, _MOST_MESSAGES), now)
                if given or now >= deadline or request.return_immediately:
                    counts = bool(subscription.most_attempts)
                    return PullResponse(received_messages=[_received(ack_id, message, counts) for ack_id, message in given])
                self.topics.changed.wait(_LOOK_EVERY)
        return PullResponse()

    def _acknowledge(self, request: Any, _: Any) -> Any:
        _check_ids(request)
        self.topics.acknowledge(self._subscription(request.subscription), request.ack_ids)
        return Empty()

    def _modify_ack_deadline(self, request: Any, _: Any) -> Any:
        _check_ids(request)
        if not 0 <= request.ack_deadline_seconds <= 600:
            raise Refused(Code.INVALID_ARGUMENT, "ack_deadline_seconds must be from 0 to 600")
        self.topics.extend(self._subscription(request.subscription), request.ack_ids, request.ack_deadline_seconds)
        return Empty()


def _received(ack_id: str, message: Any, counts: bool) -> Any:
    return ReceivedMessage(ack_id=ack_id, message=message.sent, delivery_attempt=message.attempts if counts else 0)


def _check_ids(request: Any) -> None:
    if not request.ack_ids:
        raise Refused(Code.INVALID_ARGUMENT, "no ack ids")
    if request.ByteSize() > _MOST_IDS_BYTES:
        raise Refused(Code.INVALID_ARGUMENT, "too many ack ids")


if __name__ == "__main__":
    emulator = Emulator(int(sys.argv[1]) if len(sys.argv) > 1 else 8085)
    emulator.faults.service_time = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    emulator.start()
    print(f"export PUBSUB_EMULATOR_HOST={emulator.endpoint}", flush=True)
    emulator._server.wait_for_termination()
