"""Messages of the stream `replayed`: which failures were sent again, and what is known of the replay that did it.

The loader keeps them as the tables `replayed_events` and `replays`. Reading one twice changes nothing.
"""

from typing import Any, NamedTuple, TypeAlias

from backbone import jsontext

Json = dict[str, Any]


class Mark(NamedTuple):
    """A failure was sent again. `attempts` 0: its row stays until its event has landed or failed again.

    Else the row goes, unless its attempts have grown meanwhile: that of a payload, which has no id to know it by, and of an
    event that a patch has changed. Only the first two are in messages of versions before 0.2.
    """

    failure_key: str
    attempts: int
    replay_id: str | None = None
    event_id: str | None = None
    sent_tstamp: str | None = None
    """ISO 8601, UTC."""


class Account(NamedTuple):
    """One replay. Counts and `finished` are unknown while it runs."""

    replay_id: str
    started: str
    who: str
    filters: Json
    patch_name: str | None = None
    patch_digest: str | None = None
    finished: str | None = None
    selected: int | None = None
    sent_to_enricher: int | None = None
    sent_to_loader: int | None = None
    not_sent: int | None = None


Message: TypeAlias = Mark | Account


def encoded(message: Message) -> bytes:
    about = message._asdict()
    return jsontext.dumps({"replay": about} if isinstance(message, Account) else about).encode()


def read(data: bytes) -> list[Message]:
    """The message; none where it is no such message. Keys that later versions may add are passed over."""
    try:
        value, _ = jsontext.loads(data)
        if "replay" in value:
            return [Account(**_known(value["replay"], Account._fields))]
        mark = Mark(**_known(value, Mark._fields))
    except (jsontext.JsonError, TypeError, AttributeError):
        return []
    return [mark] if type(mark.failure_key) is str and type(mark.attempts) is int else []


def _known(about: Json, names: tuple[str, ...]) -> Json:
    return {name: value for name, value in about.items() if name in names}
