"""Files in use: replaced without a restart, and never by something unusable."""

import os
from pathlib import Path

import pytest

from enricher.assets import Watched, private_copy


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "number"
    file.write_text("1")
    return file


def watched(file: Path) -> Watched[int]:
    return Watched([file], lambda: int(file.read_text()))


def replace(file: Path, text: str) -> None:
    new = file.with_name("new")
    new.write_text(text)
    os.replace(new, file)


def test_a_change_is_seen(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enricher.assets._LOOK_EVERY", 0.0)
    number = watched(file)
    assert number.current() == 1
    replace(file, "2")
    assert number.current() == 2


def test_files_are_looked_at_once_a_second_at_most(file: Path) -> None:
    number = watched(file)
    replace(file, "2")
    assert number.current() == 1


def test_unusable_content_is_reported_once_and_the_old_stays(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("enricher.assets._LOOK_EVERY", 0.0)
    number = watched(file)
    replace(file, "two")
    assert [number.current() for _ in range(3)] == [1, 1, 1]
    assert len(caplog.records) == 1
    replace(file, "3")
    assert number.current() == 3


def test_a_file_that_goes_away_for_a_while_is_no_change(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enricher.assets._LOOK_EVERY", 0.0)
    number = watched(file)
    file.unlink()
    assert number.current() == 1
    file.write_text("4")
    assert number.current() == 4


def test_what_is_wrong_at_the_start_is_raised(file: Path) -> None:
    file.write_text("one")
    with pytest.raises(ValueError, match="one"):
        watched(file)


def test_a_private_copy_has_the_content_and_leaves_nothing_behind(file: Path) -> None:
    name, text = private_copy(file, lambda name: (name, Path(name).read_text()))
    assert text == "1"
    assert not Path(name).exists()
