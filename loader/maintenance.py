"""What the writer of the warehouse does beside loading: maintenance when it is due, and what other processes ask of it.

Whoever holds the warehouse's lock does it: the loader between batches, or, while none runs, the command that wants it done.
"""

import logging
import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from backbone.errors import ConfigurationError, SnowmeltError, TransientError
from backbone.locks import WRITER, held
from backbone.person import Person
from loader.requests import Request, Requests
from loader.settings import WarehouseSettings
from loader.warehouses import ducklake_erasure
from loader.warehouses.ducklake import DuckLake
from loader.warehouses.ducklake_catalog import open_writer, see_to_attachment
from loader.warehouses.ducklake_maintenance import maintain
from loader.warehouses.maintained import Step

log = logging.getLogger("snowmelt.loader")

MAINTAIN, ERASE = "maintain", "erase"
_MARK = "maintained"
"""File whose age tells when maintenance ran last."""
_AGAIN = 600.0
"""Seconds until maintenance that failed is tried again."""
_RETURN = 15.0
"""Seconds a loader that was asked gets to come back after it ended, before the asking command does the work itself."""
_POLL = 0.1


class Unserved(TransientError):
    """The writer of the warehouse did not do what it was asked for."""


class Maintenance:
    """The loader's side. `between_batches` is called often and mostly does nothing."""

    def __init__(self, warehouse: DuckLake, folder: Path, settings: WarehouseSettings) -> None:
        self._warehouse = warehouse
        self._folder = folder
        self._settings = settings
        self._requests = Requests(folder)
        self._mark = folder / _MARK
        if not self._mark.exists():
            self._mark.touch()
        self._due = self._mark.stat().st_mtime + settings.maintenance_hours * 3600

    def between_batches(self) -> None:
        """Raises WarehouseUnavailable when the warehouse could not be opened again; nothing else."""
        self._requests.serve(self._serve)
        if time.time() >= self._due:
            said = self._serve(Request("", MAINTAIN, {}))
            self._due = time.time() + (_AGAIN if "error" in said else self._settings.maintenance_hours * 3600)

    def _serve(self, request: Request) -> dict[str, Any]:
        connection = self._warehouse.connection
        said = perform(connection, self._folder, self._settings, request.kind, request.arguments)
        see_to_attachment(connection, self._folder)
        self._warehouse.look_again()
        if "error" in said:
            log.warning("%s failed: %s", request.kind, said["error"])
        elif request.kind == MAINTAIN:
            log.info("maintenance: %s", "; ".join(f"{name}: {did}" for name, did in said["steps"]))
        return said


def perform(
    connection: duckdb.DuckDBPyConnection, folder: Path, settings: WarehouseSettings, kind: str, arguments: Any
) -> dict[str, Any]:
    """The answer: `error` where it failed; `steps` of maintenance; `left`, what of an erasure could not be done."""
    try:
        if kind == MAINTAIN:
            return {"steps": _maintain(connection, folder, settings, arguments)}
        if kind == ERASE:
            return {"left": ducklake_erasure.erase(connection, folder, Person.from_json(arguments))}
        return {"error": f"this loader cannot {kind}; is it of an older version?"}
    except SnowmeltError as problem:
        return {"error": str(problem)}
    except OSError as problem:
        return {"error": f"{problem.filename or folder}: {problem.strerror}"}
    except duckdb.Error as problem:  # its text may quote data
        return {"error": f"the warehouse failed with {type(problem).__name__}"}
    except Exception as fault:  # a request must not end the loader, which would be asked again when it is back
        *_, last = traceback.extract_tb(fault.__traceback__)
        return {"error": f"unexpected {type(fault).__name__} at {last.filename}:{last.lineno}"}


def _maintain(connection: duckdb.DuckDBPyConnection, folder: Path, settings: WarehouseSettings, arguments: Any) -> list[Step]:
    given = arguments.get("backup")
    steps = list(maintain(connection, folder, settings, Path(given) if given else settings.backup))
    (folder / _MARK).touch()
    return steps


def commission(
    folder: Path, settings: WarehouseSettings, kind: str, arguments: Any, patience: float, note: Callable[[str], None]
) -> dict[str, Any]:
    """Has it done by whoever writes the warehouse in `folder`, or does it here; the answer of `perform`.

    `note` is told what is waited for. Raises Unserved after `patience` seconds without answer, or with the writer's own error.
    """
    requests = Requests(folder)
    pending: str | None = None
    deadline, last_held = time.monotonic() + patience, time.monotonic()
    try:
        while True:
            if held(folder / WRITER):
                last_held = time.monotonic()
                if pending is None:
                    pending = requests.ask(kind, arguments)
                    note("asking the running loader, which does it between batches")
            elif pending is None or time.monotonic() - last_held > _RETURN:
                said = _here(folder, settings, kind, arguments)
                if said is not None:
                    return _checked(said)
            if pending is not None and (said := requests.answer(pending)) is not None:
                return _checked(said)
            if time.monotonic() >= deadline:
                raise Unserved(f"the loader did not answer within {patience:.0f} s; the request is withdrawn, try again")
            time.sleep(_POLL)
    finally:
        if pending is not None:
            requests.withdraw(pending)


def _here(folder: Path, settings: WarehouseSettings, kind: str, arguments: Any) -> dict[str, Any] | None:
    """None when a loader has just begun to write."""
    try:
        connection, lock = open_writer(folder)
    except ConfigurationError:
        return None
    try:
        return perform(connection, folder, settings, kind, arguments)
    finally:
        connection.close()
        os.close(lock)


def _checked(said: dict[str, Any]) -> dict[str, Any]:
    if "error" in said:
        raise Unserved(said["error"])
    return said
