"""What replay, erasure and maintenance ask of BigQuery: asked of the stand-in, of the real one with SNOWMELT_GCP_PROJECT."""

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bigquery_server import DATASET, PROJECT

from backbone.person import Person
from loader.replay_messages import Account, Mark
from loader.replay_selection import Position, Selection
from loader.settings import WarehouseSettings
from loader.warehouses.bigquery_access import open_access
from loader.warehouses.bigquery_erasure import Erasure
from loader.warehouses.bigquery_maintenance import maintain
from loader.warehouses.bigquery_selection import Selected
from loader.warehouses.protocol import Waiting

from .test_warehouse_contract import KINDS, bad, row, typed

WHO = "zz-somebody-zz"


@pytest.fixture(params=["stand-in", "bigquery"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "bigquery" and "SNOWMELT_GCP_PROJECT" not in os.environ:
        pytest.skip("SNOWMELT_GCP_PROJECT is not set")
    made = KINDS[request.param](tmp_path)
    yield made
    made.close()


def settings(subject: Any) -> WarehouseSettings:
    if hasattr(subject, "server"):
        server = subject.server
        about = {"project": PROJECT, "dataset": DATASET, "endpoint": server.endpoint, "write_endpoint": server.write_endpoint}
    else:
        about = {"project": subject.client.project, "dataset": subject.dataset}
    return WarehouseSettings.model_validate({"kind": "bigquery", "event_days": 0.001, "failed_days": 0.001, **about})


def fill(subject: Any) -> None:
    now = "2026-01-01 10:00:00.000"
    columns = {"user_id": WHO, "collector_tstamp": now}
    waiting = Waiting("iglu:com.acme/x/jsonschema/1-0-0", "not found", now, "line", columns)
    account = Account("r1", "2026-01-01T10:00:00+00:00", "me", {"where": f"user_id = '{WHO}'"})
    mark = Mark("k", 0, "r1", row(1)["event_id"], "2026-01-01T10:00:30+00:00")
    subject.store(row(1, user_id=WHO, app_id="shop"), row(2, user_id="anna"), failed=[bad(3), typed(4, user_id=WHO)])
    subject.store(failed=[bad(3)], waiting=[waiting], replayed=[account, mark])


def test_failed_events_are_chosen_counted_and_read(subject: Any) -> None:
    fill(subject)
    moments = {"since": datetime(2020, 1, 1, tzinfo=UTC), "until": datetime(2100, 1, 1, tzinfo=UTC)}
    words = {"reason": "wrong", "kind": "schema_violations", "where": "attempts = 2 -- twice"}
    with closing(Selected(settings(subject), Selection(**moments, **words, limit=5))) as source:  # type: ignore[arg-type]
        position = Position(datetime(2100, 1, 1, tzinfo=UTC), "0", 1)
        assert source.count(position) == 1
        assert [failure.event_id for failure in source.rows(position)] == [row(3)["event_id"]]
        assert (source.positions(), source.sent_by("r1")) == ({}, {"k"})
        assert source.awaiting() == set()


def test_a_person_is_found_erased_or_left_until_a_time_that_is_told(subject: Any) -> None:
    fill(subject)
    uuid = "0a1b2c3d-aaaa-4bbb-8ccc-abcdef012345"
    with closing(open_access(settings(subject))) as access:
        erasure = Erasure(access, Person.of([WHO], [uuid], [uuid], ["sp"]))
        assert erasure.counted() == {"events": 1, "waiting_events": 1, "failed_events": 1}
        left = erasure.erase()
        there = {place: count for place, count in erasure.counted().items() if count}
        assert there == {each.place: each.rows for each in left if each.place in erasure.counted()}
        assert all(each.when is None or each.when - datetime.now(UTC) < timedelta(hours=2) for each in left)
        assert access.recoverable() >= timedelta(hours=48)
    assert subject.sql("SELECT COUNT(*) FROM events WHERE user_id = 'anna'") == [(1,)]


def test_maintenance_does_its_steps_and_changes_nothing_that_is_fresh(subject: Any) -> None:
    fill(subject)
    keeping = settings(subject)
    with closing(open_access(keeping)) as access:
        for _ in range(2):
            said = dict(maintain(access, keeping))
            assert said["retention"] == "0 rows of events, 0 rows of failed_events"
            assert said["ledger"] == "0 batches summed up"
    assert subject.sql("SELECT COUNT(*) FROM events") == [(2,)]
    assert subject.sql("SELECT COUNT(*) FROM failed_events") == [(2,)]
