"""Events sent in the background by trackers that try again, and the check that each is in the warehouse once."""

import signal
import subprocess
import sys
import time

from pipeline import ROOT, Pipeline, eventually

EVERYTHING = "(select event_id from events union all select event_id from failed_events)"


class Load:
    """`snowmelt send` in the background; `answered` are the ids the collector said 200 to."""

    def __init__(self, pipeline: Pipeline, *flags: str) -> None:
        self._log = pipeline.folder / f"answered-{time.monotonic_ns()}"
        command = [sys.executable, "-m", "snowmelt", "send", "--url", pipeline.url, "--log", str(self._log), "--count", "0"]
        self._process = subprocess.Popen([*command, *flags], cwd=ROOT, stdout=subprocess.DEVNULL)
        eventually(self._log.exists, 30, 0.01, "events are being sent")

    def stop(self) -> list[str]:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)
        ids = self._log.read_text().split()
        assert len(ids) == len(set(ids)), "each event was answered once"
        return ids


def ids_in(pipeline: Pipeline, source: str) -> list[str]:
    return [row["event_id"] for row in pipeline.try_sql(f"select event_id from {source}")]


def assert_exactly_once(pipeline: Pipeline, answered: list[str]) -> None:
    missing = eventually(lambda: [set(answered) - set(ids_in(pipeline, EVERYTHING))], what="rows")
    deadline = time.monotonic() + 90
    while missing[0] and time.monotonic() < deadline:
        time.sleep(0.5)
        missing = [set(answered) - set(ids_in(pipeline, EVERYTHING))]
    assert not missing[0], f"{len(missing[0])} of {len(answered)} events answered with 200 are nowhere"
    found = ids_in(pipeline, EVERYTHING)
    assert len(found) == len(set(found)), f"{len(found) - len(set(found))} events have more than one row"
    pipeline.run("audit")
