"""Pub/Sub: are topics and subscriptions there, are they set up as they should be, and may we use them?"""

from collections.abc import Collection, Iterator
from typing import Any

from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type

from backbone.bus.protocol import Stream
from backbone.bus.pubsub_channel import Channel
from backbone.bus.pubsub_topics import CONSUMERS, TOPICS, Names
from snowmelt.doctor_check import Check, Role, doubtful, fine, unknown, wrong

ABOUT = "Pub/Sub"
_TIMEOUT = 10.0
_RETRY = Retry(predicate=if_exception_type(exceptions.ServiceUnavailable), initial=0.1, maximum=1.0, timeout=_TIMEOUT)
_PUBLISHES: dict[Role, tuple[Stream, ...]] = {
    "collector": ("raw", "bad"),
    "enricher": ("enriched", "failed", "bad"),
    "loader": (),
}
_SHORT = 86_400.0
_FAILED = (exceptions.GoogleAPICallError, exceptions.RetryError)
_UNTOLD = (exceptions.Forbidden, exceptions.MethodNotImplemented)


def checks(channel: Channel, names: Names, roles: Collection[Role]) -> Iterator[Check]:
    yield from _topics(channel, names)
    yield from _subscriptions(channel, names, roles)
    for role in roles:
        for stream in _PUBLISHES[role]:
            what = f"{role} may publish to {_short(names.topic(stream))}"
            grant = _grant("topics", names.topic(stream), "publisher", role)
            yield _permission(channel.topics, names.topic(stream), "pubsub.topics.publish", what, grant)
        for stream in CONSUMERS.get(role, ()):
            name = names.subscription(stream, role)
            what = f"{role} may read {_short(name)}"
            grant = _grant("subscriptions", name, "subscriber", role)
            yield _permission(channel.subscriptions, name, "pubsub.subscriptions.consume", what, grant)


def _topics(channel: Channel, names: Names) -> Iterator[Check]:
    for name in (*map(names.topic, TOPICS), names.dead_letters()):
        what = f"topic {_short(name)}"
        found = _looked_up(channel.topics.get_topic, "topic", name, what, f"gcloud pubsub topics create {_short(name)}")
        yield found if isinstance(found, Check) else fine(ABOUT, what)


def _subscriptions(channel: Channel, names: Names, roles: Collection[Role]) -> Iterator[Check]:
    for role in roles:
        for stream in CONSUMERS.get(role, ()):
            yield from _subscription(channel, names, names.subscription(stream, role), names.topic(stream))
    keeper = names.dead_letters_keeper()
    what = f"subscription {_short(keeper)}"
    create = (
        f"gcloud pubsub subscriptions create {_short(keeper)} --topic {_short(names.dead_letters())} --expiration-period never"
    )
    found = _looked_up(channel.subscriptions.get_subscription, "subscription", keeper, what, create)
    yield found if isinstance(found, Check) else fine(ABOUT, what)


def _subscription(channel: Channel, names: Names, name: str, topic: str) -> Iterator[Check]:
    what = f"subscription {_short(name)}"
    dead = _short(names.dead_letters())
    create = (
        f"gcloud pubsub subscriptions create {_short(name)} --topic {_short(topic)} --ack-deadline 10 --expiration-period never "
        f"--message-retention-duration 7d --dead-letter-topic {dead} --max-delivery-attempts 100"
    )
    found = _looked_up(channel.subscriptions.get_subscription, "subscription", name, what, create)
    if isinstance(found, Check):
        yield found
        return
    yield fine(ABOUT, what)
    yield from _settings(found, name, topic, names.dead_letters())


def _settings(found: Any, name: str, topic: str, dead_letters: str) -> Iterator[Check]:
    """Only what differs: nine lines of "fine" for each subscription would hide it."""
    about = f"subscription {_short(name)}"
    update = f"gcloud pubsub subscriptions update {_short(name)}"
    again = "it cannot be changed: delete the subscription once it is empty, and create it anew"
    if found.topic != topic:
        yield wrong(ABOUT, f"{about}: topic", f"it belongs to {_short(found.topic)}, not to {_short(topic)}", again)
    if found.filter:
        yield wrong(ABOUT, f"{about}: filter", "messages that it leaves out never become rows", again)
    if found.push_config.push_endpoint or found.bigquery_config.table or found.cloud_storage_config.bucket:
        yield wrong(ABOUT, f"{about}: delivery", "messages are delivered elsewhere, not pulled", f"{update} --push-endpoint=")
    if found.dead_letter_policy.dead_letter_topic != dead_letters:
        attempts = f"--dead-letter-topic {_short(dead_letters)} --max-delivery-attempts 100"
        said = "a message that nobody can take is delivered for ever"
        yield doubtful(ABOUT, f"{about}: dead letters", said, f"{update} {attempts}")
    elif found.dead_letter_policy.max_delivery_attempts < 100:
        said = f"after {found.dead_letter_policy.max_delivery_attempts} attempts, to which restarts of a consumer count"
        yield doubtful(ABOUT, f"{about}: dead letters", said, f"{update} --max-delivery-attempts 100")
    if "expiration_policy" not in found or found.expiration_policy.ttl:
        said = "it is deleted, with all it holds, when nobody has read it for that long"
        yield wrong(ABOUT, f"{about}: expiration", said, f"{update} --expiration-period never")
    kept = found.message_retention_duration.total_seconds() if found.message_retention_duration else 7 * _SHORT
    if kept < _SHORT:
        said = f"messages are kept for {kept / 3600:.1f} hours: an outage must not take longer"
        yield doubtful(ABOUT, f"{about}: retention", said, f"{update} --message-retention-duration 7d")
    if found.enable_message_ordering:
        yield doubtful(ABOUT, f"{about}: ordering", "it slows reading down and is not needed", again)
    if found.enable_exactly_once_delivery:
        said = "it slows reading down and is not needed: the loader recognises what comes twice"
        yield doubtful(ABOUT, f"{about}: exactly-once delivery", said, f"{update} --no-enable-exactly-once-delivery")
    if found.ack_deadline_seconds > 60:
        said = f"what a killed consumer held comes again only after {found.ack_deadline_seconds} seconds"
        yield doubtful(ABOUT, f"{about}: ack deadline", said, f"{update} --ack-deadline 10")


def _looked_up(get: Any, kind: str, name: str, what: str, create: str) -> Any:
    """What was found, or the check that says why not."""
    try:
        return get(request={kind: name}, timeout=_TIMEOUT, retry=_RETRY)
    except exceptions.NotFound:
        return wrong(ABOUT, what, "does not exist", create)
    except exceptions.Forbidden:
        return unknown(ABOUT, what, "this account may not look (pubsub.viewer)", "ask somebody who may, or run doctor as they")
    except _FAILED as problem:
        return wrong(ABOUT, what, told(problem), "is the network open to Pub/Sub, and are credentials there?")


def _permission(client: Any, resource: str, permission: str, what: str, grant: str) -> Check:
    request = {"resource": resource, "permissions": [permission]}
    try:
        granted = client.test_iam_permissions(request=request, timeout=_TIMEOUT, retry=_RETRY).permissions
    except exceptions.NotFound:
        return unknown(ABOUT, what, "it does not exist")
    except _UNTOLD:
        return unknown(ABOUT, what, "cannot be told here")
    except _FAILED as problem:
        return wrong(ABOUT, what, told(problem), grant)
    return fine(ABOUT, what) if permission in granted else wrong(ABOUT, what, f"{permission} is missing", grant)


def _grant(kind: str, name: str, role: str, service: Role) -> str:
    whom = f"--role roles/pubsub.{role} --member <account of the {service}>"
    return f"gcloud pubsub {kind} add-iam-policy-binding {_short(name)} {whom}"


def told(problem: Any) -> str:
    """An error of Google's libraries in one line; their texts name resources, never data."""
    return " ".join(f"{type(problem).__name__}: {problem.message}".split())[:300]


def _short(name: str) -> str:
    return name.rpartition("/")[2]
