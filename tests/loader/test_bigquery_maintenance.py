"""BigQuery kept small: what is too old goes, logs lose what says nothing any more, batches are summed up; all else stays."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bigquery_age import age
from bigquery_server import DATASET, PROJECT
from replay_works import violation

from loader.settings import WarehouseSettings
from loader.warehouses import bigquery_removals
from loader.warehouses.bigquery_access import open_access
from loader.warehouses.bigquery_housekeeping import Housekeeping
from loader.warehouses.bigquery_maintenance import last_maintained, maintain

from .test_bigquery_loader import CART, Running
from .test_warehouse_contract import ledger

MISSING = "iglu:com.acme/not_there_yet/jsonschema/1-0-0"
SUMS = "SELECT hour, app_id, sum(received), sum(loaded), sum(failed) FROM loader_ledger GROUP BY ALL ORDER BY ALL"
EVENT = "0f0e0d0c-0b0a-4908-8706-050403020100"


@pytest.fixture
def running(tmp_path: Path, schemas: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(bigquery_removals, "_LOOK", 0.0)
    schemas.put(CART, properties={"a": {"type": "string"}})
    made = Running(tmp_path, schemas)
    yield made
    made.subject.close()


def settings(running: Running, **more: Any) -> WarehouseSettings:
    server = running.subject.server
    about = {"kind": "bigquery", "project": PROJECT, "dataset": DATASET, "endpoint": server.endpoint}
    return WarehouseSettings.model_validate({**about, "write_endpoint": server.write_endpoint, **more})


def maintained(running: Running, **more: Any) -> dict[str, str]:
    keeping = settings(running, **more)
    access = open_access(keeping)
    try:
        return dict(maintain(access, keeping))
    finally:
        access.close()


def sql(running: Running, query: str) -> list[Any]:
    """DuckDB's dialect."""
    found: list[Any] = running.subject.server.rows(f"/* duckdb */ {query}")
    return found


def send(running: Running, *records: tuple[Any, bytes]) -> None:
    running.publisher.commit(records)
    running.load()


def test_each_step_says_what_it_did(running: Running, line: Any) -> None:
    running.load(line())
    said = maintained(running)
    assert list(said) == ["retention", "compact", "ledger", "size"]
    assert said["retention"] == "0 rows of events, 0 rows of failed_events"
    assert "0 rows of failed_events_log" in said["compact"]
    assert said["ledger"] == "0 batches summed up"


def test_rows_older_than_allowed_are_deleted_and_accounted_for(running: Running, line: Any) -> None:
    running.load(line(user_id="old", app_id="shop"), line(user_id="young"), b"no line")
    running.load(b"neither")
    age(running.subject.server, 11, "user_id = 'old'", only="events")
    age(running.subject.server, 400, "enriched_line = 'no line'", only="failed_events_log")
    assert maintained(running, event_days=10)["retention"] == "1 rows of events, 1 rows of failed_events"
    assert sql(running, "SELECT user_id FROM events") == [("young",)]
    assert sql(running, "SELECT enriched_line FROM failed_events") == [("neither",)]
    assert sql(running, "SELECT count(*) FROM failed_events_log") == [(1,)]
    rows = sql(running, 'SELECT why, table_name, app_id, "rows" FROM loader_removals ORDER BY ALL')
    assert rows == [("expired", "events", "shop", 1), ("expired", "failed_events", None, 1)]
    assert maintained(running, event_days=10)["retention"] == "0 rows of events, 0 rows of failed_events"
    running.load(line(user_id="next"))
    assert running.subject.warehouse._failed.log.view, "the loader goes on"
    assert len(running.subject.warehouse._failed._known) == 1, "and has forgotten what is gone"


def test_rows_without_end_stay_by_default(running: Running, line: Any) -> None:
    running.load(line())
    age(running.subject.server, 4000)
    assert maintained(running)["retention"].startswith("0 rows of events")


def test_fresh_rows_are_never_touched_whatever_the_settings_say(running: Running, line: Any) -> None:
    running.load(line(user_id="a"))
    age(running.subject.server, 0.05)
    running.subject.server.faults.streaming_seconds = 5400.0
    assert maintained(running, event_days=0.0001)["retention"].startswith("0 rows of events")


def test_logs_lose_what_says_nothing_any_more_and_views_show_the_same(running: Running, line: Any, schemas: Any) -> None:
    for number in range(3):
        send(running, ("bad", violation(EVENT)), ("bad", violation(f"0f0e0d0c-0b0a-4908-8706-05040302010{number + 1}")))
    running.load(line(entities=[(MISSING, {})], user_id="a"))
    schemas.put(MISSING)
    running.load(until=lambda: not running.subject.warehouse.waiting())
    age(running.subject.server, 2)
    running.load(line())
    before = sql(running, "SELECT failure_key, attempts FROM failed_events ORDER BY ALL")
    said = maintained(running)
    assert said["compact"].startswith("4 rows of failed_events_log, 2 rows of waiting_events_log")
    assert sql(running, "SELECT failure_key, attempts FROM failed_events ORDER BY ALL") == before
    assert sql(running, "SELECT count(*) FROM failed_events_log") == [(4,)]
    assert sql(running, "SELECT count(*) FROM waiting_events_log") == [(0,)]


def test_what_an_interrupted_batch_needs_to_be_taken_back_stays(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch wrote newer versions and was never noted; all of that long ago."""
    send(running, ("bad", violation(EVENT)))

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(running.subject.warehouse, "_note", killed)
        with pytest.raises(Killed):
            send(running, ("bad", violation(EVENT)))
    assert sql(running, "SELECT attempts FROM failed_events") == [(2,)]
    age(running.subject.server, 400)
    said = maintained(running, failed_days=365)
    assert said["retention"].endswith("0 rows of failed_events"), "nothing that the loader still has to decide upon"
    running.subject.again()
    assert sql(running, "SELECT attempts FROM failed_events") == [(1,)]


def test_batches_become_a_row_a_day_and_the_ledger_stays(running: Running, line: Any) -> None:
    for number in range(4):
        running.load(line(), line(app_id="shop", collector_tstamp=f"2026-01-0{number + 1} 12:00:00.000"), b"no line")
    age(running.subject.server, 2)
    assert maintained(running)["ledger"] == "0 batches summed up", "those of the day before the last one stay"
    running.load(line())
    before, standing = sql(running, SUMS), running.subject.warehouse.positions()
    assert maintained(running)["ledger"] == "6 batches summed up", "two of them of the start"
    assert sql(running, SUMS) == before
    kinds = dict(sql(running, "SELECT kind, count(*) FROM loader_batches GROUP BY ALL"))
    assert (kinds["batch"], kinds["opening"]) == (1, 1)
    assert kinds["summary"] == 5, "four days, and that of the failures"
    running.subject.again()
    assert running.subject.warehouse.positions() == standing
    running.loader = running.open()
    age(running.subject.server, 2)
    running.load(line())
    maintained(running)
    assert sql(running, "SELECT count(*) FROM loader_batches WHERE kind = 'summary'") == [(5,)]
    assert ledger(running.subject)["received"] == 14


def test_the_loader_does_it_when_it_is_due_and_not_again_before(running: Running, line: Any) -> None:
    running.load(line())
    age(running.subject.server, 11, only="events")
    keeping = settings(running, event_days=10)
    for _ in range(2):
        duties = Housekeeping(keeping)
        duties.between_batches()
        assert duties._thread is not None
        duties._thread.join(20)
        duties.between_batches()
        assert not duties._thread.is_alive(), "it is not due"
    assert sql(running, "SELECT count(*) FROM events") == [(0,)]
    assert sql(running, "SELECT count(*) FROM loader_batches WHERE kind = 'maintained'") == [(1,)]
    when = last_maintained(open_access(keeping))
    assert when is not None
    assert abs(when.timestamp() - time.time()) < 60


def test_a_maintenance_that_fails_is_tried_again_later_and_ends_nothing(
    running: Running, line: Any, caplog: pytest.LogCaptureFixture
) -> None:
    running.load(line())
    running.subject.server.faults.denied = True
    duties = Housekeeping(settings(running))
    duties.between_batches()
    assert duties._thread is not None
    duties._thread.join(30)
    running.subject.server.faults.denied = False
    assert "maintenance failed, it will be tried again" in caplog.text
    assert 500 < duties._due - time.time() < 700


def test_it_may_run_while_events_are_loaded(running: Running, line: Any) -> None:
    stop = threading.Event()
    problems: list[BaseException] = []

    def keep_house() -> None:
        try:
            while not stop.is_set():
                maintained(running)
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=keep_house)
    thread.start()
    try:
        for number in range(5):
            running.load(line(user_id=str(number)), b"no line")
    finally:
        stop.set()
        thread.join()
    assert problems == []
    assert ledger(running.subject) == {"received": 10, "loaded": 5, "failed": 5}
