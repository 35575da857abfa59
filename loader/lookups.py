"""Schemas for the loader, from registries that may be slow or hang: no batch waits for them longer than it can afford.

Folders are read at once. A registry behind HTTP is asked in a thread of its own; what it has not answered within the batch's
patience counts as unavailable for now, and its answer is there for a later batch. Within one batch, a schema is asked for once.
"""

import logging
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from backbone.iglu.failures import RegistryAttempts, RegistryError, ResolutionFailure
from backbone.iglu.registries import FolderRegistry
from backbone.iglu.resolver import Resolver, Schema
from backbone.selfdescribing import SchemaKey

log = logging.getLogger("snowmelt.loader")

PATIENCE = 0.7
"""Seconds a batch waits for registries, all of its lookups together."""
MOST_AT_ONCE = 64
"""Lookups under way; more are not begun."""
_KEPT = 5.0
"""Seconds for which an answer that came too late for its batch is kept for a later one."""
_NO_ANSWER = RegistryError("ClientFailure", "no answer yet", transient=True)


class Lookups:
    """Not thread-safe: one loader, one thread."""

    def __init__(self, resolver: Resolver, patience: float = PATIENCE) -> None:
        self._resolver = resolver
        self._whole_patience = patience
        self._at_once = all(isinstance(registry, FolderRegistry) for registry in resolver.registries)
        self._under_way: dict[SchemaKey, _Question] = {}
        self._answers: dict[SchemaKey, Schema | ResolutionFailure] = {}
        self._patience = patience

    def begin_batch(self) -> None:
        self._patience = self._whole_patience
        self._under_way = {key: question for key, question in self._under_way.items() if not question.outdated}
        for question in self._under_way.values():
            question.worth_waiting_for = False
        self.look_anew()

    def look_anew(self) -> None:
        """Answers given earlier in this batch are not good enough any more."""
        self._answers.clear()

    def prepare(self, keys: Iterable[SchemaKey]) -> None:
        """Begins to ask for all of them, so that they are waited for together."""
        if not self._at_once:
            for key in keys:
                if key not in self._answers:
                    self._ask(key)

    def lookup(self, key: SchemaKey) -> Schema | ResolutionFailure:
        """As the resolver; transient when there is no answer yet."""
        known = self._answers.get(key)
        if known is None:
            known = self._answers[key] = self._resolver.lookup(key) if self._at_once else self._waited(key)
        return known

    def news(self, key: SchemaKey, thoroughly: bool) -> Schema | ResolutionFailure | None:
        """What is known of it now, never waiting; None when that is still being asked.

        `thoroughly`: registries behind HTTP that had no such schema are asked anew.
        """
        if self._at_once:
            return self._resolver.lookup(key)
        question = self._ask(key, thoroughly)
        return None if question is None or not question.answered.is_set() else self._take(question)

    def _waited(self, key: SchemaKey) -> Schema | ResolutionFailure:
        question = self._ask(key)
        if question is None:
            return _unanswered()
        if question.worth_waiting_for:
            started = time.monotonic()
            question.answered.wait(max(0.0, self._patience))
            self._patience -= time.monotonic() - started
        return self._take(question) if question.answered.is_set() else _unanswered()

    def _ask(self, key: SchemaKey, thoroughly: bool = False) -> "_Question | None":
        """The question under way, perhaps begun just now; None when there are too many."""
        question = self._under_way.get(key)
        if question is None and len(self._under_way) < MOST_AT_ONCE:
            question = self._under_way[key] = _Question(self._resolver, key, thoroughly)
            question.start()
        return question

    def _take(self, question: "_Question") -> Schema | ResolutionFailure:
        del self._under_way[question.key]
        return question.answer or _unanswered()


class _Question(threading.Thread):
    """A daemon: a registry that hangs does not hold the process when it stops."""

    def __init__(self, resolver: Resolver, key: SchemaKey, thoroughly: bool) -> None:
        super().__init__(name=f"lookup {key.uri}", daemon=True)
        self._resolver = resolver
        self._thoroughly = thoroughly
        self.key = key
        self.worth_waiting_for = True
        """Whether it was asked in this batch: who hangs holds one batch, not every one."""
        self.answer: Schema | ResolutionFailure | None = None
        self.answered = threading.Event()
        self._answered_at = 0.0

    def run(self) -> None:
        try:
            if self._thoroughly:
                self._resolver.look_again(self.key)
            self.answer = self._resolver.lookup(self.key)
        except Exception as problem:
            log.warning("looking up %s failed, it will be tried again: %s", self.key.uri, type(problem).__name__)
        finally:
            self._answered_at = time.monotonic()
            self.answered.set()

    @property
    def outdated(self) -> bool:
        return self.answered.is_set() and time.monotonic() - self._answered_at > _KEPT


def _unanswered() -> ResolutionFailure:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return ResolutionFailure((RegistryAttempts("registries", (_NO_ANSWER,), 1, now),))
