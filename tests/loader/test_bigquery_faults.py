"""BigQuery as it is on bad days: answers lost, columns late, quotas, permissions, other writers; and a loader killed half-way."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bigquery_server import DATASET, PROJECT, BigQueryServer

from backbone.errors import ConfigurationError, TransientError
from loader.warehouses import bigquery_stream, bigquery_table
from loader.warehouses.bigquery import BigQuery
from loader.warehouses.bigquery_client import BigQueryUnavailable, Place
from loader.warehouses.bigquery_log import Log
from loader.warehouses.bigquery_state import State, Superseded
from loader.warehouses.protocol import Batch, BatchRefused, Change, NotYetWritable, RowsRefused

from .test_warehouse_contract import CART, FAMILY, StandIn, bad, ledger, row, typed


class Killed(BaseException):
    pass


@pytest.fixture
def subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setattr(bigquery_stream, "_PAUSE", 0.001)
    monkeypatch.setattr(bigquery_table, "_PATIENCE", 0.3)
    monkeypatch.setattr(bigquery_table, "_LOOK", 0.05)
    monkeypatch.setattr(bigquery_table, "_DISTRUST", 0.2)
    made = StandIn(tmp_path)
    yield made
    made.close()


def count(subject: Any, table: str = "events") -> int:
    (found,) = subject.sql(f"SELECT COUNT(*) FROM {table}")
    return int(found[0])


@pytest.mark.parametrize("faults", [["unavailable"], ["lost", "quota", "stored"], ["stored", "stored"]])
def test_an_append_whose_answer_is_lost_stores_its_rows_once(subject: Any, faults: list[str]) -> None:
    subject.server.faults.appends += faults
    assert subject.store(row(1), row(2)).loaded == 2
    assert count(subject) == 2


def test_when_trying_at_once_does_not_help_the_batch_comes_again(subject: Any) -> None:
    subject.server.faults.appends += ["stored", *["unavailable"] * 10]
    batch = subject.batch(row(1), positions={"log": 3})
    with pytest.raises(BigQueryUnavailable):
        subject.warehouse.store(batch)
    assert subject.warehouse.positions() == {}
    subject.server.faults.appends.clear()
    stored = subject.store(row(1), row(2), positions={"log": 4})
    assert (stored.loaded, stored.duplicates, count(subject)) == (2, 0, 2)
    assert ledger(subject) == {"received": 2, "loaded": 2}


@pytest.mark.parametrize("step", ["before the logs", "before the last row"])
def test_a_loader_killed_half_way_repeats_its_batch_and_nothing_is_there_twice(
    subject: Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def killed(*_: Any) -> None:
        raise Killed

    subject.store(row(1), failed=[bad(2), bad(3)], positions={"log": 1})
    with monkeypatch.context() as patched:
        patched.setattr(*((Log, "flush") if step == "before the logs" else (State, "note")), killed)
        with pytest.raises(Killed):
            subject.store(row(2), row(4), failed=[bad(3), typed(3), bad(5)], positions={"log": 2})
    assert count(subject) == 3
    subject.again()
    assert subject.warehouse.positions() == {"log": 1}
    assert subject.sql("SELECT event_id, attempts FROM failed_events ORDER BY event_id") == [
        (row(number)["event_id"], 1) for number in (2, 3)
    ]
    stored = subject.store(row(2), row(4), failed=[bad(3), typed(3), bad(5)], positions={"log": 2})
    assert (stored.loaded, stored.duplicates, stored.failed, stored.recovered) == (2, 0, 1, 1)
    assert count(subject) == 3
    assert subject.sql("SELECT attempts, app_id FROM failed_events ORDER BY event_id") == [(2, "shop"), (1, None)]
    assert ledger(subject)["loaded"] == 3
    assert ledger(subject)["recovered"] == 1


def test_a_loader_that_was_replaced_stores_nothing_any_more(subject: Any) -> None:
    old = subject.warehouse
    subject.again()
    batch = Batch("2026-01-01 10:00:00.000")
    batch.add(row(1), old.encode)
    with pytest.raises(BigQueryUnavailable):
        old.store(batch)
    with pytest.raises(Superseded):
        old.store(batch)
    assert count(subject) == 0
    assert subject.store(row(1)).loaded == 1


@pytest.mark.parametrize("hidden", [False, True], ids=["seen", "hidden"])
def test_rows_that_need_a_column_that_is_late_wait_and_others_do_not(subject: Any, hidden: bool) -> None:
    subject.server.faults.lag_seconds, subject.server.faults.lag_hidden = 1.0, hidden
    changes = [Change((CART,), subject.shape("a"), FAMILY)]
    with pytest.raises(NotYetWritable) as caught:
        subject.store(row(1), row(2, **{CART: [{"a": "1"}]}), changes=changes)
    assert list(caught.value.rows) == [1]
    assert subject.store(row(1)).loaded == 1
    for _ in range(20):
        try:
            assert subject.store(row(2, **{CART: [{"a": "1"}]})).loaded == 1
            break
        except NotYetWritable:
            continue
    assert subject.sql(f"SELECT {CART} FROM events ORDER BY event_id DESC")[0] == ([{"a": "1"}],)
    assert count(subject) == 2


def test_a_column_added_by_somebody_else_in_the_same_moment_is_merged(subject: Any) -> None:
    def other(table: Any) -> None:
        table.fields.append({"name": "theirs", "type": "STRING", "mode": "NULLABLE"})

    subject.server.faults.racing.append(other)
    subject.store(row(1, **{CART: [{"a": "1"}]}), changes=[Change((CART,), subject.shape("a"), FAMILY)])
    assert {"theirs", CART} <= subject.warehouse.columns().keys()
    assert subject.server.faults.patches == 2


def test_a_column_made_otherwise_by_somebody_else_is_noticed(subject: Any) -> None:
    def other(table: Any) -> None:
        table.fields.append({"name": CART, "type": "STRING", "mode": "NULLABLE"})

    subject.server.faults.racing.append(other)
    with pytest.raises(BigQueryUnavailable, match="made by somebody else"):
        subject.store(row(1, **{CART: [{"a": "1"}]}), changes=[Change((CART,), subject.shape("a"), FAMILY)])
    assert subject.store(row(1)).loaded == 1


def test_too_many_changes_of_a_table_are_tried_again(subject: Any) -> None:
    subject.server.faults.patch_refusals += [(403, "rateLimitExceeded")] * 2
    subject.store(row(1, **{CART: [{"a": "1"}]}), changes=[Change((CART,), subject.shape("a"), FAMILY)])
    assert count(subject) == 1


def test_rows_that_bigquery_refuses_are_named(subject: Any) -> None:
    subject.server.faults.marked = "poison"
    with pytest.raises(RowsRefused) as caught:
        subject.store(row(1), row(2, app_id="poison"), row(3))
    assert [at for at, _ in caught.value.rows] == [1]
    assert subject.store(row(1), row(3)).loaded == 2


def test_a_batch_that_is_refused_without_reason_is_refused_as_a_whole(subject: Any) -> None:
    subject.server.faults.appends.append("invalid")
    with pytest.raises(BatchRefused):
        subject.store(row(1))
    assert subject.store(row(1)).loaded == 1


def test_large_batches_go_in_several_requests_and_a_row_that_fits_none_is_named(subject: Any) -> None:
    assert subject.store(*(row(number, page_url="x" * 4_000_000) for number in range(4))).loaded == 4
    with pytest.raises(RowsRefused, match="1 rows") as caught:
        subject.store(row(5, page_url="x" * 9_500_000))
    assert "9000000 at most" in caught.value.rows[0][1]
    assert count(subject) == 4


def test_a_failure_that_does_not_fit_is_stored_with_fewer_columns(subject: Any) -> None:
    stored = subject.store(row(1), failed=[bad(2, geo_latitude="nowhere", app_id="shop"), bad(3)], positions={"log": 1})
    assert (stored.loaded, stored.failed) == (1, 2)
    assert subject.sql("SELECT app_id, reason FROM failed_events ORDER BY event_id") == [("shop", "wrong"), (None, "wrong")]
    assert count(subject) == 1
    assert ledger(subject) == {"received": 3, "loaded": 1, "failed": 2}


def test_permission_that_is_lost_and_comes_back_costs_no_event(subject: Any) -> None:
    subject.server.faults.denied = True
    subject.warehouse._events.stream.disconnect()
    for _ in range(2):
        with pytest.raises(TransientError):
            subject.store(row(1))
    subject.server.faults.denied = False
    assert subject.store(row(1)).loaded == 1
    assert count(subject) == 1


def test_a_table_of_another_loader_is_taken_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server = BigQueryServer(tmp_path)
    place = Place(PROJECT, DATASET, None, server.endpoint, server.write_endpoint)
    first = BigQuery(place, 10)
    first.close()
    events = server.tables["events"]
    events.resource.pop("timePartitioning")
    fields = [field for field in events.fields if field["name"] != "load_tstamp"]
    next(field for field in fields if field["name"] == "tr_total")["type"] = "FLOAT"
    entity = {"name": "a", "type": "STRING", "mode": "REQUIRED"}
    fields.append({"name": CART, "type": "RECORD", "mode": "REPEATED", "fields": [entity]})
    events.resource["schema"]["fields"] = fields
    warehouse = BigQuery(place, 10)
    said = " ".join(record.getMessage() for record in caplog.records)
    assert "tr_total: it is FLOAT64 where NUMERIC is usual; values are converted" in said
    assert "load_tstamp: it is missing and will be added" in said
    batch = Batch("2026-01-01 10:00:00.000")
    batch.add(row(1, tr_total="12.5", **{CART: [{}]}), warehouse.encode)
    assert warehouse.store(batch).loaded == 1
    assert server.rows("SELECT tr_total FROM `x.events`") == [(12.5,)]
    warehouse.close()
    next(field for field in events.fields if field["name"] == "txn_id")["type"] = "STRUCT"
    next(field for field in events.fields if field["name"] == "txn_id")["fields"] = [entity]
    with pytest.raises(ConfigurationError, match="txn_id"):
        BigQuery(place, 10)
    server.close()


def test_a_dataset_that_is_not_there_is_said(tmp_path: Path) -> None:
    server = BigQueryServer(tmp_path)
    with pytest.raises(ConfigurationError, match="there is no dataset"):
        BigQuery(Place(PROJECT, "elsewhere", None, server.endpoint, server.write_endpoint), 10)
    server.close()
