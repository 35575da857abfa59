"""Duplicates, restarts, and SIGKILL at random moments."""

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import duckdb
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbone.bus.log import LogBus
from backbone.errors import ConfigurationError
from loader.deduplicate import MARK, Latest
from loader.known_events import ID_KEY_SQL, PAIR_KEY_SQL, KeySet, id_keys, pair_keys
from loader.warehouses.ducklake import DuckLake
from loader.warehouses.ducklake_catalog import open_reader
from loader.warehouses.protocol import Encoded

CART = "iglu:com.acme/cart/jsonschema/1-0-0"
ID = "0f0e0d0c-0b0a-4908-8706-050403020100"
TEXT = {"type": "string"}
LONG = bool(os.environ.get("SNOWMELT_TEST_LONG"))


@pytest.mark.parametrize("split", [False, True], ids=["same-batch", "later-batch"])
@pytest.mark.parametrize(
    ("first", "second", "rows"),
    [
        ({"event_fingerprint": "a"}, {"event_fingerprint": "a"}, 1),
        ({"event_fingerprint": "a"}, {"event_fingerprint": "a", "page_title": "other"}, 1),
        ({"event_fingerprint": "a"}, {"event_fingerprint": "b"}, 2),
        ({"event_fingerprint": "a"}, {}, 2),
        ({"page_title": "t"}, {"page_title": "t"}, 1),
        ({"page_title": "t"}, {"page_title": "u"}, 2),
        ({"etl_tstamp": "2026-01-01 10:00:00.000"}, {"etl_tstamp": "2026-01-02 10:00:00.000"}, 1),
        (
            {"collector_tstamp": "2026-01-01 10:00:00.000", "dvce_sent_tstamp": "2026-01-01 09:00:00.000"},
            {"collector_tstamp": "2026-01-01 10:00:05.000", "derived_tstamp": "2026-01-01 09:00:05.000"},
            1,
        ),
    ],
    ids=[
        "fingerprint",
        "fingerprint-decides",
        "fingerprints-differ",
        "one-without",
        "content",
        "content-differs",
        "etl-time",
        "times",
    ],
)
def test_an_event_sent_twice_is_one_row_unless_it_differs(
    station: Any, line: Any, first: Any, second: Any, rows: int, split: bool
) -> None:
    station.send(("enriched", line(event_id=ID, **first)))
    if split:
        station.load()
    station.send(("enriched", line(event_id=ID, **second)))
    station.load()
    assert station.one("SELECT count(*) FROM events") == rows
    if not split:
        assert station.totals.duplicates == 2 - rows


@pytest.mark.parametrize(
    ("data", "rows"), [({"a": "x", "n": [1, 2]}, 1), ({"a": "y", "n": [1, 2]}, 2), ({"a": "x", "n": [2]}, 2)]
)
def test_entities_are_content_too(station: Any, schemas: Any, line: Any, data: Any, rows: int) -> None:
    schemas.put(CART, properties={"a": TEXT, "n": {"type": "array", "items": {"type": "integer"}}, "any": {}})
    station.load_lines(line(event_id=ID, entities=[(CART, {"a": "x", "n": [1, 2]})]))
    station.load_lines(line(event_id=ID, entities=[(CART, data)]))
    assert station.one("SELECT count(*) FROM events") == rows


def test_events_outside_the_window_are_not_looked_for(station: Any, line: Any) -> None:
    station.settings = station.settings.model_copy(update={"known_events": 0})
    station.load_lines(line(event_id=ID, event_fingerprint="a"))
    station.load_lines(line(event_id=ID, event_fingerprint="a"))
    assert station.one("SELECT count(*) FROM events") == 2


def test_the_window_holds_at_least_what_it_says() -> None:
    known = KeySet(100)
    for number in range(1000):
        known.add(numpy.array([number], numpy.uint64))
    assert known.contains(numpy.arange(900, 1000, dtype=numpy.uint64)).all()
    assert not known.contains(numpy.arange(0, 800, dtype=numpy.uint64)).any()


@given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=50)), st.lists(st.integers(0, 2**64 - 1), max_size=20))
def test_a_set_of_keys_knows_what_was_added_and_nothing_else(added: list[list[int]], asked: list[int]) -> None:
    known = KeySet(1_000_000)
    for keys in added:
        known.add(numpy.array(keys, numpy.uint64))
    everything = {key for keys in added for key in keys}
    questions = [*asked, *everything]
    assert list(known.contains(numpy.array(questions, numpy.uint64))) == [key in everything for key in questions]


def test_the_warehouse_computes_the_keys_as_python_does() -> None:
    ids, prints = [str(uuid.uuid4()) for _ in range(100)], [uuid.uuid4().hex for _ in range(100)]
    id_key = ID_KEY_SQL.format(id="e")
    pair_key = PAIR_KEY_SQL.format(id="e", fingerprint="f")
    query = f"SELECT {id_key} AS i, {pair_key} AS p FROM (SELECT unnest(?) AS e, unnest(?) AS f)"
    found = duckdb.connect().execute(query, [[*ids, "no id"], [*prints, "é"]]).fetchnumpy()
    assert list(found["i"]) == list(id_keys([*ids, "no id"], 101))
    assert list(found["p"]) == list(pair_keys([*ids, "no id"], [*prints, "é"]))


def test_the_first_of_equal_rows_is_kept() -> None:
    texts = [b'{"n":1,"etl_tstamp":"a"}', b"{}", b'{"n":1,"etl_tstamp":"b"}', b'{"n":2}']
    rows = [Encoded(event_id, None, text) for event_id, text in zip("1211", texts, strict=True)]
    told = Latest(0).told_apart(rows, lambda _: set())
    assert told == ([rows[0], rows[1], rows[3]], [2])


DUPLICATE = "contexts_com_snowplowanalytics_snowplow_duplicate_1"


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "two batches"])
@pytest.mark.parametrize("prints", [("a", "b"), (None, "b"), ("a", None)], ids=str)
def test_events_that_share_an_id_are_both_kept_and_the_later_is_marked(
    station: Any, line: Any, together: bool, prints: tuple[str, str]
) -> None:
    lines = [line(event_id=ID, event_fingerprint=mark, app_id=f"{at}") for at, mark in enumerate(prints)]
    for part in [lines] if together else [[text] for text in lines]:
        station.load_lines(*part)
    marks = [{"_schema_version": "1-0-0", "original_event_id": ID}]
    assert station.sql(f"SELECT app_id, {DUPLICATE} FROM events ORDER BY app_id") == [("0", None), ("1", marks)]
    station.load_lines(*lines)
    assert station.one("SELECT count(*) FROM events") == 2


def test_an_event_marked_by_somebody_else_keeps_that_mark(station: Any, line: Any) -> None:
    station.schemas.put(MARK.uri, properties={"originalEventId": TEXT}, required=["originalEventId"])
    entity = (MARK.uri, {"originalEventId": "0f0e0d0c-0b0a-4908-8706-050403020199"})
    marked = line(event_id=ID, event_fingerprint="b", derived=[entity])
    station.load_lines(line(event_id=ID, event_fingerprint="a"), marked)
    (mark,) = station.one(f"SELECT {DUPLICATE} FROM events WHERE event_fingerprint = 'b'")
    assert mark["original_event_id"] == "0f0e0d0c-0b0a-4908-8706-050403020199"


def test_a_restart_goes_on_where_the_warehouse_says(station: Any, line: Any) -> None:
    station.load_lines(line(app_id="1"), line(app_id="2"))
    station.bus.acknowledged.clear()  # died between commit and acknowledgement
    station.load_lines(line(app_id="3"))
    assert station.sql("SELECT app_id FROM events ORDER BY 1") == [("1",), ("2",), ("3",)]


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    first = DuckLake(tmp_path, 10)
    try:
        with pytest.raises(ConfigurationError, match="another loader"):
            DuckLake(tmp_path, 10)
    finally:
        first.close()


def test_a_moved_data_folder_opens(station: Any, line: Any, tmp_path: Path) -> None:
    station.load_lines(line(app_id="moved"))
    other = tmp_path / "elsewhere"
    other.mkdir()
    (tmp_path / "warehouse").rename(other / "warehouse")
    with open_reader(other) as connection:
        assert connection.execute("SELECT app_id FROM events").fetchall() == [("moved",)]


def test_readers_in_other_processes_see_whole_batches_while_rows_arrive(station: Any, line: Any) -> None:
    station.load_lines(*(line() for _ in range(10)))
    program = (
        "import sys, time; from pathlib import Path; from loader.warehouses.ducklake_catalog import open_reader\n"
        "end = time.time() + 4; seen = set()\n"
        "while time.time() < end:\n"
        "    with open_reader(Path(sys.argv[1])) as c:\n"
        "        for _ in range(5): seen.add(c.execute('SELECT count(*) FROM events').fetchone()[0])\n"
        "print(*sorted(seen))"
    )
    readers = [
        subprocess.Popen([sys.executable, "-c", program, str(station.folder)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for _ in range(6):
        station.load_lines(*(line() for _ in range(10)))
    for reader in readers:
        output, _ = reader.communicate(timeout=60)
        assert reader.returncode == 0
        assert output.split()
        assert all(int(count) % 10 == 0 for count in output.split())


def service(folder: Path, schemas: Path) -> subprocess.Popen[bytes]:
    program = (
        "import sys, logging; from pathlib import Path\n"
        "from backbone.settings import load; from loader.main import run\n"
        "from loader.settings import LoaderSettings, WarehouseSettings\n"
        "flags = {'data.folder': sys.argv[1], 'iglu.schemas': [sys.argv[2]]}\n"
        "flags |= {'loader.batch_seconds': 0.05, 'loader.batch_records': 700}\n"
        "sys.exit(run(load(None, {'loader': LoaderSettings, 'warehouse': WarehouseSettings}, environment={}, flags=flags)))"
    )
    return subprocess.Popen([sys.executable, "-c", program, str(folder), str(schemas)])


@pytest.mark.fault
def test_sigkill_at_random_moments_loses_and_doubles_nothing(tmp_path: Path, schemas: Any, line: Any) -> None:
    schemas.put(CART, properties={"a": TEXT})
    schemas.put("iglu:com.acme/cart/jsonschema/1-0-1", properties={"a": TEXT, "b": TEXT})
    publisher = LogBus(tmp_path / "bus", 1_000_000_000, 5_000_000).publisher("enricher")
    sent = 0
    chance = random.Random(5)
    process = service(tmp_path, schemas.folder)
    for round_number in range(10 if LONG else 3):
        uri = f"iglu:com.acme/cart/jsonschema/1-0-{min(1, round_number // 2)}"
        for _ in range(4):
            lines = [line(event_id=str(uuid.UUID(int=sent + at)), entities=[(uri, {"a": "x"})]) for at in range(400)]
            publisher.commit([("enriched", one) for one in lines] + [("enriched", f"broken {sent}".encode())])
            sent += 400
            time.sleep(0.02)
        time.sleep(0.5 + chance.random())
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = service(tmp_path, schemas.folder)
    publisher.commit([("enriched", line(event_id=str(uuid.UUID(int=sent))))])  # stored by the last process: it is up
    sent += 1
    publisher.close()
    bus = LogBus(tmp_path / "bus", 1_000_000_000, 5_000_000)
    deadline = time.monotonic() + 60
    while bus.backlog("loader", ["enriched"]) and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    with open_reader(tmp_path) as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT event_id) FROM events").fetchone() == (sent, sent)
        assert connection.execute("SELECT count(*) FROM failed_events").fetchone() == (sent // 400,)


@pytest.mark.fault
def test_waiting_events_survive_sigkill_at_random_moments(tmp_path: Path, schemas: Any, line: Any) -> None:
    publisher = LogBus(tmp_path / "bus", 1_000_000_000, 5_000_000).publisher("enricher")
    sent = 0
    chance = random.Random(7)
    process = service(tmp_path, schemas.folder)
    for round_number in range(16 if LONG else 4):
        uri = f"iglu:com.acme/cart{round_number // 2}/jsonschema/1-0-0"
        publisher.commit([("enriched", line(event_id=str(uuid.UUID(int=sent + at)), entities=[(uri, {})])) for at in range(500)])
        sent += 500
        if round_number % 2:
            time.sleep(chance.random())
            schemas.put(uri, properties={"a": TEXT})
        time.sleep(1 + 1.5 * chance.random())
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = service(tmp_path, schemas.folder)
    publisher.commit([("enriched", line(event_id=str(uuid.UUID(int=sent))))])  # stored by the last process: it is up
    sent += 1
    publisher.close()
    deadline = time.monotonic() + 60
    with open_reader(tmp_path) as connection:
        both = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM waiting_events)"
        while connection.execute(both).fetchone() != (sent, 0) and time.monotonic() < deadline:
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        assert connection.execute("SELECT count(*), count(DISTINCT event_id) FROM events").fetchone() == (sent, sent)
        assert connection.execute("SELECT count(*) FROM waiting_events").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM failed_events").fetchone() == (0,)


def test_sigterm_stores_what_is_on_the_bus(tmp_path: Path, schemas: Any, line: Any) -> None:
    process = service(tmp_path, schemas.folder)
    publisher = LogBus(tmp_path / "bus", 1_000_000_000, 5_000_000).publisher("enricher")
    deadline = time.monotonic() + 30
    while not (tmp_path / "warehouse" / "catalog.sqlite").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1.5)
    publisher.commit([("enriched", line()) for _ in range(3000)])
    publisher.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    with open_reader(tmp_path) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (3000,)
