"""`snowmelt erase`, `maintain` and `restore` refuse what cannot be meant, before anything is touched."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from backbone.errors import ConfigurationError, TransientError
from backbone.person import NOBODY
from snowmelt.cli import app

RUN = CliRunner()


@pytest.mark.parametrize("flags", [[], ["--user-id", ""], ["--user-id", "1", "--domain-userid", ""]])
def test_an_id_is_needed_and_none_may_be_empty(tmp_path: Path, flags: list[str]) -> None:
    done = RUN.invoke(app, ["erase", *flags, "--data", str(tmp_path)])
    assert done.exit_code == 2
    assert "at least one id" in done.output
    assert list(tmp_path.iterdir()) == []


def test_the_id_of_everybody_who_is_anonymous_is_refused(tmp_path: Path) -> None:
    done = RUN.invoke(app, ["erase", "--network-userid", NOBODY, "--data", str(tmp_path)])
    assert isinstance(done.exception, ConfigurationError)
    assert "no person's" in str(done.exception)


def test_where_nothing_is_there_is_nothing_to_erase(tmp_path: Path) -> None:
    done = RUN.invoke(app, ["erase", "--user-id", "1", "--yes", "--data", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "bus                        0           0" in done.output


def test_there_must_be_a_warehouse_to_maintain_and_none_to_restore_to(tmp_path: Path) -> None:
    done = RUN.invoke(app, ["maintain", "--data", str(tmp_path)])
    assert isinstance(done.exception, TransientError)
    assert "nothing has been loaded" in str(done.exception)
    done = RUN.invoke(app, ["restore", "--from", str(tmp_path), "--data", str(tmp_path)])
    assert "holds no copy" in str(done.exception)
