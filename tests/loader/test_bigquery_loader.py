"""The loader itself, from the bus to BigQuery."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bookkeeping import ID, Works

from backbone.bus.memory import MemoryBus
from backbone.iglu.registries import FolderRegistry, Place
from backbone.iglu.resolver import Resolver
from loader.app import Loader
from loader.settings import LoaderSettings
from loader.warehouses import bigquery_table

from .test_warehouse_contract import StandIn, ledger

CART = "iglu:com.acme/cart/jsonschema/1-0-0"


class Running:
    def __init__(self, folder: Path, schemas: Any) -> None:
        self.subject = StandIn(folder)
        self.bus = MemoryBus()
        self.publisher = self.bus.publisher("enricher")
        self.resolver: Any = Resolver([FolderRegistry(Place("test"), schemas.folder)])
        self.loader = self.open()

    def open(self, **settings: Any) -> Loader:
        return Loader(self.bus, self.subject.warehouse, self.resolver, LoaderSettings(batch_seconds=0.0, **settings))

    def load(self, *lines: bytes, until: Any = lambda: True) -> None:
        self.publisher.commit([("enriched", line) for line in lines])
        deadline = time.monotonic() + 15.0
        busy = [False]

        def done() -> bool:
            before, busy[0] = busy[0], True
            return (before and until()) or time.monotonic() > deadline

        self.loader.run(done)


@pytest.fixture
def running(tmp_path: Path, schemas: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(bigquery_table, "_PATIENCE", 0.1)
    monkeypatch.setattr(bigquery_table, "_LOOK", 0.05)
    schemas.put(
        CART, properties={"a": {"type": "string"}, "n": {"type": "integer"}, "when": {"type": "string", "format": "date"}}
    )
    made = Running(tmp_path, schemas)
    yield made
    made.subject.close()


def test_events_with_entities_are_loaded(running: Running, line: Any) -> None:
    running.load(line(entities=[(CART, {"a": "x", "n": 7, "when": "2024-02-29"})]), line(app_id="shop"), b"nonsense")
    ((found,),) = running.subject.sql("SELECT contexts_com_acme_cart_1 FROM events WHERE app_id IS NULL")
    assert (found[0]["_schema_version"], found[0]["a"], found[0]["n"], str(found[0]["when"])) == ("1-0-0", "x", 7, "2024-02-29")
    assert running.subject.sql("SELECT kind FROM failed_events") == [("loader_parsing_error",)]
    assert ledger(running.subject) == {"received": 3, "loaded": 2, "failed": 1}


def test_an_event_whose_column_is_late_waits_while_others_load(running: Running, line: Any) -> None:
    running.subject.server.faults.lag_seconds = 3.0
    running.load(line(entities=[(CART, {"a": "x"})]), line(app_id="shop"))
    assert running.subject.sql("SELECT app_id FROM events") == [("shop",)]
    assert running.subject.sql("SELECT why FROM waiting_events") == [("column not writable yet",)]
    running.load(until=lambda: not running.subject.warehouse.waiting())
    assert running.subject.sql("SELECT COUNT(*) FROM events") == [(2,)]
    assert running.subject.sql("SELECT COUNT(*) FROM waiting_events") == [(0,)]


@pytest.mark.parametrize(("lag", "kept"), [(0.0, True), (0.5, True), (30.0, False)])
def test_the_first_failed_event_with_a_column_has_it_unless_bigquery_takes_long(
    cloud_works: Works, line: Any, lag: float, kept: bool
) -> None:
    assert cloud_works.server is not None
    cloud_works.start()
    cloud_works.server.faults.lag_seconds = lag
    cloud_works.send(("failed", line(event_id=ID, entities=[(CART, {"a": "x"})])))
    cloud_works.load()
    columns = "len(contexts_com_acme_cart_1), contexts IS NOT NULL"
    assert cloud_works.sql(f"SELECT {columns} FROM failed_events") == [(1 if kept else None, True)]


def test_a_row_bigquery_refuses_is_a_failed_event_and_the_others_load(running: Running, line: Any) -> None:
    running.subject.server.faults.marked = "poison"
    running.load(line(app_id="shop"), line(page_title="poison"))
    running.subject.server.faults.marked = None
    assert running.subject.sql("SELECT app_id FROM events") == [("shop",)]


def test_without_room_to_wait_a_batch_is_kept_back_until_its_columns_can_be_written(running: Running, line: Any) -> None:
    running.loader = running.open(waiting_bytes=1)
    running.subject.server.faults.lag_seconds = 1.0
    lines = line(entities=[(CART, {"a": "x"})]), line(app_id="shop")
    running.load(*lines, until=lambda: running.loader.totals.loaded == 2)
    assert running.subject.sql("SELECT COUNT(*) FROM events") == [(2,)]
    assert running.subject.server.rows("SELECT COUNT(*) FROM `x.waiting_events_log`") == [(0,)]
    assert ledger(running.subject) == {"received": 2, "loaded": 2}


def test_a_row_that_is_too_large_is_a_size_violation_of_which_the_beginning_is_kept(
    running: Running, line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bigquery_table, "MOST_BYTES", 5000)
    event_id = "0f0e0d0c-0b0a-4908-8706-050403020100"
    large = line(event_id=event_id, app_id="web", event_fingerprint="f", page_title="x" * 6000)
    running.load(line(app_id="shop"), large)
    assert running.subject.sql("SELECT app_id FROM events") == [("shop",)]
    columns = "stage, kind, event_id, app_id, reason, LENGTH(original) < 2000, enriched_line, remedy LIKE '%cannot be replayed%'"
    ((stage, *found, reason, short, kept, told),) = running.subject.sql(f"SELECT {columns} FROM failed_events")
    assert (stage, *found) == ("loader", "size_violation", event_id, "web")
    assert reason.endswith("more than the 5000 that are allowed.")
    assert (short, kept, told) == (True, None, True)
    monkeypatch.setattr(bigquery_table, "MOST_BYTES", 9000)
    running.load(large)
    assert running.subject.sql("SELECT COUNT(*) FROM failed_events") == [(0,)], "its event has landed"
    assert ledger(running.subject) == {"received": 3, "loaded": 2, "failed": 1, "recovered": 1}
