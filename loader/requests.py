"""What other processes ask of the loader, the only one that writes the warehouse: small files in a folder of it.

`<id>.json` is a request; the loader serves it between batches and answers with `<id>.done.json`. A request outlives a kill of
either side and is then served again, so whatever it asks for must be the same done twice.
"""

import json
import logging
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

log = logging.getLogger("snowmelt.loader")

FOLDER = "requests"
_REQUEST, _DONE = ".json", ".done.json"
_LOOK_EVERY = 0.5
_STALE = 3600.0
"""Seconds after which an answer nobody fetched is dropped."""


class Request(NamedTuple):
    id: str
    kind: str
    arguments: Any


class Requests:
    """The folder of one warehouse, from either side."""

    def __init__(self, warehouse: Path) -> None:
        self._folder = warehouse / FOLDER
        self._looked = 0.0

    def ask(self, kind: str, arguments: Any) -> str:
        """Id of the request. The file is the owner's alone: it may name a person."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}"
        self._write(name + _REQUEST, {"kind": kind, "arguments": arguments})
        return name

    def answer(self, name: str) -> Any | None:
        """What the loader answered, None so far. Fetched once."""
        try:
            said = json.loads((self._folder / (name + _DONE)).read_text("utf-8"))
        except FileNotFoundError:
            return None
        self.withdraw(name)
        return said

    def withdraw(self, name: str) -> None:
        for ending in (_REQUEST, _DONE):
            (self._folder / (name + ending)).unlink(missing_ok=True)

    def waiting(self) -> bool:
        return bool(self._names())

    def serve(self, perform: Callable[[Request], Any]) -> None:
        """Serves all there are, oldest first; looks twice a second at most. What `perform` raises leaves the request waiting."""
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY:
            return
        self._looked = now
        for name in self._names():
            request = self._read(name)
            if request is not None:
                log.info("asked to %s", request.kind)
                self._write(name + _DONE, perform(request))
            (self._folder / (name + _REQUEST)).unlink(missing_ok=True)

    def _names(self) -> list[str]:
        try:
            entries = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        for entry in entries:
            if entry.endswith((_DONE, ".partial")):
                self._drop_if_stale(self._folder / entry)
        return sorted(entry.removesuffix(_REQUEST) for entry in entries if _is_request(entry))

    def _drop_if_stale(self, path: Path) -> None:
        try:
            if time.time() - path.stat().st_mtime > _STALE:
                path.unlink()
        except FileNotFoundError:
            return

    def _read(self, name: str) -> Request | None:
        """None where it was withdrawn, or is no request."""
        try:
            value = json.loads((self._folder / (name + _REQUEST)).read_text("utf-8"))
            return Request(name, value["kind"], value["arguments"])
        except FileNotFoundError:
            return None
        except (ValueError, LookupError, TypeError):
            log.warning("%s is no request; it is removed", name)
            return None

    def _write(self, name: str, value: Any) -> None:
        partial = self._folder / (name + ".partial")
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(value, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, self._folder / name)


def _is_request(entry: str) -> bool:
    return entry.endswith(_REQUEST) and not entry.endswith(_DONE)
