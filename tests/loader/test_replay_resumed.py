"""Replays that are stopped, by Ctrl-C or SIGKILL, and go on; and two at once."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from replay_works import ROOT, Works, opened, rejected_request, violation

from backbone import thrift
from backbone.bus import open_bus
from backbone.errors import ConfigurationError
from loader.replay import AnotherReplay, resume
from loader.replay_selection import Selection
from loader.replay_state import Counts, PatchText, Progress, State, StateFile

MANY = 3_000


@pytest.fixture
def works(tmp_path: Path, schemas: Any) -> Works:
    return Works(tmp_path / "data", schemas.folder)


@pytest.fixture(params=["ducklake", "bigquery"])
def any_works(request: pytest.FixtureRequest, tmp_path: Path, schemas: Any) -> Iterator[Works]:
    with opened(request.param, tmp_path, schemas.folder) as made:
        yield made


def fill(works: Works, number: int) -> None:
    """As many failed requests, events of the enricher and lines of the loader."""
    third = number // 3
    works.send(*(("bad", rejected_request(f"com.acme{at}")) for at in range(third)))
    works.send(*(("bad", violation(f"00000000-0000-4000-8000-{at:012d}")) for at in range(third)))
    works.send(*(("enriched", f"no line {at}".encode()) for at in range(number - 2 * third)))
    works.load()


def command(works: Works, *arguments: str) -> "subprocess.Popen[str]":
    """The command itself, in many small chunks so that there is time to stop it."""
    program = "import loader.replay as r, snowmelt.cli as c; r._CHUNK = 20; c.main()"
    line = [sys.executable, "-c", program, "replay", *arguments, "--data", str(works.settings.data.folder)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def sent(works: Works) -> "Counter[bytes]":
    """What replays put on the bus, each with how often."""
    found: Counter[bytes] = Counter()
    subscription = open_bus(works.settings).subscribe(None, ["raw", "enriched"])
    while records := subscription.pull(10_000, 100_000_000, 0.0):
        found.update(record.data for record in records if record.log == "replay")
    subscription.close()
    return found


def states(works: Works) -> list[Path]:
    return sorted((works.settings.data.folder / "replays").glob("*.json"))


def stopped(process: "subprocess.Popen[str]", works: Works, how: signal.Signals) -> tuple[str, str]:
    """Once it has sent something. What it printed."""
    before, deadline = len(sent(works)), time.monotonic() + 60
    while len(sent(works)) == before:
        assert time.monotonic() < deadline
        assert process.poll() is None
    process.send_signal(how)
    return process.communicate(timeout=60)


@pytest.mark.parametrize("load_between", [False, True], ids=["loader-stopped", "loader-runs"])
def test_killed_again_and_again_it_goes_on_and_sends_everything_once(works: Works, load_between: bool) -> None:
    fill(works, MANY)
    stopped(command(works), works, signal.SIGKILL)
    (path,) = states(works)
    partly = sent(works)
    assert 0 < len(partly) < MANY
    if load_between:
        works.load()
    stopped(command(works, "--resume", path.stem), works, signal.SIGKILL)
    assert len(partly) < len(sent(works)) < MANY
    if load_between:
        works.load()
    out, err = command(works, "--resume", path.stem).communicate(timeout=120)
    assert f"{MANY} failed selected; sent: " in out, err
    found = sent(works)
    assert len(found) == MANY
    assert set(found.values()) == {1}
    works.load()
    third = MANY // 3
    ((counts),) = works.sql("SELECT selected, sent_to_enricher, sent_to_loader, not_sent FROM replays")
    assert counts == (MANY, 2 * third, MANY - 2 * third, 0)
    assert works.sql("SELECT count(*), count(DISTINCT failure_key), count(DISTINCT replay_id) FROM replayed_events") == [
        (MANY, MANY, 1)
    ]


def test_interrupted_it_says_how_to_go_on(works: Works) -> None:
    fill(works, MANY)
    process = command(works)
    out, err = stopped(process, works, signal.SIGINT)
    (path,) = states(works)
    assert process.returncode == 130
    assert f"Replay {path.stem}: {MANY} failed events." in out
    assert f"snowmelt replay --resume {path.stem}" in err
    assert resume(works.settings, path.stem) is not None
    assert set(sent(works).values()) == {1}
    assert len(sent(works)) == MANY


def test_after_a_commit_that_was_not_noted_the_next_chunk_follows(any_works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed right before a commit, or right after it: the file alone does not tell."""
    fill(any_works, 9)
    monkeypatch.setattr("loader.replay._CHUNK", 2)
    from backbone.bus.log_writer import LogPublisher

    real = LogPublisher.commit
    for before in (True, False):
        commits: list[int] = []

        def dies(self: Any, records: Any, consumed: Any = None, before: bool = before, commits: list[int] = commits) -> None:
            commits.append(len(records))
            if len(commits) != 2 or not before:
                real(self, records, consumed)
            if len(commits) == 2:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(LogPublisher, "commit", dies)
            with pytest.raises(KeyboardInterrupt):
                any_works.replay() if before else resume(any_works.settings, states(any_works)[0].stem)
    counts = resume(any_works.settings, states(any_works)[0].stem)
    assert counts is not None
    assert (counts.selected, counts.sent, counts.in_flight) == (9, 9, 0)
    assert sorted(sent(any_works).values()) == [1] * 9


def test_what_fails_again_meanwhile_is_no_business_of_the_replay(any_works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    any_works.send(("bad", rejected_request("com.a")), ("bad", rejected_request("com.b")))
    any_works.load()
    monkeypatch.setattr("loader.replay._CHUNK", 1)

    class Stopping:
        def begin(self, replay_id: str, total: int) -> None:
            assert total == 2

        def advance(self, number: int) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        any_works.replay(watcher=Stopping())
    any_works.send(("bad", rejected_request("com.a")), ("bad", rejected_request("com.b")), ("bad", rejected_request("com.c")))
    any_works.load()
    assert resume(any_works.settings, states(any_works)[0].stem) is not None
    assert sum(sent(any_works).values()) == 1


def test_a_patch_and_filters_are_remembered(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    works.send(("bad", violation()), ("bad", violation("1f0e0d0c-0b0a-4908-8706-050403020100")), ("bad", rejected_request()))
    works.load()
    monkeypatch.setattr("loader.replay._CHUNK", 1)

    class Stopping:
        def begin(self, replay_id: str, total: int) -> None: ...

        def advance(self, number: int) -> None:
            raise KeyboardInterrupt

    code = "function patch(event) { event.parameters.aid = 'patched'; return event; }"
    with pytest.raises(KeyboardInterrupt):
        works.replay("p.js", code, watcher=Stopping(), kind="schema_violations")
    (path,) = states(works)
    assert path.stat().st_mode & 0o077 == 0
    assert resume(works.settings, path.stem) is not None
    assert len(sent(works)) == 2
    assert all("aid=patched" in (thrift.decode(data).querystring or "") for data in sent(works))
    assert "patched" not in path.read_text(), "the patch is not kept once it is done"
    assert resume(works.settings, path.stem) is None


def test_a_limit_counts_what_was_taken_before(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(works, 9)
    monkeypatch.setattr("loader.replay._CHUNK", 2)

    class Stopping:
        def begin(self, replay_id: str, total: int) -> None:
            assert total == 5

        def advance(self, number: int) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        works.replay(watcher=Stopping(), limit=5)
    assert resume(works.settings, states(works)[0].stem) is not None
    assert sum(sent(works).values()) == 5


@pytest.mark.parametrize("name", ["none", "../../etc/passwd", ""])
def test_a_replay_that_is_not_there_is_told(works: Works, name: str) -> None:
    with pytest.raises(ConfigurationError, match="there is no replay"):
        resume(works.settings, name)


def test_a_damaged_file_is_told(works: Works) -> None:
    folder = works.settings.data.folder / "replays"
    folder.mkdir(parents=True)
    (folder / "r1.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="not the file of a replay"):
        resume(works.settings, "r1")


def test_a_state_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    counts = Counts(selected=2)
    counts.broken["x"] += 1
    following = Progress("b", Counts(selected=3))
    state = State(
        "r1", "2026-01-01", "me", Selection(limit=3).filters(), PatchText("p.js", "x"), Progress("a", counts), following, "k"
    )
    file = StateFile(tmp_path, "r1")
    file.write(state)
    assert file.read() == state
    assert json.loads(file.path.read_text())["replay_id"] == "r1"
    assert state.settled({"k"}).progress == following
    assert state.settled(set()).progress == Progress("a", counts)


def test_only_one_replay_runs_at_a_time(works: Works) -> None:
    fill(works, 3)
    other = open_bus(works.settings).publisher("replay")
    with pytest.raises(AnotherReplay, match="another replay is running"):
        works.replay()
    other.close()
    assert works.replay().sent == 3


def test_two_at_once_send_everything_once(works: Works) -> None:
    fill(works, 1_500)
    processes = [command(works), command(works)]
    ended = [(*process.communicate(timeout=120), process.returncode) for process in processes]
    assert 0 in [code for *_, code in ended]
    assert all(code == 0 or "another replay is running" in err for _, err, code in ended), ended
    assert sorted(sent(works).values()) == [1] * 1_500
