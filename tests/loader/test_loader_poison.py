"""Whatever is wrong with one record, or with the warehouse's way of taking it: the others load, and it is one failed event."""

import json
import logging
from typing import Any

import duckdb
import pytest

from backbone.bus.protocol import Record
from loader import batch as batches
from loader.lots import Records
from loader.warehouses import ducklake_catalog
from loader.warehouses.ducklake import DuckLake
from loader.warehouses.ducklake_catalog import Doubt, WarehouseUnavailable
from loader.warehouses.protocol import Batch, BatchRefused, Stored

CART = "iglu:com.acme/cart/jsonschema/1-0-0"
TEXT = {"type": "string"}
POISON = "poison"


def poisonous(batch: Batch) -> bool:
    return any(POISON.encode() in row.data for row in batch.rows)


def kinds(station: Any) -> Any:
    return station.sql("SELECT app_id, kind, stage, attempts FROM failed_events ORDER BY 1")


def lines(line: Any, count: int, *poisoned: int) -> list[bytes]:
    return [line(app_id=f"{at:03}", page_title=POISON if at in poisoned else "good") for at in range(count)]


class Refusing(DuckLake):
    """Refuses any batch with a marked row, for no reason that can be told."""

    stores = 0

    def store(self, batch: Batch) -> Stored:
        Refusing.stores += 1
        if poisonous(batch):
            raise BatchRefused("DuckDB: NotImplementedException")
        return super().store(batch)


@pytest.mark.parametrize("poisoned", [(0,), (49,), (7, 8, 30), tuple(range(50))], ids=["first", "last", "three", "all"])
def test_a_batch_that_is_refused_is_stored_but_for_the_rows_at_fault(station: Any, line: Any, poisoned: tuple[int, ...]) -> None:
    station.warehouse = Refusing
    station.load_lines(*lines(line, 50, *poisoned))
    assert station.one("SELECT count(*) FROM events") == 50 - len(poisoned)
    assert kinds(station) == [(f"{at:03}", "loader_runtime_error", "loader", 1) for at in poisoned]
    assert station.bus.backlog("loader", ["enriched"]) == 0
    assert "NotImplementedException" in station.one("SELECT original FROM failed_events LIMIT 1")
    station.warehouse = DuckLake
    station.load_lines(*(kept.encode() for (kept,) in station.sql("SELECT enriched_line FROM failed_events")))
    assert station.one("SELECT count(*) FROM events") == 50, "they can be replayed"


def test_an_error_that_makes_the_connection_useless_is_survived(station: Any, line: Any) -> None:
    class Breaking(DuckLake):
        def _insert(self, rows: Any, *more: Any) -> None:
            if any(POISON.encode() in row.data for row in rows):
                self._connection.close()
                raise duckdb.FatalException("database has been invalidated")
            super()._insert(rows, *more)

    station.warehouse = Breaking
    station.load_lines(*lines(line, 10, 4))
    assert station.one("SELECT count(*) FROM events") == 9
    assert kinds(station) == [("004", "loader_runtime_error", "loader", 1)]
    assert "FatalException" in station.one("SELECT original FROM failed_events")


def test_an_error_of_python_within_the_warehouse_leaves_no_open_transaction(station: Any, line: Any) -> None:
    class Stumbling(DuckLake):
        def _insert(self, rows: Any, *more: Any) -> None:
            super()._insert(rows, *more)
            if any(POISON.encode() in row.data for row in rows):
                raise KeyError(POISON)

    station.warehouse = Stumbling
    station.load_lines(*lines(line, 5, 2))
    assert station.one("SELECT count(*) FROM events") == 4
    assert station.one("SELECT count(*) FROM failed_events") == 1


class Killed(BaseException):
    """The process ends here."""


def test_killed_between_two_parts_nothing_is_skipped_or_doubled(station: Any, line: Any) -> None:
    class Dying(Refusing):
        def store(self, batch: Batch) -> Stored:
            stored = super().store(batch)
            if Refusing.stores > 4:
                raise Killed
            return stored

    station.warehouse = Dying
    records = [("enriched", text) for text in lines(line, 20, 3, 12)]
    records[6:6] = [("bad", json.dumps({"broken": "x"}).encode()), ("enriched", b"nonsense")]
    station.send(*records)
    kills = 0
    for _ in range(30):
        Refusing.stores = 0
        try:
            station.load()
            break
        except Killed:
            kills += 1
            station.bus.acknowledged.clear()
    assert kills > 2
    assert station.one("SELECT count(*), count(DISTINCT app_id) FROM events") == (18, 18)
    attempts = station.sql("SELECT kind, attempts FROM failed_events ORDER BY 1")
    assert attempts == [("loader_parsing_error", 1), ("loader_runtime_error", 1), ("loader_runtime_error", 1), ("unknown", 1)]


@pytest.mark.parametrize("at", [1, 3], ids=["whole", "in-a-part"])
def test_trouble_that_passes_makes_no_failed_events(station: Any, line: Any, at: int) -> None:
    class Busy(Refusing):
        def store(self, batch: Batch) -> Stored:
            if Refusing.stores == at:
                Refusing.stores += 1
                raise WarehouseUnavailable("locked")
            return super().store(batch)

    Refusing.stores = 0
    station.warehouse = Busy
    station.send(*(("enriched", text) for text in lines(line, 8, 5)))
    station.run_until(lambda loader: loader.totals.loaded + loader.totals.failed == 8)
    assert station.one("SELECT count(*) FROM events") == 7
    assert kinds(station) == [("005", "loader_runtime_error", "loader", 1)]


def test_a_failed_event_the_warehouse_refuses_is_kept_shortened(station: Any, line: Any) -> None:
    class Disgusted(DuckLake):
        def store(self, batch: Batch) -> Stored:
            if poisonous(batch) or any(POISON in str(row.get("enriched_line", "")) for row in batch.failed):
                raise BatchRefused("DuckDB: InternalException")
            return super().store(batch)

    station.warehouse = Disgusted
    station.load_lines(line(app_id="a"), line(app_id="b", page_title=POISON, user_id="x\0ü😀" * 10_000), line(app_id="c"))
    assert station.sql("SELECT app_id FROM events ORDER BY 1") == [("a",), ("c",)]
    kind, original, kept = station.one("SELECT kind, original, enriched_line FROM failed_events")
    assert (kind, kept) == ("loader_runtime_error", None)
    assert len(original) < 50_000
    assert original.isascii()
    assert "b" in json.loads(original)["data"]["payload"]


def test_a_warehouse_that_takes_nothing_at_all_is_waited_for(station: Any, line: Any) -> None:
    class Sulking(DuckLake):
        refused = 0

        def store(self, batch: Batch) -> Stored:
            if self.refused < 12:
                self.refused += 1
                raise BatchRefused("DuckDB: InternalException")
            return super().store(batch)

    station.warehouse = Sulking
    station.send(*(("enriched", text) for text in lines(line, 4)))
    station.run_until(lambda loader: loader.totals.loaded + loader.totals.failed == 4)
    assert station.one("SELECT count(*) FROM events") == 4
    assert station.one("SELECT count(*) FROM failed_events") == 0


def test_a_bad_row_whose_time_the_warehouse_does_not_know_is_kept(station: Any, line: Any) -> None:
    """A leap second: legal, and refused by DuckDB."""
    data = {"failure": {"timestamp": "9999-12-31T23:59:60Z", "messages": []}, "payload": {"enriched": {"event_id": "a"}}}
    bad = {"schema": "iglu:com.snowplowanalytics.snowplow.badrows/schema_violations/jsonschema/2-0-1", "data": data}
    station.send(("enriched", line()), ("bad", json.dumps(bad).encode()), ("enriched", line()))
    station.load()
    assert station.one("SELECT count(*) FROM events") == 2
    assert "23:59:60" in station.one("SELECT original FROM failed_events")


@pytest.mark.parametrize("where", ["parse", "cast_event"])
def test_a_surprise_while_a_row_is_made_fails_that_event_only(
    station: Any, line: Any, monkeypatch: pytest.MonkeyPatch, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    real = getattr(batches, where)

    def stumbles(given: Any, *more: Any) -> Any:
        if POISON in str(getattr(given, "line", given)):
            raise ZeroDivisionError(POISON)
        return real(given, *more)

    monkeypatch.setattr(batches, where, stumbles)
    sent = lines(line, 5, 2)
    with caplog.at_level(logging.DEBUG):
        station.load_lines(*sent)
    assert station.one("SELECT count(*) FROM events") == 4
    kind, reason, kept, original = station.one("SELECT kind, reason, enriched_line, original FROM failed_events")
    assert (kind, kept.encode()) == ("loader_runtime_error", sent[2])
    assert json.loads(original)["data"]["failure"] == "ZeroDivisionError"
    assert "ZeroDivisionError" in reason
    assert POISON not in caplog.text


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"\xff"])
def test_a_message_of_a_replay_that_is_none_is_passed_over(station: Any, line: Any, data: bytes) -> None:
    station.send(("replayed", data), ("enriched", line()))
    station.load()
    assert station.one("SELECT count(*) FROM events") == 1
    assert station.bus.backlog("loader", ["replayed"]) == 0


def test_a_schema_too_deep_for_the_warehouse_harms_no_other(station: Any, schemas: Any, line: Any) -> None:
    nested: Any = TEXT
    for _ in range(90):
        nested = {"type": "object", "properties": {"a": nested}}
    schemas.put(CART, properties={"a": nested})
    data: Any = "x"
    for _ in range(40):
        data = {"a": data}
    station.load_lines(line(), line(entities=[(CART, data)]), line())
    found = station.one("SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM failed_events)")
    assert found[0] >= 2
    assert sum(found) == 3


def test_an_event_that_waited_and_is_refused_then_is_a_failed_event(station: Any, schemas: Any, line: Any) -> None:
    sent = [line(app_id=str(at), entities=[(CART, {"a": POISON if at == 2 else "x"})]) for at in range(5)]
    station.load_lines(*sent)
    schemas.put(CART, properties={"a": TEXT})
    station.warehouse = Refusing
    station.run_until(lambda loader: loader.totals.loaded == 4 and loader.totals.failed == 1)
    assert station.one("SELECT count(*) FROM events") == 4
    assert station.one("SELECT count(*) FROM waiting_events") == 0
    assert kinds(station) == [("2", "loader_runtime_error", "loader", 1)]


def test_halves_are_in_order_and_go_on_after_what_is_stored() -> None:
    records = [Record(log, offset, "enriched", b"") for offset in (1, 2, 3) for log in "ab"]
    lot = Records(None, records)  # type: ignore[arg-type]
    first, second = lot.halves()
    assert isinstance(second, Records)
    assert (first.consumed(), second.consumed()) == ({"a": 2, "b": 1}, {"b": 3, "a": 3})
    assert second.previous == records[2]
    assert lot.after({"a": 2, "b": 1}).records == records[3:]
    assert lot.after({"a": 2, "b": 1}).previous == records[2]
    assert Records(None, records[:1]).halves() == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("problem", "transient"),
    [
        (duckdb.IOException("Could not write file: No space left on device"), True),
        (duckdb.TransactionException("Failed to commit: database is locked"), True),
        (duckdb.Error("Failed to query: disk I/O error"), True),
        (duckdb.FatalException("Failed: database or disk is full"), True),
        (duckdb.FatalException("invalidated"), False),
        (duckdb.InternalException("x"), False),
        (duckdb.ConversionException("Could not convert 'disk is full'"), False),
        (duckdb.NotImplementedException("x"), False),
        (duckdb.OutOfMemoryException("x"), False),
    ],
    ids=lambda value: f"{type(value).__name__}-{value}" if isinstance(value, Exception) else "",
)
def test_trouble_from_outside_is_told_from_a_batch_that_cannot_be_stored(problem: duckdb.Error, transient: bool) -> None:
    assert Doubt().is_transient(problem) is transient


def test_a_commit_that_fails_for_no_known_reason_is_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(ducklake_catalog.time, "monotonic", lambda: now[0])
    doubt, problem = Doubt(), duckdb.TransactionException("Failed to commit: odd")
    assert doubt.is_transient(problem)
    now[0] += 9
    assert doubt.is_transient(problem)
    now[0] += 2
    assert not doubt.is_transient(problem)
    now[0] += 70
    assert doubt.is_transient(problem)
