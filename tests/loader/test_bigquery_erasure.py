"""A person out of BigQuery: every row of theirs goes as soon as BigQuery lets go of it; everybody else's stay."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bigquery_age import age
from bigquery_server import DATASET, PROJECT
from replay_works import violation

from backbone import badrow, thrift
from backbone.payload import CollectorPayload
from backbone.person import Person
from loader.warehouses import bigquery_removals
from loader.warehouses.bigquery_access import Access
from loader.warehouses.bigquery_client import Place
from loader.warehouses.bigquery_erasure import Erasure, Left

from .test_bigquery_loader import CART, Running
from .test_erase import MAKER, WHO, failed_event, person

EVENT = "0f0e0d0c-0b0a-4908-8706-050403020100"


@pytest.fixture
def running(tmp_path: Path, schemas: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(bigquery_removals, "_LOOK", 0.0)
    schemas.put(CART, properties={"a": {"type": "string"}})
    made = Running(tmp_path, schemas)
    yield made
    made.subject.close()


def access(running: Running) -> Access:
    server = running.subject.server
    return Access(Place(PROJECT, DATASET, None, server.endpoint, server.write_endpoint))


def erased(running: Running, who: Person | None = None) -> list[Left]:
    with_access = access(running)
    try:
        return Erasure(with_access, who or person()).erase()
    finally:
        with_access.close()


def counted(running: Running, who: Person | None = None) -> dict[str, int]:
    return Erasure(access(running), who or person()).counted()


def sql(running: Running, query: str) -> list[Any]:
    """DuckDB's dialect."""
    found: list[Any] = running.subject.server.rows(f"/* duckdb */ {query}")
    return found


def send(running: Running, *records: tuple[Any, bytes]) -> None:
    running.publisher.commit(records)
    running.load()


def remembered(running: Running, text: str) -> list[str]:
    """Tables with the text in any row, older versions included."""
    tables = [name for name, table in running.subject.server.tables.items() if "view" not in table.resource]
    sql(running, "SELECT 1")
    return [name for name in tables if text in repr(running.subject.server.rows(f"SELECT * FROM `x.{name}`"))]


def test_rows_go_and_everybody_elses_stay(running: Running, line: Any) -> None:
    running.load(line(user_id=WHO), line(user_id=f"{WHO}0"), line(user_id="anna"), line())
    assert counted(running) == {"events": 1, "waiting_events": 0, "failed_events": 0}
    assert erased(running) == []
    assert {user for (user,) in sql(running, "SELECT user_id FROM events")} == {f"{WHO}0", "anna", None}
    assert not any(counted(running).values())


def test_failed_events_are_found_in_every_form(running: Running, line: Any) -> None:
    request = thrift.encode(CollectorPayload(querystring=f"uid={WHO}", path="/i"))
    send(
        running,
        ("bad", failed_event(uid=WHO)),
        ("bad", badrow.generic_error(MAKER, "2026-01-01T11:00:00.000Z", ["e"], base64.b64encode(request).decode())),
        ("failed", line(user_id=WHO)),
        ("enriched", line(user_id=WHO, br_cookies=2)),
        ("enriched", b"\t" * 12 + WHO.encode() + b"\t" * 20),
        ("bad", failed_event(uid=f"{WHO}0", se_la=WHO)),
        ("bad", failed_event(uid="anna")),
    )
    assert counted(running)["failed_events"] == 5
    assert erased(running) == []
    assert counted(running)["failed_events"] == 0
    assert sql(running, "SELECT count(*) FROM failed_events") == [(2,)]


def test_an_id_that_json_writes_differently_is_found_as_well(running: Running) -> None:
    odd = 'quo"te\\and/ö'
    send(running, ("bad", failed_event(uid=odd)), ("bad", failed_event(uid="anna")))
    assert counted(running, person(odd))["failed_events"] == 1
    erased(running, person(odd))
    assert sql(running, "SELECT count(*) FROM failed_events") == [(1,)]


def test_uuids_are_the_same_in_capitals_other_ids_are_not(running: Running, line: Any) -> None:
    cookie = "0a1b2c3d-aaaa-4bbb-8ccc-abcdef012345"
    running.load(
        line(network_userid=cookie), line(domain_userid=cookie.upper()), line(user_id=cookie.upper()), line(user_id="ANNA")
    )
    erased(running, Person.of([cookie, "anna"], [cookie], [cookie.upper()], ["sp"]))
    left = sql(running, "SELECT user_id, domain_userid, network_userid FROM events ORDER BY user_id")
    assert left == [(cookie.upper(), None, None), ("ANNA", None, None)]


def test_what_was_removed_is_noted_in_one_with_the_removal_and_names_nobody(running: Running, line: Any) -> None:
    running.load(
        line(user_id=WHO, app_id="shop"),
        line(user_id=WHO, app_id="shop"),
        line(user_id=WHO, app_id="app", collector_tstamp="2026-01-01 12:59:00.000"),
        line(user_id="anna"),
    )
    send(running, ("bad", failed_event(uid=WHO)))
    erased(running)
    erased(running)
    rows = sql(running, 'SELECT why, table_name, hour::VARCHAR, app_id, "rows" FROM loader_removals ORDER BY ALL')
    assert rows == [
        ("erased", "events", "2026-01-01 10:00:00+00", "shop", 2),
        ("erased", "events", "2026-01-01 12:00:00+00", "app", 1),
        ("erased", "failed_events", "2026-01-01 11:00:00+00", "shop", 1),
    ]
    assert remembered(running, WHO) == []


def test_older_versions_and_what_no_view_shows_any_more_go_too(running: Running, line: Any) -> None:
    """A failure that came twice, and one whose event has landed since."""
    named = violation(EVENT).replace(b'"value": "pv"', f'"value": "pv"}}, {{"name": "uid", "value": "{WHO}"'.encode())
    for _ in range(2):
        send(running, ("bad", named))
    running.load(line(event_id=EVENT, user_id="anna"))
    assert sql(running, "SELECT count(*) FROM failed_events") == [(0,)]
    assert counted(running)["failed_events"] == 1
    assert "failed_events_log" in remembered(running, WHO)
    assert erased(running) == []
    assert remembered(running, WHO) == []
    assert sql(running, "SELECT count(*) FROM loader_removals") == [(0,)], "no view showed it"


def test_waiting_rows_and_notes_of_replays_go_too(running: Running, line: Any) -> None:
    missing = [("iglu:com.acme/not_there_yet/jsonschema/1-0-0", {})]
    running.load(
        line(user_id=WHO, event_id=EVENT), *(line(user_id=user, app_id="shop", entities=missing) for user in (WHO, "anna"))
    )
    for number, (event_id, where) in enumerate(((EVENT, f"user_id = '{WHO}'"), ("other", "true"))):
        account = {"replay_id": f"r{number}", "started": "2026-01-01T10:00:00Z", "who": "me", "filters": {"where": where}}
        mark = {"failure_key": f"k{number}", "attempts": 0, "replay_id": f"r{number}", "event_id": event_id}
        send(running, ("replayed", json.dumps({"replay": account}).encode()), ("replayed", json.dumps(mark).encode()))
    assert counted(running) == {"events": 1, "waiting_events": 1, "failed_events": 0}
    assert erased(running) == []
    assert sql(running, "SELECT user_id FROM waiting_events") == [("anna",)]
    assert sql(running, "SELECT event_id FROM replayed_events") == [("other",)]
    assert sql(running, "SELECT filters FROM replays ORDER BY replay_id") == [(None,), ('{"where":"true"}',)]
    assert ("waiting_events", "shop", 1) in sql(running, 'SELECT table_name, app_id, "rows" FROM loader_removals')
    assert remembered(running, WHO) == []


def test_fresh_rows_are_left_and_it_is_told_from_when_they_can_go(running: Running, line: Any) -> None:
    running.load(line(user_id=WHO, app_id="old"))
    send(running, ("bad", failed_event(uid=WHO)))
    age(running.subject.server, 3600 / 86_400)
    running.load(line(user_id=WHO, app_id="fresh"))
    send(running, ("bad", failed_event(uid=WHO)))
    running.subject.server.faults.streaming_seconds = 1800.0
    left = erased(running)
    assert [(each.place, each.rows) for each in left] == [("events", 1), ("failed_events", 1)]
    assert all(timedelta(minutes=29) < each.when - datetime.now(UTC) < timedelta(minutes=32) for each in left)
    assert sql(running, "SELECT app_id FROM events") == [("fresh",)]
    assert sql(running, "SELECT count(*) FROM failed_events") == [(1,)]
    running.subject.server.faults.streaming_seconds = 0.0
    assert erased(running) == []
    assert sql(running, 'SELECT table_name, sum("rows") FROM loader_removals GROUP BY ALL ORDER BY ALL') == [
        ("events", 2),
        ("failed_events", 2),
    ]


def test_rows_that_are_held_for_longer_are_told_as_such(running: Running, line: Any) -> None:
    running.load(line(user_id=WHO, app_id="fresh"))
    age(running.subject.server, 3600 / 86_400)
    running.subject.server.faults.streaming_seconds = 5400.0
    (left,) = erased(running)
    assert timedelta(minutes=29) < left.when - datetime.now(UTC) < timedelta(minutes=32), "an hour ago, and 91 minutes"


def test_what_a_fresh_note_of_a_replay_leads_to_stays_until_the_note_can_go(running: Running, line: Any) -> None:
    running.load(line(user_id=WHO, event_id=EVENT))
    age(running.subject.server, 7200 / 86_400)
    mark = {"failure_key": "k", "attempts": 0, "replay_id": "r", "event_id": EVENT}
    send(running, ("replayed", json.dumps(mark).encode()))
    running.subject.server.faults.streaming_seconds = 1800.0
    assert {each.place for each in erased(running)} == {"events", "replayed_events"}
    running.subject.server.faults.streaming_seconds = 0.0
    assert erased(running) == []
    assert sql(running, "SELECT count(*) FROM replayed_events_log") == [(0,)]


def test_a_loader_that_runs_forgets_what_was_erased(running: Running, line: Any, schemas: Any) -> None:
    """Neither does an event that waited come back, nor the half of a failure it still had in memory."""
    missing = "iglu:com.acme/not_there_yet/jsonschema/1-0-0"
    running.load(line(user_id=WHO, entities=[(missing, {})]), line(user_id="anna", entities=[(missing, {})]))
    send(running, ("failed", line(event_id=EVENT, user_id=WHO)))
    assert erased(running) == []
    running.load()
    schemas.put(missing)
    send(running, ("bad", failed_event(eid=EVENT)))
    running.load(until=lambda: not running.subject.warehouse.waiting())
    assert sql(running, "SELECT user_id FROM events") == [("anna",)]
    assert sql(running, "SELECT user_id FROM failed_events") == [(None,)]
    assert remembered(running, WHO) == []


def test_an_erased_event_that_comes_again_is_a_duplicate_for_the_loader_that_knows_it(running: Running, line: Any) -> None:
    mine = line(user_id=WHO, event_id=EVENT, event_fingerprint="f")
    running.load(mine)
    erased(running)
    running.load(mine)
    assert sql(running, "SELECT count(*) FROM events") == [(0,)]
    assert sql(running, "SELECT sum(received), sum(loaded), sum(duplicates) FROM loader_ledger") == [(2, 1, 1)]


@pytest.mark.parametrize("user", ["", "nobody-has-this"])
def test_erasing_who_is_not_there_changes_nothing(running: Running, line: Any, user: str) -> None:
    running.load(line(user_id="anna"), line())
    send(running, ("bad", failed_event(uid="anna")))
    assert erased(running, person(user, "x")) == []
    assert sql(running, "SELECT count(*) FROM events") == [(2,)]
    assert sql(running, "SELECT count(*) FROM failed_events") == [(1,)]


def test_what_the_loader_has_in_hand_while_it_is_erased_does_not_come_back(
    running: Running, line: Any, schemas: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A waiting event it has just taken, and a failure whose event lands before the loader would have looked."""
    monkeypatch.setattr(bigquery_removals, "_LOOK", 3600.0)
    running.subject.again()
    running.loader = running.open()
    missing = "iglu:com.acme/not_there_yet/jsonschema/1-0-0"
    running.load(line(user_id=WHO, entities=[(missing, {})]), line(user_id="anna", entities=[(missing, {})]))
    send(running, ("failed", line(event_id=EVENT, user_id=WHO)))
    schemas.put(missing)
    take = running.subject.warehouse.waiting_for

    def erased_meanwhile(*asked: Any) -> Any:
        found = take(*asked)
        erased(running)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(running.subject.warehouse, "waiting_for", erased_meanwhile)
        running.load(until=lambda: not running.subject.warehouse.waiting())
    running.load(line(event_id=EVENT, user_id="bert"))
    assert sql(running, "SELECT user_id FROM events ORDER BY 1") == [("anna",), ("bert",)]
    counts = "sum(failed) + sum(incomplete) - sum(recovered), sum(parked) - sum(unparked), sum(loaded)"
    assert sql(running, f"SELECT {counts} FROM loader_ledger") == [(1, 1, 2)], "both of which were removed"
    assert remembered(running, WHO) == []


def test_what_an_interrupted_batch_has_left_stays_until_the_batch_has_come_again(
    running: Running, line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleted before, it would come again, and be counted as removed though it was never counted as loaded."""

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    running.load(line(user_id=WHO, app_id="noted"))
    mine, broken = line(user_id=WHO, event_id=EVENT), failed_event(uid=WHO)
    with monkeypatch.context() as patched:
        patched.setattr(running.subject.warehouse, "_note", killed)
        with pytest.raises(Killed):
            send(running, ("enriched", mine), ("bad", broken))
    left = erased(running)
    assert sorted((each.place, each.rows, each.when) for each in left) == [("events", 1, None), ("failed_events", 1, None)]
    assert sql(running, "SELECT app_id FROM events") == [(None,)]
    running.subject.again()
    running.loader = running.open()
    running.load()
    assert erased(running) == []
    assert remembered(running, WHO) == []
    assert sql(running, "SELECT sum(loaded), sum(failed) FROM loader_ledger") == [(2, 1)]
    assert sql(running, 'SELECT sum("rows") FROM loader_removals') == [(3,)]
