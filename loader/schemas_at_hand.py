"""Schemas for work that must not wait: what is known already, or lies in a folder.

The rest is fetched by other threads. If that takes long, whoever asks goes without; the answer is there for the next batch.
"""

import threading
import time
from contextlib import suppress

from backbone.errors import RegistryUnavailable, TransientError
from backbone.iglu.failures import ResolutionFailure
from backbone.iglu.resolver import Resolver, Schema
from backbone.selfdescribing import SchemaKey

_PATIENCE = 0.3
"""Seconds a batch waits for registries, altogether: most answer sooner."""
_IMPATIENT = 60.0
"""Seconds in which no batch waits, once one has waited in vain."""
_MOST_AT_ONCE = 8


class SchemasAtHand:
    """Asked by one thread."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._under_way: dict[SchemaKey, threading.Event] = {}
        self._patience = _PATIENCE
        self._impatient_until = 0.0

    def begin_batch(self) -> None:
        self._patience = _PATIENCE if time.monotonic() >= self._impatient_until else 0.0

    def lookup(self, key: SchemaKey) -> Schema | ResolutionFailure:
        """Raises RegistryUnavailable when nothing is known within the batch's patience."""
        answer = self._resolver.at_hand(key)
        if answer is None and self._fetched(key):
            answer = self._resolver.at_hand(key)
        if answer is None:
            raise RegistryUnavailable(f"{key.uri} is not at hand")
        return answer

    def _fetched(self, key: SchemaKey) -> bool:
        done = self._under_way.get(key) or self._fetch(key)
        if done is None:
            return False
        started = time.monotonic()
        if done.wait(self._patience):
            self._patience -= min(self._patience, time.monotonic() - started)
            return True
        if self._patience:
            self._patience, self._impatient_until = 0.0, time.monotonic() + _IMPATIENT
        return False

    def _fetch(self, key: SchemaKey) -> threading.Event | None:
        if len(self._under_way) >= _MOST_AT_ONCE:
            return None
        done = self._under_way[key] = threading.Event()
        threading.Thread(target=self._ask, args=(key, done), name="schema", daemon=True).start()
        return done

    def _ask(self, key: SchemaKey, done: threading.Event) -> None:
        try:
            with suppress(TransientError):
                self._resolver.lookup(key)
        finally:
            self._under_way.pop(key, None)
            done.set()
