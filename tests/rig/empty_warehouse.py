"""New embedded warehouses for tests that make hundreds: copies of an empty one, which takes a third of the time of making it."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from loader.warehouses.ducklake import DuckLake


def copied(template: Path, patched: pytest.MonkeyPatch) -> None:
    """From now on; `template` is the folder of one that was made and closed."""
    DuckLake(template, 1).close()
    make = DuckLake.__init__

    def make_or_open(self: DuckLake, folder: Path, *more: Any, **named: Any) -> None:
        if not (folder / "catalog.sqlite").exists():
            shutil.copytree(template, folder, dirs_exist_ok=True)
        make(self, folder, *more, **named)

    patched.setattr(DuckLake, "__init__", make_or_open)
