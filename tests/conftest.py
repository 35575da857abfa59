"""Order of the whole suite: what takes long begins first, so that no core waits for the other's last long file."""

from pathlib import Path

import pytest

_FIRST = ("faults", "journeys", "terraform", "loader", "snowmelt")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _turn(item.path))


def _turn(path: Path) -> int:
    folder = "terraform" if "terraform" in path.parts else path.parent.name
    return _FIRST.index(folder) if folder in _FIRST else len(_FIRST)
