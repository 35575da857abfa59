"""A person out of the warehouse: no row, and no byte of any file, tells of them afterwards; everybody else is as before."""

import base64
import json
import os
import sqlite3
import uuid
from pathlib import Path
from typing import Any

import duckdb
import pytest

from backbone import badrow, thrift
from backbone.payload import CollectorPayload
from backbone.person import Person
from loader.settings import WarehouseSettings
from loader.warehouses.ducklake_catalog import open_writer
from loader.warehouses.ducklake_erasure import counted, erase
from loader.warehouses.ducklake_maintenance import maintain

WHO = "zz-somebody-zz"
"""Last of all in any order, hence the largest value of its columns, which catalogues note."""
CART = "iglu:com.acme/cart/jsonschema/1-0-0"
MAKER = badrow.Processor("snowmelt-enricher", "0.1.0")
SETTINGS = WarehouseSettings()


def person(user: str = WHO, domain: str = "", network: str = "") -> Person:
    return Person.of(*([value] if value else [] for value in (user, domain, network)), ["sp"])


def erased(folder: Path, who: Person) -> list[str]:
    connection, lock = open_writer(folder / "warehouse")
    try:
        return erase(connection, folder / "warehouse", who)
    finally:
        connection.close()
        os.close(lock)


def found(folder: Path, text: str) -> list[str]:
    """Where a text still is, in bytes or, for what is compressed, in values."""
    places = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        if text.encode() in file.read_bytes():
            places.append(f"bytes of {file.name}")
        if file.suffix == ".parquet":
            rows = duckdb.sql(f"SELECT * FROM read_parquet('{file}')").fetchall()
            stats = duckdb.sql(f"SELECT * FROM parquet_metadata('{file}')").fetchall()
            places += [f"values of {file.name}" for what in (rows, stats) if text in repr(what)]
    return places


def failed_event(**parameters: str) -> bytes:
    pairs = [{"name": name, "value": value} for name, value in {"eid": str(uuid.uuid4()), "aid": "shop", **parameters}.items()]
    raw = {"parameters": pairs, "headers": [], "userId": None, "timestamp": "2026-01-01T10:00:00.000Z"}
    return badrow.event_failed(badrow.SCHEMA_VIOLATIONS, MAKER, "2026-01-01T11:30:00.000Z", [], {"app_id": "shop"}, raw)


def test_rows_go_and_everybody_elses_stay(station: Any, line: Any) -> None:
    station.load_lines(line(user_id=WHO), line(user_id=f"{WHO}0"), line(user_id="anna"), line())
    assert erased(station.folder, person()) == []
    users = {user for (user,) in station.sql("SELECT user_id FROM events")}
    assert users == {f"{WHO}0", "anna", None}


def test_not_a_byte_is_left(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(CART, properties={"note": {"type": "string"}, "items": {"type": "array", "items": {"type": "string"}}})
    for number in range(4):
        note = {"note": f"{WHO}-note", "items": [f"{WHO}-item"]}
        mine = line(user_id=WHO, se_label=f"{WHO}-label", entities=[(CART, note)], event=(CART, note))
        station.load_lines(
            mine, line(user_id="anna", se_label=f"label {number}", entities=[(CART, {"note": "n", "items": ["i"]})])
        )
    station.send(("bad", failed_event(uid=WHO)), ("bad", failed_event(uid="anna")))
    station.load()
    there = found(station.folder / "warehouse", WHO)
    assert "bytes of catalog.sqlite" in there or "bytes of catalog.sqlite-wal" in there, "smallest and largest values"
    assert any(place.startswith("values of") for place in there)
    before = (
        station.one("SELECT count(*) FROM events"),
        station.sql("SELECT * FROM events WHERE user_id = 'anna' ORDER BY event_id"),
    )
    assert erased(station.folder, person()) == []
    assert found(station.folder / "warehouse", WHO) == []
    station.close()
    station._reader = None
    assert before[0] == 8
    assert station.one("SELECT count(*) FROM events") == 4
    assert station.sql("SELECT * FROM events WHERE user_id = 'anna' ORDER BY event_id") == before[1]
    assert station.one("SELECT count(*) FROM failed_events") == 1


def test_after_merges_and_further_loading_it_stays_gone(station: Any, line: Any) -> None:
    for _ in range(3):
        station.load_lines(line(user_id=WHO), line(user_id="anna"))
    connection, lock = open_writer(station.folder / "warehouse")
    list(maintain(connection, station.folder / "warehouse", SETTINGS, None))
    erase(connection, station.folder / "warehouse", person())
    assert found(station.folder / "warehouse", WHO) == []
    connection.execute(
        "INSERT INTO events (collector_tstamp, event_id, v_collector, v_etl, load_tstamp, user_id)"
        " VALUES (now(), 'x', 'x', 'x', now(), 'bert')"
    )
    list(maintain(connection, station.folder / "warehouse", SETTINGS, None))
    connection.close()
    os.close(lock)
    assert found(station.folder / "warehouse", WHO) == [], "DuckLake remembers nothing of it"
    station.load_lines(line(user_id="anna"))
    assert station.one("SELECT count(*) FROM events") == 5
    assert station.one("SELECT count(*) FROM events WHERE user_id = 'anna'") == 4
    assert station.one("SELECT count(*) FROM events WHERE user_id IS NOT NULL") == 5


def test_failed_events_are_found_in_every_form(station: Any, line: Any) -> None:
    request = thrift.encode(CollectorPayload(querystring=f"uid={WHO}", path="/i"))
    station.send(
        ("bad", failed_event(uid=WHO)),
        ("bad", badrow.generic_error(MAKER, "2026-01-01T11:00:00.000Z", ["e"], base64.b64encode(request).decode())),
        ("failed", line(user_id=WHO)),
        ("enriched", line(user_id=WHO, br_cookies=2)),
        ("enriched", b"\t" * 12 + WHO.encode() + b"\t" * 20),
        ("bad", failed_event(uid=f"{WHO}0", se_la=WHO)),
        ("bad", failed_event(uid="anna")),
    )
    station.load()
    assert counted(station.reader, person()) == {"events": 0, "waiting_events": 0, "failed_events": 5}
    assert erased(station.folder, person()) == []
    assert counted(station.reader, person()) == {"events": 0, "waiting_events": 0, "failed_events": 0}
    assert station.one("SELECT count(*) FROM failed_events") == 2


def test_an_id_that_json_writes_differently_is_found_as_well(station: Any) -> None:
    odd = 'quo"te\\and/ö'
    station.send(("bad", failed_event(uid=odd)), ("bad", failed_event(uid="anna")))
    station.load()
    assert counted(station.reader, person(odd))["failed_events"] == 1
    erased(station.folder, person(odd))
    assert station.one("SELECT count(*) FROM failed_events") == 1


def test_uuids_are_the_same_in_capitals_other_ids_are_not(station: Any, line: Any) -> None:
    cookie = "0a1b2c3d-aaaa-4bbb-8ccc-abcdef012345"
    station.load_lines(
        line(network_userid=cookie), line(domain_userid=cookie.upper()), line(user_id=cookie.upper()), line(user_id="ANNA")
    )
    erased(station.folder, Person.of([cookie, "anna"], [cookie], [cookie.upper()], ["sp"]))
    left = station.sql("SELECT user_id, domain_userid, network_userid FROM events ORDER BY user_id")
    assert left == [(cookie.upper(), None, None), ("ANNA", None, None)]


def test_what_was_removed_is_accounted_for_without_naming_anybody(station: Any, line: Any) -> None:
    station.load_lines(
        line(user_id=WHO, app_id="shop"),
        line(user_id=WHO, app_id="shop"),
        line(user_id=WHO, app_id="app", collector_tstamp="2026-01-01 12:59:00.000"),
        line(user_id="anna"),
    )
    station.send(("bad", failed_event(uid=WHO)))
    station.load()
    erased(station.folder, person())
    erased(station.folder, person())
    rows = station.sql('SELECT why, table_name, hour::VARCHAR, app_id, "rows" FROM loader_removals ORDER BY ALL')
    assert rows == [
        ("erased", "events", "2026-01-01 10:00:00+00", "shop", 2),
        ("erased", "events", "2026-01-01 12:00:00+00", "app", 1),
        ("erased", "failed_events", "2026-01-01 11:00:00+00", "shop", 1),
    ]


def test_waiting_rows_and_notes_of_replays_go_too(station: Any, line: Any) -> None:
    missing = [("iglu:com.acme/not_there_yet/jsonschema/1-0-0", {})]
    station.load_lines(
        line(user_id=WHO, event_id="0f0e0d0c-0b0a-4908-8706-050403020100"),
        *(line(user_id=user, app_id="shop", entities=missing) for user in (WHO, "anna")),
    )
    connection, lock = open_writer(station.folder / "warehouse")
    run = connection.execute
    for event_id in ("0f0e0d0c-0b0a-4908-8706-050403020100", "other"):
        run("INSERT INTO replayed_events (replay_id, event_id) VALUES ('r', ?)", [event_id])
    for number, where in enumerate((f"user_id = '{WHO}'", "true")):
        run("INSERT INTO replays (replay_id, filters) VALUES (?, ?)", [f"r{number}", json.dumps({"where": where})])
    assert counted(connection, person()) == {"events": 1, "waiting_events": 1, "failed_events": 0}
    assert erase(connection, station.folder / "warehouse", person()) == []
    assert run("SELECT user_id FROM waiting_events").fetchall() == [("anna",)]
    assert run("SELECT event_id FROM replayed_events").fetchall() == [("other",)]
    assert run("SELECT filters FROM replays ORDER BY replay_id").fetchall() == [(None,), ('{"where": "true"}',)]
    assert ("waiting_events", "shop", 1) in run('SELECT table_name, app_id, "rows" FROM loader_removals').fetchall()
    connection.close()
    os.close(lock)
    assert found(station.folder / "warehouse", WHO) == []


def test_files_of_a_transaction_that_was_killed_go_as_well(station: Any, line: Any) -> None:
    station.load_lines(line(user_id="anna"))
    lost = station.folder / "warehouse/data/main/events/ducklake-lost.parquet"
    duckdb.sql(f"COPY (SELECT '{WHO}' AS user_id) TO '{lost}'")
    assert found(station.folder / "warehouse", WHO)
    erased(station.folder, person())
    assert found(station.folder / "warehouse", WHO) == []


def test_a_reader_elsewhere_goes_on_with_what_there_is_now(station: Any, line: Any) -> None:
    station.load_lines(line(user_id=WHO), line(user_id="anna"))
    assert station.one("SELECT count(*) FROM events") == 2
    erased(station.folder, person())
    assert station.one("SELECT count(*) FROM events") == 1
    station.load_lines(line(user_id="bert"))
    assert sorted(station.sql("SELECT user_id FROM events")) == [("anna",), ("bert",)]


def test_statistics_of_columns_fit_what_is_left(station: Any, line: Any) -> None:
    station.load_lines(*(line(user_id=user) for user in (WHO, "anna", "bert")))
    erased(station.folder, person())
    with sqlite3.connect(station.folder / "warehouse/catalog.sqlite") as db:
        query = (
            "SELECT min_value, max_value FROM ducklake_table_column_stats JOIN ducklake_column USING (table_id, column_id)"
            " WHERE column_name = 'user_id' ORDER BY table_id LIMIT 1"
        )
        assert db.execute(query).fetchone() == ("anna", "bert")


@pytest.mark.parametrize("user", ["", "nobody-has-this"])
def test_erasing_who_is_not_there_changes_nothing(station: Any, line: Any, user: str) -> None:
    station.load_lines(line(user_id="anna"), line())
    station.send(("bad", failed_event(uid="anna")))
    station.load()
    assert erased(station.folder, person(user, "x")) == []
    assert station.one("SELECT count(*) FROM events") == 2
    assert json.loads(station.one("SELECT original FROM failed_events"))["schema"] == badrow.SCHEMA_VIOLATIONS
