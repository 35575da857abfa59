"""What any warehouse does for the loader: the same assertions on the embedded one and on BigQuery.

BigQuery is a stand-in that speaks its protocols; with SNOWMELT_GCP_PROJECT the real one is asked too, in a dataset of its own.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bigquery_server import DATASET, PROJECT, BigQueryServer

from backbone.schema_types import Array, Field, Scalar, Struct
from loader.warehouses.bigquery import BigQuery
from loader.warehouses.bigquery_client import Place
from loader.warehouses.ducklake import DuckLake
from loader.warehouses.ducklake_catalog import open_reader
from loader.warehouses.protocol import Batch, Change, RowsRefused, Waiting, Warehouse

_START = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
CART = "contexts_com_acme_cart_1"
FAMILY = "iglu:com.acme/cart/jsonschema/1-*-*"


class Subject:
    """One warehouse, opened as often as needed. `sql`: table names without anything around them."""

    warehouse: Any
    batches = 0

    def open(self) -> Warehouse:
        raise NotImplementedError

    def sql(self, query: str) -> list[Any]:
        raise NotImplementedError

    def again(self) -> None:
        """As after a crash: nothing of the old one is used any more, or closed."""
        self.warehouse = self.open()

    def batch(self, *rows: dict[str, Any], **more: Any) -> Batch:
        self.batches += 1
        made = Batch((_START + timedelta(milliseconds=self.batches)).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3], **more)
        for one in rows:
            made.add(dict(one), self.warehouse.encode)
        return made

    def store(self, *rows: dict[str, Any], **more: Any) -> Any:
        return self.warehouse.store(self.batch(*rows, **more))

    def shape(self, *names: str, repeated: bool = True) -> Any:
        struct = Struct(tuple(Field(name, Scalar("String"), True, (name,)) for name in names))
        return self.warehouse.shape(Array(struct, False) if repeated else struct)


class Embedded(Subject):
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warehouse = self.open()

    def open(self) -> Warehouse:
        return DuckLake(self.folder / "warehouse", 1000)

    def again(self) -> None:
        self.warehouse.close()
        super().again()

    def sql(self, query: str) -> list[Any]:
        with open_reader(self.folder) as reader:
            return reader.execute(query).fetchall()

    def close(self) -> None:
        self.warehouse.close()


class StandIn(Subject):
    def __init__(self, folder: Path) -> None:
        self.server = BigQueryServer(folder)
        self.warehouse = self.open()

    def open(self) -> Warehouse:
        return BigQuery(Place(PROJECT, DATASET, None, self.server.endpoint, self.server.write_endpoint), 1000)

    def sql(self, query: str) -> list[Any]:
        for table in ("events", "failed_events", "waiting_events", "loader_ledger"):
            query = query.replace(f"FROM {table}", f"FROM `x.{table}`")
        return self.server.rows(query)

    def close(self) -> None:
        self.warehouse.close()
        self.server.close()


class Real(Subject):
    def __init__(self, folder: Path) -> None:
        from google.cloud import bigquery

        self.client = bigquery.Client(project=os.environ["SNOWMELT_GCP_PROJECT"])
        self.dataset = f"snowmelt_test_{uuid.uuid4().hex[:12]}"
        made = self.client.create_dataset(self.dataset)
        made.default_table_expiration_ms = 3_600_000
        self.client.update_dataset(made, ["default_table_expiration_ms"])
        self.warehouse = self.open()

    def open(self) -> Warehouse:
        return BigQuery(Place(self.client.project, self.dataset), 1000)

    def sql(self, query: str) -> list[Any]:
        for table in ("events", "failed_events", "waiting_events", "loader_ledger"):
            query = query.replace(f"FROM {table}", f"FROM `{self.client.project}.{self.dataset}.{table}`")
        return [tuple(row) for row in self.client.query_and_wait(query)]

    def close(self) -> None:
        self.warehouse.close()
        self.client.delete_dataset(self.dataset, delete_contents=True)


KINDS: dict[str, Callable[[Path], Any]] = {"embedded": Embedded, "stand-in": StandIn, "bigquery": Real}


@pytest.fixture(params=KINDS)
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "bigquery" and "SNOWMELT_GCP_PROJECT" not in os.environ:
        pytest.skip("SNOWMELT_GCP_PROJECT is not set")
    made = KINDS[request.param](tmp_path)
    yield made
    made.close()


def row(number: int, **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"00000000-0000-0000-0000-{number:012d}",
        "collector_tstamp": "2026-01-01 10:00:00.125",
        "v_collector": "c",
        "v_etl": "e",
        "event_fingerprint": f"f{number}",
        **more,
    }


def bad(number: int, **more: Any) -> dict[str, Any]:
    """The half of a failure that has the reason."""
    about = row(number)
    return {
        "failure_key": f"{about['event_id']}:f{number}",
        "event_id": about["event_id"],
        "event_fingerprint": about["event_fingerprint"],
        "stage": "enricher",
        "kind": "schema_violations",
        "reason": "wrong",
        "attempts": 1,
        "failed_tstamp": "2026-01-01T10:00:01.000Z",
        "original": "{}",
        **more,
    }


def typed(number: int, **more: Any) -> dict[str, Any]:
    """The half that has the columns."""
    about = row(number, app_id="shop", **more)
    return {**about, "failure_key": f"{about['event_id']}:f{number}", "stage": "enricher", "attempts": 1, "original": "line"}


def ledger(subject: Any) -> dict[str, int]:
    names = ("received", "loaded", "failed", "duplicates", "parked", "unparked", "twins", "incomplete", "completed", "recovered")
    (sums,) = subject.sql(f"SELECT {', '.join(f'SUM({name})' for name in names)} FROM loader_ledger")
    return {name: int(number) for name, number in zip(names, sums, strict=True) if number}


def test_rows_and_positions_are_stored(subject: Any) -> None:
    shown = row(1, app_id="shop", tr_total="12.50", geo_latitude=1.5, txn_id=7, dvce_ismobile=True)
    stored = subject.store(shown, row(2), positions={"log": 5})
    assert (stored.loaded, stored.duplicates) == (2, 0)
    columns = "app_id, tr_total * 10, geo_latitude, txn_id, dvce_ismobile"
    assert subject.sql(f"SELECT {columns} FROM events WHERE txn_id IS NOT NULL") == [("shop", 125, 1.5, 7, True)]
    (moment,) = subject.sql("SELECT collector_tstamp FROM events WHERE txn_id IS NOT NULL")
    assert moment[0] == datetime(2026, 1, 1, 10, 0, 0, 125_000, UTC)
    subject.again()
    assert subject.warehouse.positions() == {"log": 5}
    assert ledger(subject) == {"received": 2, "loaded": 2}


def test_columns_grow_inside_structs_and_lists(subject: Any) -> None:
    subject.store(row(1, **{CART: [{"a": "1"}]}), changes=[Change((CART,), subject.shape("a"), FAMILY)])
    inner = Change((CART, "element", "b"), subject.shape("x", repeated=False))
    subject.store(row(2, **{CART: [{"a": "2", "b": {"x": "3"}}]}), changes=[inner])
    subject.store(
        row(3, **{CART: [{"b": {"y": "4"}}]}),
        changes=[Change((CART, "element", "b", "y"), subject.warehouse.shape(Scalar("String")))],
    )
    subject.again()
    assert subject.warehouse.columns()[CART].family == FAMILY
    assert [found[0][0]["a"] for found in subject.sql(f"SELECT {CART} FROM events ORDER BY event_id")] == ["1", "2", None]
    assert subject.sql(f"SELECT {CART} FROM events ORDER BY event_id")[2][0][0]["b"] == {"x": None, "y": "4"}


def test_an_event_that_comes_again_is_a_duplicate_also_after_a_restart(subject: Any) -> None:
    subject.store(row(1), row(1), row(2))
    assert subject.store(row(2)).duplicates == 1
    subject.again()
    assert subject.store(row(1), row(3)).duplicates == 1
    assert subject.sql("SELECT COUNT(*) FROM events") == [(3,)]
    assert ledger(subject) == {"received": 6, "loaded": 3, "duplicates": 3}


def test_events_without_fingerprint_are_known_by_their_content(subject: Any) -> None:
    plain = {name: value for name, value in row(1).items() if name != "event_fingerprint"}
    subject.store(plain)
    assert subject.store(plain).duplicates == 1
    assert subject.store({**plain, "page_url": "/other", "collector_tstamp": "2026-01-01 11:00:00.000"}).loaded == 1
    subject.again()
    assert subject.store(plain).duplicates == 1


def test_events_that_share_an_id_are_both_kept_and_the_later_is_marked(subject: Any) -> None:
    subject.store(row(1))
    assert subject.store(row(1, event_fingerprint="other")).loaded == 1
    mark = "contexts_com_snowplowanalytics_snowplow_duplicate_1"
    (found,) = subject.sql(f"SELECT {mark} FROM events WHERE event_fingerprint = 'other'")
    assert found[0][0]["original_event_id"] == row(1)["event_id"]


def test_the_halves_of_a_failure_become_one_row(subject: Any) -> None:
    assert subject.store(failed=[bad(1), typed(1)]).failed == 1
    assert subject.store(failed=[bad(2)]).failed == 1
    subject.again()
    subject.store(failed=[typed(2)])
    subject.store(failed=[typed(3)])
    subject.store(failed=[bad(3)])
    rows = subject.sql("SELECT event_id, kind, app_id, attempts, original FROM failed_events ORDER BY event_id")
    assert rows == [(row(number)["event_id"], "schema_violations", "shop", 1, "{}") for number in (1, 2, 3)]


@pytest.mark.parametrize("reason_first", [True, False])
def test_the_halves_of_a_failure_become_one_row_also_after_a_restart(subject: Any, reason_first: bool) -> None:
    halves = [bad(1), typed(1, failed_tstamp="2026-01-01T10:00:01.000Z")]
    first, second = halves if reason_first else reversed(halves)
    subject.store(failed=[first])
    subject.again()
    subject.store(failed=[second])
    assert subject.sql("SELECT kind, app_id FROM failed_events") == [("schema_violations", "shop")]
    assert subject.sql("SELECT COUNT(*) FROM failed_events WHERE collector_tstamp IS NULL OR failed_tstamp IS NULL") == [(0,)]


def test_a_failure_that_comes_again_counts_its_attempts(subject: Any) -> None:
    subject.store(failed=[bad(1)])
    subject.again()
    subject.store(failed=[bad(1, reason="still wrong")])
    assert subject.sql("SELECT attempts, reason FROM failed_events") == [(2, "still wrong")]


def test_a_failure_goes_when_its_event_lands(subject: Any) -> None:
    subject.store(failed=[bad(1), bad(2)])
    assert subject.store(row(1)).recovered == 1
    assert subject.store(failed=[bad(1)]).failed == 0
    assert subject.sql("SELECT event_id FROM failed_events") == [(row(2)["event_id"],)]
    assert ledger(subject) == {"received": 4, "loaded": 1, "failed": 2, "duplicates": 1, "recovered": 1}


def test_events_wait_and_are_taken_oldest_first(subject: Any) -> None:
    schema = "iglu:com.acme/cart/jsonschema/1-0-0"
    begun = "2026-01-01 10:00:00.000"
    waiting = [Waiting(schema, "not found", begun, f"line {n}", {"collector_tstamp": begun, "event_id": str(n)}) for n in (1, 2)]
    assert subject.store(waiting=waiting).parked == 2
    subject.again()
    assert subject.warehouse.waiting()[schema][:2] == (2, 12)
    assert subject.warehouse.waiting()[schema].since == begun
    (first,) = subject.warehouse.waiting_for(schema, None, 1, 1000)
    assert (first.line, first.why, first.first_waited) == ("line 1", "not found", begun)
    assert subject.warehouse.waiting_for(schema, begun, 10, 1000) == []
    assert subject.store(row(1), taken=[first.number]).unparked == 1
    assert subject.sql("SELECT line FROM waiting_events") == [("line 2",)]
    assert ledger(subject) == {"received": 2, "parked": 2, "unparked": 1, "loaded": 1}


def test_rows_that_do_not_fit_are_named_and_the_others_can_be_stored(subject: Any) -> None:
    with pytest.raises(RowsRefused) as caught:
        subject.store(row(1), row(2, geo_latitude="nowhere"), positions={"log": 1})
    assert [at for at, _ in caught.value.rows] == [1]
    assert "nowhere" not in str(caught.value.rows)
    assert subject.store(row(1), positions={"log": 2}).loaded == 1
    assert subject.sql("SELECT COUNT(*) FROM events") == [(1,)]
    assert subject.warehouse.positions() == {"log": 2}
