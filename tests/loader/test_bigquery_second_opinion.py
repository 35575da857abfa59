"""BigQuery as the third-party bqemulator understands it: it parses BigQuery's SQL, and reads our rows its own way.

What it does not do, and is therefore left to our own stand-in and to BigQuery itself: columns added to a table can be seen, but
not written; streams never tell of a new schema; fields of records cannot be called as words of SQL are.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("google.cloud.bigquery_storage", reason="the libraries of Google Cloud are not installed")

import second_bigquery
from google.cloud import bigquery

from loader.warehouses import bigquery_failed
from loader.warehouses.bigquery import BigQuery
from loader.warehouses.bigquery_atomic import ATOMIC_SHAPES
from loader.warehouses.bigquery_client import BigQueryUnavailable, Place, Session
from loader.warehouses.bigquery_proto import RowWriter
from loader.warehouses.bigquery_schema import field_of
from loader.warehouses.bigquery_stream import Stream
from loader.warehouses.bigquery_table import GrowingTable
from loader.warehouses.protocol import Leaf, ListOf, Record, Shape, Waiting, Warehouse
from snowmelt import doctor_bigquery

# Those of the contract that add no column: collected here as tests of this file, on this file's `subject`.
from .test_warehouse_contract import (  # noqa: F401
    Subject,
    bad,
    row,
    test_a_failure_goes_when_its_event_lands,
    test_a_failure_that_comes_again_counts_its_attempts,
    test_an_event_that_comes_again_is_a_duplicate_also_after_a_restart,
    test_events_wait_and_are_taken_oldest_first,
    test_events_without_fingerprint_are_known_by_their_content,
    test_rows_and_positions_are_stored,
    test_rows_that_do_not_fit_are_named_and_the_others_can_be_stored,
    test_the_halves_of_a_failure_become_one_row,
    test_the_halves_of_a_failure_become_one_row_also_after_a_restart,
    typed,
)

PROJECT = "test"


@pytest.fixture(scope="module")
def emulator() -> Iterator[tuple[str, str]]:
    with second_bigquery.running(PROJECT) as addresses:
        yield addresses


class SecondOpinion(Subject):
    def __init__(self, emulator: tuple[str, str]) -> None:
        self.place = Place(PROJECT, second_bigquery.fresh_dataset(), None, *emulator)
        self.session = Session(self.place)
        self.session.rest.create_dataset(bigquery.Dataset(str(self.place)))
        self.warehouse = self.open()

    def open(self) -> Warehouse:
        return BigQuery(self.place, 1000)

    def sql(self, query: str) -> list[Any]:
        for table in ("events", "failed_events", "waiting_events", "loader_ledger"):
            query = query.replace(f"FROM {table}", f"FROM `{self.place}.{table}`")
        return [tuple(each) for each in self.session.query(query)]

    def close(self) -> None:
        self.warehouse.close()
        self.session.close()


@pytest.fixture
def subject(emulator: tuple[str, str]) -> Iterator[SecondOpinion]:
    made = SecondOpinion(emulator)
    yield made
    made.close()


@pytest.fixture
def session(emulator: tuple[str, str]) -> Iterator[Session]:
    """On an empty dataset."""
    made = Session(Place(PROJECT, second_bigquery.fresh_dataset(), None, *emulator))
    made.rest.create_dataset(bigquery.Dataset(str(made.place)))
    yield made
    made.close()


def test_tables_and_views_are_made_as_documented(subject: SecondOpinion) -> None:
    rest = subject.session.rest
    made = {table.table_id: rest.get_table(table) for table in rest.list_tables(str(subject.place))}
    assert {name for name, table in made.items() if table.table_type == "TABLE"} == set(doctor_bigquery.TABLES)
    assert {name for name, table in made.items() if table.table_type == "VIEW"} == set(doctor_bigquery.VIEWS)
    events = made["events"]
    assert (events.time_partitioning.field, events.clustering_fields) == ("load_tstamp", ["event_name"])
    assert [field.name for field in events.schema] == [*ATOMIC_SHAPES, "load_tstamp"]
    for view in doctor_bigquery.VIEWS:
        assert subject.session.query(f"SELECT * FROM {subject.session.quoted(view)}") == []


STATEMENTS = {
    ("bigquery_duplicates", "read"),
    ("bigquery_duplicates", "latest_load"),
    ("bigquery_failed", "read"),
    ("bigquery_failed", "_rows"),
    ("bigquery_log", "undo"),
    ("bigquery_state", "_openings"),
    ("bigquery_state", "_last"),
    ("bigquery_waiting", "read"),
    ("bigquery_waiting", "take"),
    ("bigquery_replays", "read"),
}
"""Where the loader asks; that of `undo` are three statements, two of which change the table."""


def test_every_statement_of_the_loader_is_understood(emulator: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[tuple[str, str]] = set()
    original = Session.query

    def noting(self: Session, sql: str, **parameters: Any) -> list[Any]:
        caller = sys._getframe(1).f_code
        asked.add((Path(caller.co_filename).stem, caller.co_name.strip("<>")))
        return original(self, sql, **parameters)

    def no_answer(*_: Any) -> None:
        raise BigQueryUnavailable("lost")

    monkeypatch.setattr(Session, "query", noting)
    monkeypatch.setattr(bigquery_failed, "_RECENT", 0)  # or halves of failures would be joined without asking
    subject = SecondOpinion(emulator)
    schema, begun = "iglu:com.acme/x/jsonschema/1-0-0", "2026-01-01 10:00:00.000"
    waiting = Waiting(schema, "not found", begun, "line", {"collector_tstamp": begun, "event_id": "7"})
    subject.store(failed=[typed(1)])
    subject.store(failed=[bad(1)], waiting=[waiting])
    monkeypatch.setattr(subject.warehouse._state, "note", no_answer)
    with pytest.raises(BigQueryUnavailable):
        subject.store(row(1), failed=[bad(2)])  # written, but for what makes it a batch: taken back
    subject.again()
    assert subject.store(row(1), failed=[bad(2)]).loaded == 1
    assert subject.sql("SELECT event_id FROM failed_events") == [(row(2)["event_id"],)]
    assert subject.sql("SELECT COUNT(*) FROM events") == [(1,)]
    assert list(subject.warehouse.waiting()) == [schema]
    assert len(subject.warehouse.waiting_for(schema, None, 10, 1000)) == 1
    assert asked >= STATEMENTS
    subject.close()


NESTED: dict[str, Shape] = {
    "id": Leaf("STRING"),
    "unstruct_event_com_acme_cart_1": Record({"day": Leaf("DATE"), "total": Leaf("NUMERIC"), "open": Leaf("BOOL")}),
    "contexts_com_acme_item_1": ListOf(Record({"name": Leaf("STRING"), "tags": ListOf(Leaf("STRING")), "size": Leaf("FLOAT64")})),
    "seen": Leaf("TIMESTAMP"),
}


def test_nested_rows_come_back_as_they_were_written(session: Session) -> None:
    session.create({"tableId": "nested", "schema": {"fields": [field_of(name, shape) for name, shape in NESTED.items()]}})
    table = GrowingTable(session, "nested")
    table.open()
    items = [{"name": "blanket", "tags": ["warm", "red"], "size": 1.5}, {"name": "öl"}]
    cart = {"day": 19_782, "total": "12.30", "open": True}
    table.append(
        [
            {
                "id": "a",
                "unstruct_event_com_acme_cart_1": cart,
                "contexts_com_acme_item_1": items,
                "seen": "2026-01-01T10:00:00.125Z",
            },
            {"id": "b"},
        ]
    )
    full, empty = session.query(f"SELECT * FROM {session.quoted('nested')} ORDER BY id")
    made = full["unstruct_event_com_acme_cart_1"]
    assert (str(made["day"]), f"{made['total']:.2f}", made["open"]) == ("2024-02-29", "12.30", True)
    first, second = full["contexts_com_acme_item_1"]
    assert (first["name"], first["tags"], first["size"]) == ("blanket", ["warm", "red"], 1.5)
    assert (second["name"], second["tags"], second["size"]) == ("öl", [], None)
    assert full["seen"].isoformat() == "2026-01-01T10:00:00.125000+00:00"
    assert (empty["unstruct_event_com_acme_cart_1"], empty["contexts_com_acme_item_1"], empty["seen"]) == (None, [], None)


def test_rows_sent_to_the_same_offset_again_are_there_once_and_a_gap_is_refused(session: Session) -> None:
    shapes: dict[str, Shape] = {"id": Leaf("STRING"), "n": Leaf("INT64")}
    session.create({"tableId": "flat", "schema": {"fields": [field_of(name, shape) for name, shape in shapes.items()]}})
    writer, stream = RowWriter(shapes), Stream(session, "flat")
    rows = [writer.write({"id": f"r{n}", "n": n}) for n in range(5)]
    stream.append(writer.schema, rows)
    assert stream.offset == 5
    stream.offset = 0  # as if the answer had been lost
    stream.append(writer.schema, rows)
    assert stream.offset == 5
    stream.offset = 7
    with pytest.raises(BigQueryUnavailable, match="OUT_OF_RANGE"):
        stream.append(writer.schema, rows)
    stream.disconnect()
    assert [tuple(one) for one in session.query(f"SELECT id, n FROM {session.quoted('flat')} ORDER BY n")] == [
        (f"r{n}", n) for n in range(5)
    ]


def test_the_doctor_finds_nothing_wrong(subject: SecondOpinion) -> None:
    found = list(doctor_bigquery.checks(subject.session, ("loader",)))
    assert {check.what for check in found if check.outcome == "fine"} >= {f"table {name}" for name in doctor_bigquery.TABLES}
    assert [check for check in found if check.outcome not in ("fine", "unknown")] == []
