"""`snowmelt replay` as it is typed: what it prints, its exit codes, what it refuses before anything is sent."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from replay_works import BADROWS, CART, ID, Works, rejected_request, violation
from typer.testing import CliRunner

from backbone.errors import ConfigurationError
from backbone.jsontext import loads
from loader.replay_outcomes import Change
from snowmelt.cli import app
from snowmelt.replay_report import difference

PATCH = """function patch(event) {
  if (event.kind === 'adapter_failures') throw new Error('no');
  event.parameters.aid = 'x';
  return event;
}"""
Typed = Callable[..., Any]


@pytest.fixture
def works(tmp_path: Path) -> Works:
    made = Works(tmp_path / "data", tmp_path)
    cut = {"schema": f"{BADROWS}/size_violation/jsonschema/1-0-0", "data": {"payload": "cut"}}
    made.send(("bad", violation()), ("bad", rejected_request()), ("bad", json.dumps(cut).encode()))
    made.load()
    return made


@pytest.fixture
def typed(works: Works) -> Typed:
    def run(*arguments: str) -> Any:
        folder = str(works.settings.data.folder)
        return CliRunner().invoke(app, ["replay", *arguments, "--data", folder], env={"COLUMNS": "200"})

    return run


def test_a_look_ahead_tells_where_everything_would_go(works: Works, typed: Typed) -> None:
    done = typed("--dry-run")
    assert done.exit_code == 0
    assert "3 failed selected; would be sent: 2 to the enricher, 0 to the loader." in done.output
    assert "1 cannot be sent: too large" in done.output
    assert [part in done.output for part in (CART, "adapter_failures", "size_violation", "goes to")] == [True] * 4
    assert f"for example {ID}" in done.output
    assert works.raw() == []


def test_a_look_ahead_shows_the_changes_of_a_patch(works: Works, typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "p.js").write_text(PATCH)
    done = typed("--dry-run", "--patch", str(tmp_path / "p.js"))
    assert done.exit_code == 1
    assert "Of these the patch would change 1 and leaves 0 as they are." in done.output
    assert "1 cannot be patched: Error: no" in done.output
    assert '+    "aid": "x"' in done.output
    assert works.raw() == []


def test_what_a_patch_fails_on_is_exit_code_1_and_the_rest_is_sent(works: Works, typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "p.js").write_text(PATCH)
    done = typed("--patch", str(tmp_path / "p.js"))
    assert done.exit_code == 1
    assert "sent: 1 to the enricher" in done.output
    assert len(works.raw()) == 1


def test_the_id_is_told_and_a_finished_replay_has_nothing_left(typed: Typed, works: Works) -> None:
    done = typed("--kind", "schema_violations", "--until", "2026-01-02", "--limit", "5")
    assert done.exit_code == 0
    replay_id = done.output.split()[1].rstrip(":")
    assert done.output.startswith(f"Replay {replay_id}: 1 failed events.")
    again = typed("--resume", replay_id)
    assert "is finished" in again.output
    works.load()
    rows = works.sql("SELECT replay_id, filters ->> 'kind', filters ->> 'until', selected FROM replays")
    assert rows == [(replay_id, "schema_violations", "2026-01-02T00:00:00+00:00", 1)]


def test_nothing_that_matches_is_no_failure(typed: Typed) -> None:
    done = typed("--app", "nobody")
    assert (done.exit_code, done.output.strip()) == (0, "No failed event matches.")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--where", "1=1; drop table failed_events"], "--where"),
        (["--until", "soon"], "--until"),
        (["--patch", "missing.js"], "cannot be read"),
        (["--patch", "broken.json"], "not JSON"),
        (["--patch", "empty.js"], "no function named patch"),
        (["--resume", "none"], "there is no replay"),
        (["--resume", "x", "--app", "y"], "--app"),
        (["--resume", "x", "--dry-run"], "--dry-run"),
    ],
)
def test_faults_of_the_command_line_are_told_before_anything_is_sent(
    works: Works, typed: Typed, arguments: list[str], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.json").write_text("[")
    (tmp_path / "empty.js").write_text("")
    done = typed(*arguments)
    assert isinstance(done.exception, ConfigurationError)
    assert problem in str(done.exception)
    assert works.raw() == []


def test_a_difference_shows_what_changed_with_numbers_as_spelled() -> None:
    before, after = (loads(text)[0] for text in ('{"a":1.10,"b":[{"c":"x"}],"d":{}}', '{"a":1.10,"b":[{"c":2.50}],"d":{}}'))
    assert difference(Change(before, after)) == [
        "@@ -3,5 +3,5 @@",
        '   "b": [',
        "     {",
        '-      "c": "x"',
        '+      "c": 2.50',
        "     }",
        "   ]",
    ]
