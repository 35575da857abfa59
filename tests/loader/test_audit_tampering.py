"""Whoever tampers with the ledger, the tables or the bus is found out; what cannot be known any more is said."""

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from bookkeeping import ID, Works, agreed, bad_row, numbers, told

from backbone.bus import open_bus
from backbone.bus.segment import listed

OTHER = "1f0e0d0c-0b0a-4908-8706-050403020100"


def test_a_row_deleted_by_hand_is_named_with_its_hour_and_app(works: Works, line: Any) -> None:
    works.send(("enriched", line(app_id="shop")), ("enriched", line(app_id="shop", event_id=ID)), ("bad", bad_row(OTHER)))
    works.load()
    works.tamper(f"DELETE FROM events WHERE event_id = '{ID}'")
    works.tamper("DELETE FROM failed_events")
    found = told(works.audit())
    assert ("2026-01-01 10:00 shop", "rows of events", 2, 1) in found
    assert ("2026-01-01 10:00 shop", "rows of failed_events", 1, 0) in found
    assert len(found) == 2


def test_a_row_put_in_by_hand_is_found(works: Works, line: Any) -> None:
    works.send(("enriched", line(app_id="shop")))
    works.load()
    works.tamper("INSERT INTO events SELECT * FROM events")
    assert told(works.audit()) == [("2026-01-01 10:00 shop", "rows of events", 1, 2)]


def test_a_lost_row_of_the_ledger_is_found(works: Works, line: Any) -> None:
    for app_id in ("a", "b"):
        works.send(("enriched", line(app_id=app_id)))
        works.load()
    works.tamper("DELETE FROM loader_ledger WHERE app_id = 'a'")
    assert told(works.audit()) == [
        ("2026-01-01 10:00 a", "rows of events", 0, 1),
        ("loader", "records in the ledger", 2, 1),
    ]


def test_a_changed_number_of_the_ledger_is_found(works: Works, line: Any) -> None:
    works.send(("enriched", line(app_id="a")))
    works.load()
    works.tamper("UPDATE loader_ledger SET duplicates = 1, loaded = 0")
    assert told(works.audit()) == [("2026-01-01 10:00 a", "rows of events", 0, 1)]
    works.tamper("UPDATE loader_ledger SET loaded = 1")
    assert told(works.audit()) == [("2026-01-01 10:00 a", "events in the ledger", 1, 2)]


@pytest.mark.parametrize("victim", [0, 1, 2], ids=["first", "middle", "last"])
def test_a_record_taken_from_the_bus_before_it_was_read_is_found(works: Works, line: Any, victim: int) -> None:
    works.send(*(("enriched", line()) for _ in range(3)), ("bad", bad_row()))
    (file,) = listed(works.settings.data.bus / "enricher")
    with sqlite3.connect(file) as connection:
        connection.execute("DELETE FROM enriched WHERE offset = ?", (int(file.stem) + victim,))
    connection.close()
    works.load()
    assert told(works.audit()) == [("enricher → loader: stream enriched", "records", 3, 2)]


def test_a_failure_known_from_its_line_only_is_no_difference_but_said(works: Works, line: Any) -> None:
    works.send(("failed", line(event_id=ID)))
    works.load()
    (note,) = agreed(works).notes
    assert note.endswith("not having come: 1.")


def test_removals_are_accounted_for(works: Works, line: Any) -> None:
    works.send(("enriched", line(app_id="shop", event_id=ID)), ("enriched", line(app_id="shop")), ("enriched", line()))
    works.load()
    works.tamper(
        "CREATE TABLE loader_removals"
        " (tstamp TIMESTAMPTZ, why VARCHAR, table_name VARCHAR, hour TIMESTAMPTZ, app_id VARCHAR, rows BIGINT)"
    )
    works.tamper("INSERT INTO loader_removals VALUES (now(), 'erase', 'events', '2026-01-01 10:00:00+00', 'shop', 1)")
    works.tamper("INSERT INTO loader_removals VALUES (now(), 'erase', 'events', '2026-01-01 10:00:00+00', NULL, 1)")
    works.tamper(f"DELETE FROM events WHERE event_id = '{ID}' OR app_id IS NULL")
    assert numbers(agreed(works)) == {"received": 3, "loaded": 3, "removed": 2}


def test_a_warehouse_of_an_older_version_is_taken_over(works: Works, line: Any) -> None:
    works.send(
        ("enriched", line(app_id="a")),
        ("bad", bad_row(value="1")),
        ("bad", bad_row(value="2")),
        ("failed", line(app_id="shop", event_id=ID)),
    )
    works.load()
    works.tamper("DROP TABLE loader_ledger")
    works.tamper("DROP TABLE loader_read")
    assert works.audit().notes != []
    works.send(("enriched", line(app_id="a")))
    works.load()
    assert numbers(agreed(works)) == {"received": 4, "loaded": 2, "failed": 2}


def test_a_bus_made_anew_is_no_difference(works: Works, line: Any) -> None:
    works.send(("enriched", line()), ("enriched", line()))
    works.load()
    works.stop()
    works.publisher.close()
    shutil.rmtree(works.settings.data.bus)
    assert agreed(works).notes != []
    works.publisher = open_bus(works.settings).publisher("enricher")
    works.send(("enriched", line()))
    assert agreed(works).notes != []
    works.load()
    found = agreed(works)
    assert numbers(found) == {"received": 3, "loaded": 3}
    assert [(stage.sent, stage.received) for stage in found.stages] == [(1, 1)]
    works.send(("enriched", line()))
    works.load()
    assert [(stage.sent, stage.received) for stage in agreed(works).stages] == [(2, 2)]


def test_a_warehouse_put_back_to_an_older_state_reads_again_what_the_bus_still_has(
    works: Works, line: Any, tmp_path: Path
) -> None:
    works.send(("enriched", line()))
    works.load()
    works.stop()
    shutil.copytree(works.settings.data.warehouse, tmp_path / "copy")
    works.send(("enriched", line()))
    works.load()
    works.stop()
    shutil.rmtree(works.settings.data.warehouse)
    shutil.copytree(tmp_path / "copy", works.settings.data.warehouse)
    agreed(works)
    works.load()
    assert numbers(agreed(works)) == {"received": 2, "loaded": 2}
