"""`snowmelt audit` beside the running product: no false alarm from what is on its way, and the truth about what is missing."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pipeline import ROOT, Pipeline, eventually

pytestmark = pytest.mark.journey
TIMES = 10 if os.environ.get("SNOWMELT_TEST_LONG") else 5


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Pipeline]:
    made = Pipeline(tmp_path, "[bus]\nsegment_bytes = 300_000\n")
    yield made
    made.close()


def audited(pipeline: Pipeline, *flags: str, expect: int = 0) -> Any:
    return json.loads(pipeline.run("audit", "--json", *flags, expect=expect).stdout)


def total(found: Any, name: str) -> int:
    return sum(hour[name] for hour in found["hours"])


def test_an_audit_during_traffic_never_raises_a_false_alarm(fresh: Pipeline) -> None:
    fresh.start()
    command = [sys.executable, "-m", "snowmelt", "send", "--url", fresh.url, "--rate", "300", "--broken", "0.2", "--count", "0"]
    traffic = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: fresh.try_sql("select 1 from events limit 1"), what="a warehouse")
        eventually(lambda: total(audited(fresh), "received") > 0, what="first rows")
        counts = []
        for number in range(TIMES):
            if number % 4 == 2:
                fresh.run("replay")
            found = audited(fresh)
            assert found["differences"] == []
            counts.append(total(found, "received"))
    finally:
        traffic.kill()
        traffic.wait()
    assert counts[-1] > counts[0], "events arrived meanwhile"
    eventually(lambda: not any(stage["on_the_way"] for stage in audited(fresh)["stages"]), what="everything loaded")
    found = audited(fresh)
    assert total(found, "received") == total(found, "loaded") + total(found, "failed") + total(found, "duplicates")
    rows = fresh.sql("select (select count(*) from events) as good, (select count(*) from failed_events) as failed")
    assert rows[0]["good"] == total(found, "loaded")
    stages = ["collector → enricher: payloads", "replay → enricher: payloads"]
    assert [stage["name"] for stage in found["stages"]][:2] == ([] if fresh.flags else stages), "Pub/Sub keeps no numbers"
    assert fresh.stop() == 0
    assert "Everything is accounted for." in fresh.run("audit").stdout
    fresh.tamper("DELETE FROM events WHERE event_id = (SELECT min(event_id) FROM events)")
    (difference,) = audited(fresh, expect=1)["differences"]
    assert (difference["what"], difference["expected"] - difference["found"]) == ("rows of events", 1)
    assert audited(fresh, "--since", "2199-01-01")["hours"] == []
