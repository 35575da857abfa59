"""The books of BigQuery agree whatever was erased, had expired, or was summed up."""

from contextlib import closing
from typing import Any

from bigquery_age import age
from bookkeeping import ID, Works, agreed, bad_row

from loader.settings import WarehouseSettings
from loader.warehouses.bigquery_access import Access, open_access
from loader.warehouses.bigquery_erasure import Erasure
from loader.warehouses.bigquery_maintenance import maintain

from .test_erase import WHO, failed_event, person


def opened(works: Works) -> tuple[Access, WarehouseSettings]:
    keeping = works.settings.section("warehouse", WarehouseSettings)
    return open_access(keeping), keeping


def test_erasure_retention_and_summing_up_are_accounted_for(cloud_works: Works, line: Any) -> None:
    works = cloud_works
    works.send(
        ("enriched", line(user_id=WHO, app_id="shop")),
        ("enriched", line(app_id="shop")),
        ("bad", failed_event(uid=WHO)),
        ("bad", bad_row(ID)),
    )
    works.load()
    agreed(works)
    access, keeping = opened(works)
    with closing(access):
        assert Erasure(access, person()).erase() == []
        agreed(works)
        works.send(("enriched", line(app_id="late")))
        works.load()
        agreed(works)
        short = keeping.model_copy(update={"failed_days": 0.1})
        assert works.server is not None
        age(works.server, 2, only="failed_events_log")
        said = dict(maintain(access, short))
        assert said["retention"] == "0 rows of events, 1 rows of failed_events"
        works.send(("enriched", line(app_id="later")))
        works.load()
        agreed(works)


def test_batches_that_were_summed_up_are_accounted_for_and_a_loader_goes_on_from_there(cloud_works: Works, line: Any) -> None:
    works = cloud_works
    for app_id in ("a", "b", "c"):
        works.send(("enriched", line(app_id=app_id)), ("bad", bad_row(ID, app_id)))
        works.load()
    assert works.server is not None
    age(works.server, 2)
    works.stop()
    works.send(("enriched", line(app_id="d")))
    works.load()
    access, keeping = opened(works)
    with closing(access):
        said = dict(maintain(access, keeping))
        assert int(said["ledger"].split()[0]) > 3
        agreed(works)
        works.stop()
        works.send(("enriched", line(app_id="e")))
        works.load()
        agreed(works)
        age(works.server, 2)
        works.send(("enriched", line(app_id="f")))
        works.load()
        maintain_again = dict(maintain(access, keeping.model_copy(update={"event_days": 1.0})))
        assert maintain_again["retention"].startswith("5 rows of events")
        agreed(works)
