"""What was sent is what is there, whatever is sent, fails, comes twice or is sent again."""

import datetime
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bookkeeping import CART, ID, Works, agreed, bad_payload, bad_row, numbers

from loader.audit import audit
from loader.replay import replay
from loader.warehouses.ducklake import DuckLake


def failed(line: Any, **fields: Any) -> bytes:
    made: bytes = line(event_id=ID, app_id="shop", **fields)
    return made


def test_a_warehouse_without_events_agrees(works: Works) -> None:
    works.load()
    assert agreed(works).hours == []


def test_hours_and_apps_are_counted_apart(works: Works, line: Any) -> None:
    times = ["2026-01-01 10:59:59.999", "2026-01-01 11:00:00.000", "2026-01-01T11:30:00"]
    works.send(*(("enriched", line(app_id=app, collector_tstamp=time)) for app in ("a", "b") for time in times))
    works.send(("enriched", line(collector_tstamp=times[0])))
    works.load()
    assert [(hour.hour, hour.app_id, hour.loaded) for hour in agreed(works).hours] == [
        ("2026-01-01 10:00", "", 1),
        ("2026-01-01 10:00", "a", 1),
        ("2026-01-01 10:00", "b", 1),
        ("2026-01-01 11:00", "a", 2),
        ("2026-01-01 11:00", "b", 2),
    ]


MIXES: dict[str, tuple[Callable[[Any], list[list[tuple[str, bytes]]]], dict[str, int]]] = {
    "good": (lambda line: [[("enriched", line())], [("enriched", line())]], {"received": 2, "loaded": 2}),
    "a duplicate at once": (
        lambda line: [[("enriched", one := line()), ("enriched", one)]],
        {"received": 2, "loaded": 1, "duplicates": 1},
    ),
    "a duplicate later": (
        lambda line: [[("enriched", one := line())], [("enriched", one)]],
        {"received": 2, "loaded": 1, "duplicates": 1},
    ),
    "a duplicate of another hour": (
        lambda line: [
            [("enriched", line(event_id=ID, event_fingerprint="f", collector_tstamp="2026-01-01 10:59:59.000"))],
            [("enriched", line(event_id=ID, event_fingerprint="f", collector_tstamp="2026-01-01 11:00:01.000"))],
        ],
        {"received": 2, "loaded": 1, "duplicates": 1},
    ),
    "no event at all": (lambda line: [[("enriched", b"nonsense")], [("enriched", b"nonsense")]], {"received": 2, "failed": 2}),
    "refused by the loader": (
        lambda line: [[("enriched", line(entities=[(CART, {"a": 5})])), ("enriched", line())]],
        {"received": 2, "loaded": 1, "failed": 1},
    ),
    "both halves at once": (lambda line: [[("failed", failed(line)), ("bad", bad_row())]], {"received": 1, "failed": 1}),
    "the line first": (lambda line: [[("failed", failed(line))], [("bad", bad_row())]], {"received": 1, "failed": 1}),
    "the bad row first": (lambda line: [[("bad", bad_row())], [("failed", failed(line))]], {"received": 1, "failed": 1}),
    "half of a failure": (lambda line: [[("failed", failed(line))], [("failed", failed(line))]], {}),
    "the same failure in one batch": (
        lambda line: [[("bad", bad_row()), ("bad", bad_row())]],
        {"received": 2, "failed": 2},
    ),
    "the same failure an hour later": (
        lambda line: [[("bad", bad_row(collector_tstamp=f"2026-01-01 1{hour}:00:00.000"))] for hour in (0, 1)],
        {"received": 2, "failed": 2},
    ),
    "the same failure in two hours of one batch": (
        lambda line: [[("bad", bad_row(collector_tstamp=f"2026-01-01 1{hour}:00:00.000")) for hour in (0, 1)]],
        {"received": 2, "failed": 2},
    ),
    "a payload without events": (
        lambda line: [[("bad", bad_payload())], [("bad", bad_payload("2026-01-02T10:00:00.000+02:00"))]],
        {"received": 2, "failed": 2},
    ),
    "no bad row and no line": (lambda line: [[("bad", b"\xff"), ("failed", b"no line")]], {"received": 2, "failed": 2}),
    "landed after it failed": (
        lambda line: [[("failed", failed(line)), ("bad", bad_row())], [("enriched", line(event_id=ID))]],
        {"received": 2, "loaded": 1, "failed": 1, "recovered": 1},
    ),
    "landed and failed at once": (
        lambda line: [[("bad", bad_row()), ("enriched", line(event_id=ID))]],
        {"received": 2, "loaded": 1, "failed": 1, "recovered": 1},
    ),
    "failed after it landed": (
        lambda line: [
            [("enriched", line(event_id=ID, event_fingerprint="f"))],
            [("failed", failed(line, event_fingerprint="f")), ("bad", bad_row(event_fingerprint="f"))],
        ],
        {"received": 2, "loaded": 1, "duplicates": 1},
    ),
    "years that nobody lives in": (
        lambda line: [
            [
                ("enriched", line(collector_tstamp="0000-01-01 10:00:00.000")),
                ("enriched", line(collector_tstamp="9999-12-31 23:59:59")),
            ],
            [("bad", bad_payload("-0044-03-15T12:00:00Z")), ("bad", bad_row(collector_tstamp="0000-01-01T10:00:00.000"))],
        ],
        {"received": 4, "loaded": 2, "failed": 2},
    ),
}


IN_BIGQUERY = {"years that nobody lives in": {"received": 4, "loaded": 1, "failed": 3}}
"""It knows no year 0."""


@pytest.fixture(params=["ducklake", "bigquery"])
def any_works(request: pytest.FixtureRequest) -> Works:
    """On either warehouse."""
    made: Works = request.getfixturevalue("works" if request.param == "ducklake" else "cloud_works")
    return made


@pytest.mark.parametrize("name", MIXES, ids=[name.replace(" ", "-") for name in MIXES])
def test_whatever_comes_is_accounted_for(any_works: Works, line: Any, name: str) -> None:
    batches, expected = MIXES[name]
    if any_works.server is not None:
        expected = IN_BIGQUERY.get(name, expected)
    for batch in batches(line):
        any_works.send(*batch)
        any_works.load()
    assert numbers(agreed(any_works)) == expected


def test_replays_are_accounted_for(works: Works, schemas: Any, line: Any) -> None:
    other = "iglu:com.acme/shoe/jsonschema/1-0-0"
    works.send(("enriched", line(entities=[(other, {"a": "x"})])), ("bad", bad_payload()))
    works.load()
    replay(works.settings)
    works.stop()
    works.load()
    assert numbers(agreed(works)) == {"received": 3, "failed": 3, "recovered": 1}
    schemas.put(other, properties={"a": {"type": "string"}})
    works.stop()
    replay(works.settings)
    works.load()
    assert numbers(agreed(works)) == {"received": 4, "loaded": 1, "failed": 3, "recovered": 2}
    assert works.sql("SELECT count(*) FROM failed_events") == [(0,)]


def test_waiting_events_are_accounted_for(tmp_path: Path, schemas: Any, line: Any) -> None:
    patient = Works(tmp_path / "data", schemas.folder, waiting_bytes=1_000_000)
    other = "iglu:com.acme/shoe/jsonschema/1-0-0"
    patient.send(*(("enriched", line(entities=[(other, {"a": "x"})])) for _ in range(3)))
    patient.load()
    assert numbers(agreed(patient)) == {"received": 3, "waiting": 3}
    schemas.put(other, properties={"a": {"type": "string"}})
    deadline = time.monotonic() + 20
    patient.load(lambda: bool(patient.sql("SELECT 1 FROM events")) or time.monotonic() > deadline)
    assert numbers(agreed(patient)) == {"received": 3, "loaded": 3}
    patient.stop()


def test_what_is_on_its_way_is_no_difference(works: Works, line: Any) -> None:
    works.send(("enriched", line()))
    works.load()
    works.send(("enriched", line()), ("bad", bad_row()))
    (stage,) = agreed(works).stages
    assert (stage.sent, stage.received, stage.on_the_way) == (1, 1, 2)


def test_the_range_leaves_out_earlier_hours(works: Works, line: Any) -> None:
    works.send(*(("enriched", line(collector_tstamp=f"2026-01-01 1{hour}:30:00.000")) for hour in range(3)))
    works.load()
    found = audit(works.settings, datetime.datetime(2026, 1, 1, 11, 45, tzinfo=datetime.UTC))
    assert [hour.hour for hour in found.hours] == ["2026-01-01 11:00", "2026-01-01 12:00"]
    assert found.agrees


def test_rows_of_the_ledger_become_one_for_each_cell(works: Works, line: Any) -> None:
    for hour in (0, 0, 0, 1):
        works.send(("enriched", line(collector_tstamp=f"2026-01-01 1{hour}:00:00.000", app_id="a")))
        works.load()
    before = agreed(works).hours
    works.stop()
    warehouse = DuckLake(works.settings.data.warehouse, 10)
    warehouse._ledger.compact()
    warehouse.close()
    assert works.sql("SELECT received, loaded FROM loader_ledger ORDER BY hour") == [(3, 3), (1, 1)]
    assert agreed(works).hours == before
