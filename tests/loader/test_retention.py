"""Rows older than allowed go, from the table they are in, counted by hour and app."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from loader.settings import WarehouseSettings
from loader.warehouses import ducklake_upkeep
from loader.warehouses.ducklake import DuckLake
from loader.warehouses.ducklake_catalog import open_reader
from loader.warehouses.ducklake_retention import Expired, delete_expired
from loader.warehouses.protocol import Batch

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def row(number: int, hour: int, app: str | None) -> dict[str, Any]:
    moment = f"2026-01-01 {hour:02}:59:59.999"
    made = {"event_id": f"00000000-0000-0000-0000-{number:012d}", "collector_tstamp": moment, "v_collector": "c", "v_etl": "e"}
    return made if app is None else {**made, "app_id": app}


def failure(number: int, **more: Any) -> dict[str, Any]:
    return {"failure_key": str(number), "kind": "unknown", "stage": "enricher", "attempts": 1, **more}


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[DuckLake]:
    """Rows loaded 40, 20 and 0 days ago."""
    made = DuckLake(tmp_path / "warehouse", 100)
    for at, days in enumerate((40, 20, 0)):
        batch = Batch((NOW - timedelta(days=days)).strftime("%Y-%m-%d %H:%M:%S.000"))
        for number, (hour, app) in enumerate(((10, "shop"), (10, "shop"), (11, "shop"), (10, None))):
            batch.add(row(10 * at + number, hour, app), made.encode)
        batch.failed = [failure(2 * at), failure(2 * at + 1, **row(100 + at, 12, "shop"))]
        made.store(batch)
    yield made
    made.close()


def hour(number: int) -> datetime:
    return datetime(2026, 1, 1, number, tzinfo=UTC)


def expire(warehouse: DuckLake, **settings: Any) -> list[Expired]:
    return delete_expired(warehouse._connection, WarehouseSettings(**settings), NOW)


def counts(tmp_path: Path) -> Any:
    with open_reader(tmp_path) as reader:
        return tuple(reader.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("events", "failed_events"))  # type: ignore[index]


@pytest.mark.parametrize(
    ("days", "left"),
    [
        ({"event_days": 30}, (8, 6)),
        ({"failed_days": 30}, (12, 4)),
        ({"event_days": 10, "failed_days": 30}, (4, 4)),
        ({"event_days": None, "failed_days": None}, (12, 6)),
        ({"event_days": 0.5, "failed_days": 0.5}, (4, 2)),
        ({"event_days": 40}, (12, 6)),
    ],
    ids=lambda value: "-".join(f"{name}={days}" for name, days in value.items()) if isinstance(value, dict) else "",
)
def test_rows_go_when_they_were_loaded_long_enough_ago(
    warehouse: DuckLake, tmp_path: Path, days: dict[str, Any], left: tuple[int, int]
) -> None:
    expired = expire(warehouse, **days)
    assert counts(tmp_path) == left
    assert sum(part.rows for part in expired) == 18 - sum(left)


def test_they_are_counted_by_hour_and_app(warehouse: DuckLake) -> None:
    assert expire(warehouse, event_days=30, failed_days=30) == [
        Expired("events", hour(10), "shop", 2),
        Expired("events", hour(10), None, 1),
        Expired("events", hour(11), "shop", 1),
        Expired("failed_events", hour(12), "shop", 1),
        Expired("failed_events", None, None, 1),
    ]
    assert expire(warehouse, event_days=30, failed_days=30) == []


def test_it_is_part_of_the_callers_transaction(warehouse: DuckLake, tmp_path: Path) -> None:
    warehouse._connection.execute("BEGIN")
    assert expire(warehouse, event_days=1, failed_days=1)
    warehouse._connection.execute("ROLLBACK")
    assert counts(tmp_path) == (12, 6)


@pytest.mark.parametrize("days", [30, 0.001], ids=["some", "all-but-the-newest"])
def test_housekeeping_copes_with_what_is_left_and_loading_goes_on(
    warehouse: DuckLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, days: float
) -> None:
    monkeypatch.setattr(ducklake_upkeep, "_KEPT", "0 seconds")
    expire(warehouse, event_days=days, failed_days=days)
    before = counts(tmp_path)
    warehouse._upkeep.run()
    warehouse._upkeep.run()
    assert counts(tmp_path) == before
    batch = Batch("2026-03-01 00:00:00.000")
    batch.add(row(0, 10, "shop"), warehouse.encode)
    warehouse.store(batch)
    assert counts(tmp_path) == (before[0] + 1, before[1])
    assert not caplog.records


def test_everything_may_go(warehouse: DuckLake, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    connection: duckdb.DuckDBPyConnection = warehouse._connection
    delete_expired(connection, WarehouseSettings(event_days=1, failed_days=1), NOW + timedelta(days=2))
    warehouse._upkeep.run()
    assert counts(tmp_path) == (0, 0)
    assert not caplog.records
