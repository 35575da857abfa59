"""The command line as a whole: how it starts, how it fails, what a flag wins over."""

import base64
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from pipeline import ROOT
from typer.testing import CliRunner

from backbone import thrift
from backbone.errors import ConfigurationError
from backbone.payload import CollectorPayload
from collector.settings import CollectorSettings
from loader.replay_state import Counts
from snowmelt import configuration
from snowmelt.cli import app
from snowmelt.replay import moment
from snowmelt.replay_report import told

COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def run(*arguments: str, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "snowmelt", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=60, env=environment)


def test_the_commands_of_the_documentation_are_there() -> None:
    running = {"up", "collect", "enrich", "load", "work", "sql", "tail", "send", "check", "doctor", "replay", "version"}
    assert running | {"schema", "audit", "maintain", "restore", "erase"} == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = CliRunner().invoke(app, [command, "--help"], prog_name="snowmelt")
    assert done.exit_code == 0
    assert f"snowmelt {command}" in done.output


def test_version() -> None:
    assert run("version").stdout.strip().count(".") == 2


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["tail", "nothing"], ["sql"], ["send", "--broken", "7"], ["up", "--port", "99999"]]
)
def test_wrong_usage_is_code_2_without_traceback(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "snowmelt.toml"
    file.write_text("[collector]\nport = 1000\nname = 'file'\n[data]\nfolder = 'there'\n", "utf-8")
    monkeypatch.setenv("SNOWMELT_COLLECTOR_PORT", "2000")
    read = configuration.read(file, tmp_path, {"collector.port": 3000})
    assert read.section("collector", CollectorSettings).port == 3000
    assert read.section("collector", CollectorSettings).name == "file"
    assert read.data.folder == tmp_path
    assert configuration.read(file, None).section("collector", CollectorSettings).port == 2000


def test_every_fault_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(
        "[collector]\nport = 'many'\n[collector.cookie]\nflavour = 1\n[loader]\nbatch_records = 0\n[extra]\n", "utf-8"
    )
    done = run("tail", "raw", "--config", str(file))
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    for key in ("collector.port", "collector.cookie.flavour", "loader.batch_records", "extra"):
        assert [line for line in lines if line.startswith(f"{file}: {key}: ")], key
    assert len(lines) == 4


@pytest.mark.parametrize("text", ["port =", "[a", "\ud800"], ids=["half", "open", "no-utf8"])
def test_a_file_that_is_no_toml_is_one_fault(tmp_path: Path, text: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    done = run("check", "--config", str(file))
    assert done.returncode == 1
    assert f"{file}: is not TOML" in done.stderr


def test_a_missing_file_that_was_asked_for_is_a_fault(tmp_path: Path) -> None:
    done = run("load", "--config", str(tmp_path / "absent.toml"))
    assert done.returncode == 2
    assert "cannot be read" in done.stderr


def test_the_output_flags_of_the_offline_enricher_need_its_input(tmp_path: Path) -> None:
    done = run("enrich", "--good", str(tmp_path / "good"), "--data", str(tmp_path))
    assert done.returncode == 2
    assert "--from" in done.stderr


def test_the_offline_enricher_reads_standard_input(tmp_path: Path) -> None:
    payload = CollectorPayload(timestamp=1700000000000, collector="c", path="/i", querystring="e=pv&p=web&tv=x")
    lines = base64.b64encode(thrift.encode(payload)).decode() + "\nno base64!\n"
    trace = tmp_path / "trace"
    command = [sys.executable, "-m", "snowmelt", "enrich", "--from", "-", "--trace", str(trace), "--data", str(tmp_path)]
    flags = ["--schemas", str(ROOT / "schemas"), "--enrichments", str(tmp_path)]
    done = subprocess.run([*command, *flags], input=lines, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0, done.stderr
    first, second = [json.loads(line) for line in trace.read_text().splitlines()]
    assert first["line"] == 1
    assert [text.split("\t")[5] for text in first["good"]] == ["page_view"]
    assert [row["schema"].split("/")[1] for row in second["bad"]] == ["collector_payload_format_violation"]


@pytest.mark.parametrize("flag", [["--dry-run"], ["--trace", "t"], ["--target", "bigquery"], ["--load-tstamp", "2026-01-01"]])
def test_the_flags_of_the_offline_loader_need_its_input(tmp_path: Path, flag: list[str]) -> None:
    done = run("load", *flag, "--data", str(tmp_path))
    assert done.returncode == 2
    assert "--from" in done.stderr


def test_the_offline_loader_tells_on_standard_output_what_it_would_load(tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("junk\n", "utf-8")
    flags = ["--target", "bigquery", "--schemas", str(ROOT / "schemas"), "--data", str(tmp_path / "data")]
    done = run("load", "--from", "lines", "--dry-run", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (told,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (told["line"], told["bad"]["data"]["failure"]) == (1, {"type": "NotTSV"})
    assert "lines: 1; rows: 0, bad rows: 1; nothing was stored" in done.stderr
    landed = run("load", "--from", "lines", *flags[2:], cwd=tmp_path)
    assert landed.stdout == "lines: 1; 0 loaded, 1 failed, 0 duplicates, 0 recovered\n"


NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T10:30", datetime(2026, 11, 20, 10, 30, tzinfo=UTC)),
        ("2026-11-20T10:30+02:00", datetime(2026, 11, 20, 8, 30, tzinfo=UTC)),
        ("90m", NOW - timedelta(minutes=90)),
        ("12h", NOW - timedelta(hours=12)),
        ("7d", NOW - timedelta(days=7)),
    ],
)
def test_since_reads_times_and_spans(text: str, expected: datetime) -> None:
    assert moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["yesterday", "", "7w", "2026-13-01"])
def test_since_refuses_the_rest(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--since"):
        moment(text, NOW)


def test_a_replay_tells_what_it_did() -> None:
    summary = Counts(selected=7, to_enricher=3, to_loader=1, in_flight=1)
    summary.not_replayable["too large"] = 2
    lines = told(summary).splitlines()
    assert lines[0] == "7 failed selected; sent: 3 to the enricher, 1 to the loader."
    assert "1 were sent before" in lines[1]
    assert "2 cannot be sent: too large." in lines[2]
    assert "would be sent" in told(Counts(selected=1, to_enricher=1), would=True)
    assert told(Counts()) == "No failed event matches."
