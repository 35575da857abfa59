"""The loader as a process that keeps noting what it is doing in a small file, where it can be read after a SIGKILL.

    python watched_loader.py DATA SCHEMAS DOING

Housekeeping comes after every few batches, and what is old is old after seconds: all else is the product's own `loader.main.run`.
"""

import mmap
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backbone.settings import load
from loader import batch, main, maintenance
from loader.app import Loader
from loader.settings import LoaderSettings, WarehouseSettings
from loader.warehouses import ducklake, ducklake_maintenance, ducklake_upkeep

WIDTH = 120


class Doing:
    """What is under way, outermost first: `load > store > evolve`."""

    def __init__(self, file: Path) -> None:
        file.write_bytes(b" " * WIDTH)
        with file.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), WIDTH)
        self._names: list[str] = []
        self._note()

    def _note(self) -> None:
        self._map[:] = " > ".join(self._names).encode().ljust(WIDTH)[:WIDTH]

    def noted(self, name: str | Callable[..., str], function: Callable[..., Any]) -> Callable[..., Any]:
        def with_note(*given: Any, **named: Any) -> Any:
            self._names.append(name if isinstance(name, str) else name(*given))
            self._note()
            try:
                return function(*given, **named)
            finally:
                self._names.pop()
                self._note()

        return with_note

    def note(self, holder: Any, attribute: str, name: str | Callable[..., str]) -> None:
        setattr(holder, attribute, self.noted(name, getattr(holder, attribute)))


def told(file: Path) -> str:
    return file.read_text().strip() if file.exists() else ""


def watch(doing: Doing) -> None:
    def called(_folder: Path, statement: str) -> str:
        return statement.split("_", 1)[1].split("_", 1)[0]

    doing.note(main, "_embedded", "open")
    doing.note(Loader, "run", "load")
    doing.note(Loader, "_try_waiting", "waiting")
    doing.note(batch.Batches, "_build", "build")
    doing.note(batch.Batches, "_rebuild", "build")
    doing.note(ducklake.DuckLake, "_store", "store")
    doing.note(ducklake, "alter", "evolve")
    doing.note(ducklake.ReplayTables, "store", "replayed")
    doing.note(ducklake_upkeep.Upkeep, "run", "upkeep")
    maintenance.maintain = doing.noted("maintain", _at_once(maintenance.maintain))
    doing.note(ducklake_maintenance, "back_up", "back-up")
    for module in (ducklake_upkeep, ducklake_maintenance):
        doing.note(module, "apart", called)
        doing.note(module, "expire_snapshots", "expire")
        doing.note(module, "delete_old_files", "delete")


def _at_once(generator: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *given: list(generator(*given))


def hurry() -> None:
    ducklake_upkeep._COMMITS, ducklake_upkeep._SECONDS = 4, 1.0
    ducklake_upkeep.KEPT = ducklake_maintenance.KEPT = "10 seconds"
    ducklake_maintenance._FORGOTTEN = "20 seconds"


if __name__ == "__main__":
    data, schemas, doing_file = map(Path, sys.argv[1:])
    doing = Doing(doing_file)
    hurry()
    watch(doing)
    flags = {"data.folder": data, "iglu.schemas": [schemas], "bus.segment_bytes": 300_000}
    flags |= {"loader.batch_seconds": 0.05, "loader.batch_records": 500}
    settings = load(None, {"loader": LoaderSettings, "warehouse": WarehouseSettings}, environment={}, flags=flags)
    sys.exit(doing.noted("start", main.run)(settings))
