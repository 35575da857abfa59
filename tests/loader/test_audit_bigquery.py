"""The books of BigQuery: whoever tampers with them is found out; what is on its way, or comes again, is no difference."""

import datetime
import shutil
from typing import Any

import pytest
from bookkeeping import CART, ID, Works, agreed, bad_row, numbers, told

from backbone.bus import open_bus
from backbone.errors import TransientError
from loader.audit import audit
from loader.warehouses.bigquery_state import State

OTHER = "1f0e0d0c-0b0a-4908-8706-050403020100"


class Killed(BaseException):
    pass


def load_and_die(works: Works, batches: int = 0, **settings: Any) -> None:
    """After so many batches, before the next one is noted."""
    note, left = State.note, iter(range(batches))

    def noting(*about: Any, **more: Any) -> None:
        if next(left, None) is None:
            raise Killed
        note(*about, **more)

    works.stop()
    works.start(**settings)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(State, "note", noting)
        with pytest.raises(Killed):
            works.load()


def test_rows_deleted_by_hand_are_named_with_their_hour_and_app(cloud_works: Works, line: Any) -> None:
    works = cloud_works
    works.send(("enriched", line(app_id="shop")), ("enriched", line(app_id="shop", event_id=ID)), ("bad", bad_row(OTHER)))
    works.load()
    works.tamper(f"DELETE FROM `x.events` WHERE event_id = '{ID}'")
    works.tamper("DELETE FROM `x.failed_events_log` WHERE TRUE")
    assert told(works.audit()) == [
        ("2026-01-01 10:00 shop", "rows of events", 2, 1),
        ("2026-01-01 10:00 shop", "rows of failed_events", 1, 0),
    ]


def test_a_row_that_is_there_twice_is_found(cloud_works: Works, line: Any) -> None:
    cloud_works.send(("enriched", line(app_id="shop")))
    cloud_works.load()
    cloud_works.tamper("INSERT INTO `x.events` SELECT * FROM `x.events`")
    assert told(cloud_works.audit()) == [("2026-01-01 10:00 shop", "rows of events", 1, 2)]


def test_a_row_put_in_by_hand_is_found_once_it_is_old(cloud_works: Works, line: Any) -> None:
    """A fresh one could be that of a batch that is just being stored."""
    cloud_works.send(("enriched", line(app_id="shop")))
    cloud_works.load()
    earlier = "TIMESTAMP_SUB(load_tstamp, INTERVAL 2 HOUR)"
    cloud_works.tamper(f"INSERT INTO `x.events` SELECT * REPLACE ({earlier} AS load_tstamp) FROM `x.events`")
    assert told(cloud_works.audit()) == [("2026-01-01 10:00 shop", "rows of events", 1, 2)]


def test_a_lost_batch_is_found(cloud_works: Works, line: Any) -> None:
    """Its rows look as if it had been interrupted, for an hour."""
    for app_id in ("a", "b"):
        cloud_works.send(("enriched", line(app_id=app_id)))
        cloud_works.load()
    batch = "kind = 'batch' AND (SELECT MAX(c.app_id) FROM UNNEST(cells) c) = 'a'"
    cloud_works.tamper(f"DELETE FROM `x.loader_batches` WHERE {batch}")
    assert told(cloud_works.audit()) == [("loader", "records in the ledger", 2, 1)]


def test_an_interrupted_batch_is_on_its_way_and_no_difference(cloud_works: Works, line: Any) -> None:
    works = cloud_works
    works.send(("enriched", line(app_id="a")))
    works.load()
    works.send(("enriched", line(app_id="a")), ("bad", bad_row()))
    load_and_die(works)
    found = agreed(works)
    assert numbers(found) == {"received": 1, "loaded": 1}
    assert [note for note in found.notes if "just being stored" in note and note.endswith(": 1.")]
    works.stop()
    works.load()
    found = agreed(works)
    assert (numbers(found), found.notes) == ({"received": 3, "loaded": 2, "failed": 1}, [])


def test_a_batch_that_is_interrupted_and_comes_again_in_parts_is_counted_once(cloud_works: Works, line: Any) -> None:
    """The loader dies again and again meanwhile: what came is known, and what is still to come."""
    works = cloud_works
    works.send(*(("enriched", line(app_id="a", event_fingerprint=str(number))) for number in range(3)))
    load_and_die(works)
    for _ in range(2):
        load_and_die(works, batches=1, batch_records=1)
        agreed(works)
    works.stop()
    works.send(("enriched", line(app_id="a")))
    works.load()
    found = agreed(works)
    assert (numbers(found), found.notes) == ({"received": 4, "loaded": 4}, [])


def test_waiting_events_are_accounted_for(cloud_works: Works, schemas: Any, line: Any) -> None:
    cloud_works.publisher.close()
    patient = Works(cloud_works.settings.data.folder, schemas.folder, 1_000_000, cloud_works.server)
    other = "iglu:com.acme/shoe/jsonschema/1-0-0"
    patient.send(*(("enriched", line(entities=[(other, {"a": "x"})])) for _ in range(3)))
    patient.load()
    patient.stop()
    assert numbers(agreed(patient)) == {"received": 3, "waiting": 3}
    patient.tamper("DELETE FROM `x.waiting_events_log` WHERE number = (SELECT MIN(number) FROM `x.waiting_events_log`)")
    assert told(patient.audit()) == [("2026-01-01 10:00 (no app)", "rows of waiting_events", 3, 2)]


def test_removals_are_accounted_for(cloud_works: Works, line: Any) -> None:
    works = cloud_works
    works.send(("enriched", line(app_id="shop", event_id=ID)), ("enriched", line(app_id="shop")), ("enriched", line()))
    works.load()
    assert works.server is not None
    kinds = {
        "tstamp": "TIMESTAMP",
        "why": "STRING",
        "table_name": "STRING",
        "hour": "TIMESTAMP",
        "app_id": "STRING",
        "rows": "INT64",
    }
    works.server.make("loader_removals", [{"name": name, "type": kind, "mode": "NULLABLE"} for name, kind in kinds.items()])
    columns = "(table_name, hour, app_id, `rows`)"
    for app in ("'shop'", "NULL"):
        works.tamper(
            f"INSERT INTO `x.loader_removals` {columns} VALUES ('events', TIMESTAMP('2026-01-01 10:00:00+00'), {app}, 1)"
        )
    works.tamper(f"DELETE FROM `x.events` WHERE event_id = '{ID}' OR app_id IS NULL")
    assert numbers(agreed(works)) == {"received": 3, "loaded": 3, "removed": 2}


def test_the_range_leaves_out_earlier_hours(cloud_works: Works, line: Any) -> None:
    times = [f"2026-01-01 1{hour}:30:00.000" for hour in range(3)]
    cloud_works.send(*(("enriched", line(collector_tstamp=time)) for time in times))
    cloud_works.load()
    found = audit(cloud_works.settings, datetime.datetime(2026, 1, 1, 11, 45, tzinfo=datetime.UTC))
    assert [(hour.hour, hour.loaded) for hour in found.hours] == [("2026-01-01 11:00", 1), ("2026-01-01 12:00", 1)]
    assert found.agrees


def test_hours_whose_partitions_bigquery_may_have_deleted_are_not_compared(cloud_works: Works, line: Any) -> None:
    works = cloud_works
    now = datetime.datetime.now(datetime.UTC)
    works.send(("enriched", line()), ("enriched", line(app_id="new", collector_tstamp=f"{now:%Y-%m-%d %H:%M:%S}.000")))
    works.load()
    assert works.server is not None
    works.server.tables["events"].resource["timePartitioning"]["expirationMs"] = str(30 * 86_400_000)
    works.tamper("DELETE FROM `x.events` WHERE app_id IS NULL")
    found = agreed(works)
    assert [hour.app_id for hour in found.hours] == ["new"]
    assert [note for note in found.notes if "deletes old partitions" in note]


def test_events_of_another_loader_are_not_counted(cloud_works: Works, line: Any) -> None:
    works = cloud_works
    works.send(("enriched", line(app_id="old")))
    works.load()
    works.stop()
    works.tamper("DELETE FROM `x.loader_batches` WHERE TRUE")
    works.send(("enriched", line(app_id="new", entities=[(CART, {"a": "x"})])))
    shutil.rmtree(works.settings.data.bus)
    works.publisher = open_bus(works.settings).publisher("enricher")
    works.send(("enriched", line(app_id="new")))
    works.load()
    assert [(hour.app_id, hour.loaded) for hour in agreed(works).hours] == [("new", 1)]


def test_a_bus_made_anew_is_no_difference(cloud_works: Works, line: Any) -> None:
    works = cloud_works
    works.send(("enriched", line()), ("enriched", line()))
    works.load()
    works.stop()
    works.publisher.close()
    shutil.rmtree(works.settings.data.bus)
    assert agreed(works).notes != []
    works.publisher = open_bus(works.settings).publisher("enricher")
    works.send(("enriched", line()))
    works.load()
    found = agreed(works)
    assert numbers(found) == {"received": 3, "loaded": 3}
    assert [(stage.sent, stage.received) for stage in found.stages] == [(1, 1)]


def test_before_anything_is_loaded_and_without_permission_there_is_nothing_to_audit(cloud_works: Works) -> None:
    with pytest.raises(TransientError, match="nothing has been loaded"):
        cloud_works.audit()
    assert cloud_works.server is not None
    cloud_works.server.faults.denied = True
    with pytest.raises(TransientError, match="accessDenied"):
        cloud_works.audit()
