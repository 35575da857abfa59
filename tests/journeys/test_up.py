"""`snowmelt up`: the demo a newcomer sees, Ctrl-C that drains, a second start that continues, configuration faults told whole."""

import os
import pty
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline import ROOT, Pipeline, eventually, free_port
from tracker import event, send

pytestmark = pytest.mark.journey


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline that was not started yet."""
    fresh = Pipeline(tmp_path)
    yield fresh
    fresh.close()


def test_the_demo_shows_rows_a_broken_event_and_what_to_do_next(stopped: Pipeline) -> None:
    stopped.start("--demo")
    said = eventually(lambda: stopped.said() if "snowmelt replay" in stopped.said() else "", 60, what="the demo's last line")
    assert f"Collector: {stopped.url}" in said
    assert "newTracker" in said, "a tracker snippet"
    assert "page_view" in said, "rows"
    assert "Reason" in said
    assert "Remedy" in said
    assert "snowmelt sql" in said
    failed = stopped.sql("select reason, remedy from failed_events")
    assert len(failed) == 1
    assert failed[0]["reason"].split()[0] in said
    commands = re.findall(r"^ +(\S*snowmelt (?:sql|replay) .*)$", said, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=ROOT, env=stopped.environment)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert done.stdout
    assert stopped.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_stopping_drains_and_the_next_start_continues(stopped: Pipeline, number: signal.Signals) -> None:
    stopped.start()
    first = send(stopped.url, *(event("pv") for _ in range(50)))
    assert stopped.stop(number) == 0
    assert "Traceback" not in stopped.said()
    assert len(stopped.sql("select event_id from events")) == 50, "what was accepted was loaded before the end"
    stopped.start()
    second = send(stopped.url, *(event("pv") for _ in range(50)))
    assert set(stopped.rows(first + second)) == {*first, *second}
    assert stopped.stop(number) == 0


def test_a_crashed_service_is_started_again(stopped: Pipeline) -> None:
    stopped.start()
    for service in ("collector", "enricher", "loader"):
        before = stopped.pid_of(service)
        os.kill(before, signal.SIGKILL)
        assert eventually(lambda s=service, b=before: stopped.pid_of(s) != b, 20)  # type: ignore[misc]
    eventually(lambda: answers(stopped), 20)
    (event_id,) = send(stopped.url, event("pv"))
    assert stopped.row(event_id)["event"] == "page_view"
    assert stopped.said().count("killed by signal 9") == 3


def test_on_a_terminal_the_counts_are_live(stopped: Pipeline) -> None:
    ours, its = pty.openpty()
    process = subprocess.Popen(stopped.command("up", "--port", str(stopped.port)), stdout=its, stderr=its, cwd=ROOT)
    os.close(its)
    shown = bytearray()
    reader = threading.Thread(target=read_all, args=(ours, shown), daemon=True)
    reader.start()
    eventually(lambda: answers(stopped), 30)
    send(stopped.url, event("pv"), event("pv"))
    try:
        eventually(lambda: b"2 events, 0 failed" in shown, 30, what="counts")
    except AssertionError:
        pytest.fail(f"no such counts in {shown[-2000:].decode('utf-8', 'replace')}")
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    time.sleep(0.2)
    text = shown.decode("utf-8", "replace")
    for word in ("Stage", "collector", "running", "Ctrl-C stops", "nothing is waiting"):
        assert word in text


def read_all(terminal: int, into: bytearray) -> None:
    try:
        while chunk := os.read(terminal, 65536):
            into += chunk
    except OSError:  # the other side is gone
        os.close(terminal)


def answers(pipeline: Pipeline) -> bool:
    from tracker import call

    try:
        return call(pipeline.url, "GET", "/health")[0] == 200
    except OSError:
        return False


def test_a_second_up_on_the_same_folder_is_refused(stopped: Pipeline) -> None:
    stopped.start()
    done = stopped.run("up", "--port", str(free_port()), expect=1)
    assert "another" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_told(stopped: Pipeline, tmp_path: Path) -> None:
    stopped.start()
    other = Pipeline(tmp_path / "other")
    done = other.run("up", "--port", str(stopped.port), *other.flags, expect=1)
    assert str(stopped.port) in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_wrong_configuration_is_told_whole(stopped: Pipeline) -> None:
    stopped.config.write_text('[collector]\nport = "many"\ncolour = "red"\n[enricher]\nnonsense = 1\n[lodaer]\n', "utf-8")
    for arguments in (["up"], ["collect"], ["enrich"], ["load"], ["check"], ["sql", "select 1"], ["tail", "raw"]):
        done = stopped.run(*arguments, expect=None)
        assert done.returncode in (1, 2)
        for key in ("collector.port", "collector.colour", "enricher.nonsense", "lodaer"):
            assert f"{stopped.config}: {key}" in done.stderr, f"{arguments}: {done.stderr}"
        assert "Traceback" not in done.stderr
