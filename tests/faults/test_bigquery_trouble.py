"""BigQuery in trouble, under load: connections that break in the middle of an append, quotas, permissions that are lost, columns
that cannot be written for a minute. The loader neither ends nor grows, and afterwards everything is there exactly once.

The short form takes seconds, the long one has a lag of 60 seconds.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("google.cloud.bigquery", reason="the libraries of Google Cloud are not installed")

from load import Load, assert_exactly_once, ids_in
from pipeline import Pipeline, eventually
from tracker import self_describing, send

pytestmark = pytest.mark.fault
LONG = bool(os.environ.get("SNOWMELT_TEST_LONG"))
LAG = 60.0 if LONG else 5.0
DENIED = 20.0 if LONG else 2.0
MOST_MEMORY = 500_000_000
LATE = "iglu:com.test/late/jsonschema/1-0-0"
COLUMN = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    running = Pipeline(tmp_path, "[loader]\nbatch_seconds = 0.3\n", bus="pubsub", warehouse="bigquery")
    try:
        yield running.start()
        assert running.stop() == 0
        assert "Traceback" not in running.said()
    finally:
        running.close()


def test_whatever_is_wrong_with_bigquery_ends_with_it(pipeline: Pipeline) -> None:
    assert pipeline.bigquery is not None
    faults = pipeline.bigquery.faults
    load = Load(pipeline, "--rate", "150", "--broken", "0.1", "--seed", "40", "--patience", "120", "--connections", "8")
    eventually(lambda: ids_in(pipeline, "events"), what="all services work")
    loader = pipeline.pid_of("loader")

    for table in ("events", "loader_batches", "failed_events_log"):
        faults.faulty_table = table
        faults.appends = ["unavailable", "lost", "ok", "stored", "quota", "ok", "stored"] * (5 if LONG else 1)
        eventually(lambda: not faults.appends, 120, what=f"all faults of {table} were met")

    faults.denied = True
    time.sleep(DENIED)
    faults.denied = False

    faults.lag_seconds = LAG
    faults.patch_refusals = [(403, "rateLimitExceeded"), (403, "quotaExceeded"), (503, "backendError")]
    pipeline.add_schema("com.test", "late", "1-0-0", COLUMN)
    begun = time.monotonic()
    late = send(pipeline.url, *(self_describing(LATE, {"a": str(number)}) for number in range(20)))
    others = send(pipeline.url, self_describing("iglu:com.nowhere/never/jsonschema/1-0-0", {}))
    pipeline.rows(others, "failed_events")
    early = len(ids_in(pipeline, "events"))
    eventually(lambda: len(ids_in(pipeline, "events")) > early + 50, 60, what="rows load that need no late column")
    rows = pipeline.rows(late, timeout=LAG + 60)
    assert time.monotonic() - begun > LAG
    assert {row["unstruct_event_com_test_late_1"]["a"] for row in rows.values()} == {str(number) for number in range(20)}

    answered = load.stop()
    assert len(answered) > 200
    assert_exactly_once(pipeline, [*answered, *late, *others])
    assert pipeline.pid_of("loader") == loader
    assert _peak_memory(loader) < MOST_MEMORY


def _peak_memory(pid: int) -> int:
    """Most resident bytes a process has had."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024
