"""SIGKILL in the middle of an erasure, a maintenance or a copy: run again, it ends as if nothing had happened."""

import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from pipeline import ROOT, Pipeline
from tracker import event, send

pytestmark = pytest.mark.fault
LONG = bool(os.environ.get("SNOWMELT_TEST_LONG"))
WHO = "zz-erase-me-please"


@pytest.fixture
def loaded(tmp_path: Path) -> Iterator[Pipeline]:
    """Stopped, with events of three people and small files."""
    fresh = Pipeline(tmp_path)
    try:
        fresh.start()
        for _ in range(4):
            ids = send(fresh.url, *(event("pv", uid=user) for user in (WHO, "anna", "bert") for _ in range(5)))
            fresh.rows(ids)
        assert fresh.stop() == 0
        yield fresh
    finally:
        fresh.close()


def killed_after(pipeline: Pipeline, seconds: float, *arguments: str) -> None:
    process = subprocess.Popen(pipeline.command(*arguments), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    process.kill()
    process.wait()


def length_of(pipeline: Pipeline, *arguments: str) -> float:
    began = time.monotonic()
    pipeline.run(*arguments)
    return time.monotonic() - began


def users(pipeline: Pipeline) -> dict[str, int]:
    rows = pipeline.sql("select user_id, count(*) as n, count(distinct event_id) as ids from events group by 1")
    assert all(row["n"] == row["ids"] for row in rows)
    return {row["user_id"]: row["n"] for row in rows}


def found(folder: Path) -> list[str]:
    places = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        places += [str(file)] if WHO.encode() in file.read_bytes() else []
        if file.suffix == ".parquet" and WHO in repr(duckdb.sql(f"SELECT * FROM read_parquet('{file}')").fetchall()):
            places.append(f"values of {file}")
    return places


def test_upkeep_killed_at_any_moment_harms_nothing_and_ends_well(loaded: Pipeline) -> None:
    chance = random.Random(4)
    copies = loaded.folder / "copies"
    everybody = {WHO: 20, "anna": 20, "bert": 20}
    usual = length_of(loaded, "maintain", "--backup", str(copies))
    for _ in range(20 if LONG else 2):
        killed_after(loaded, chance.uniform(0.3, 1) * usual, "maintain", "--backup", str(copies))
        assert users(loaded) == everybody
    loaded.run("maintain", "--backup", str(copies))
    for _ in range(20 if LONG else 2):
        killed_after(loaded, chance.uniform(0.3, 1) * usual, "erase", "--user-id", WHO)
        assert {**users(loaded), WHO: 20} == everybody
    loaded.run("erase", "--user-id", WHO)
    assert users(loaded) == {"anna": 20, "bert": 20}
    assert found(loaded.data) == []

    (loaded.data / "warehouse").rename(loaded.folder / "lost")
    killed_after(loaded, 0.6 * usual, "restore", "--from", str(copies))
    loaded.run("restore", "--from", str(copies), expect=None)
    assert users(loaded) == everybody
    loaded.run("erase", "--user-id", WHO)
    assert users(loaded) == {"anna": 20, "bert": 20}
