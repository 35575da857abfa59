"""The trail of replays in BigQuery: the views `replays` and `replayed_events`, kept as logs of changes."""

from collections.abc import Sequence
from typing import Any

from backbone import jsontext
from loader.failed_events import is_typed
from loader.replay_messages import Account, Mark, Message
from loader.warehouses.bigquery_client import Session
from loader.warehouses.bigquery_failed import FailedLog
from loader.warehouses.bigquery_log import Log
from loader.warehouses.protocol import Leaf, Row, Shape

_TEXT, _COUNT, _TIME = Leaf("STRING"), Leaf("INT64"), Leaf("TIMESTAMP")
REPLAYS, EVENTS = "replays", "replayed_events"
_REPLAYS: dict[str, Shape] = {
    "replay_id": _TEXT,
    "started": _TIME,
    "finished": _TIME,
    "who": _TEXT,
    "filters": Leaf("JSON"),
    "patch_name": _TEXT,
    "patch_digest": _TEXT,
    "selected": _COUNT,
    "sent_to_enricher": _COUNT,
    "sent_to_loader": _COUNT,
    "not_sent": _COUNT,
}
_EVENTS: dict[str, Shape] = {
    "mark": _TEXT,
    "replay_id": _TEXT,
    "failure_key": _TEXT,
    "event_id": _TEXT,
    "sent_tstamp": _TIME,
    "attempts": _COUNT,
}
"""`mark`: replay and failure key. `attempts`: of the failure when it was sent, if its row went with that; else 0."""


class ReplayLogs:
    """Of what was sent again, the attempts are in memory."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.replays = Log(session, REPLAYS, "replay_id", _REPLAYS)
        self.events = Log(session, EVENTS, "mark", _EVENTS)
        self._finished: set[str] = set()
        self._marks: set[str] = set()
        self._attempts: dict[str, int] = {}

    def read(self) -> None:
        """After `undo`: what the tables hold."""
        run = self._session.query
        self._finished = {row[0] for row in run(f"SELECT replay_id FROM {self.replays.view} WHERE finished IS NOT NULL")}
        self._marks, self._attempts = set(), {}
        for name, failure_key, attempts in run(f"SELECT mark, failure_key, attempts FROM {self.events.view}"):
            self._learn(name, failure_key, attempts)

    def put(self, messages: Sequence[Message]) -> list[tuple[str, int]]:
        """(failure key, attempts) of what was sent again."""
        accounts = {message.replay_id: message for message in messages if isinstance(message, Account)}
        kept = [
            account for account in accounts.values() if account.finished is not None or account.replay_id not in self._finished
        ]
        self.replays.put([_row(account) for account in kept])
        marks = [message for message in messages if isinstance(message, Mark)]
        named = {_name(mark): mark for mark in marks if mark.replay_id is not None}
        self.events.put([{**_row(mark), "mark": name} for name, mark in named.items() if name not in self._marks])
        return [(mark.failure_key, mark.attempts) for mark in marks]

    def counted(self, failed: Sequence[Row], messages: Sequence[Message], failures: FailedLog) -> Sequence[Row]:
        """Failures whose row went when they were sent again go on counting their attempts."""
        attempts = dict(self._attempts)
        for message in messages:
            if isinstance(message, Mark) and message.attempts:
                attempts[message.failure_key] = max(message.attempts, attempts.get(message.failure_key, 0))
        if not attempts:
            return failed
        result = []
        for row in failed:
            key = row["failure_key"]
            more = 0 if is_typed(row) or failures.is_known(key) else attempts.pop(key, 0)
            result.append({**row, "attempts": row["attempts"] + more} if more else row)
        return result

    def stored(self, messages: Sequence[Message]) -> None:
        """The batch is noted as stored."""
        for message in messages:
            if isinstance(message, Account):
                if message.finished is not None:
                    self._finished.add(message.replay_id)
            else:
                self._learn(_name(message), message.failure_key, message.attempts)

    def forget(self) -> None:
        self.replays.forget()
        self.events.forget()

    def _learn(self, name: str, failure_key: str, attempts: int) -> None:
        self._marks.add(name)
        if attempts:
            self._attempts[failure_key] = max(attempts, self._attempts.get(failure_key, 0))


def _name(mark: Mark) -> str:
    return f"{mark.replay_id}:{mark.failure_key}"


def _row(message: Message) -> Row:
    about: dict[str, Any] = {name: value for name, value in message._asdict().items() if value is not None}
    if "filters" in about:
        about["filters"] = jsontext.dumps(about["filters"])
    return about
