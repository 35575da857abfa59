"""A breaking change of a schema in the middle of a stream: every row lands, and none waits for another."""

import os
import threading
import time
from typing import Any

import pytest
from bookkeeping import agreed

from backbone.bus import open_bus
from backbone.iglu import build_resolver
from loader.app import Loader
from loader.settings import LoaderSettings
from loader.warehouses.ducklake import DuckLake

LONG = bool(os.environ.get("SNOWMELT_TEST_LONG"))
CART = "iglu:com.acme/cart/jsonschema/1-0-0"
BROKEN = "iglu:com.acme/cart/jsonschema/1-0-1"
COLUMN = "contexts_com_acme_cart_1"
EVENTS = 2_000


def test_a_breaking_version_in_mid_stream(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(CART, properties={"a": {"type": "string"}}, required=["a"])
    station.settings = station.settings.model_copy(update={"batch_records": 150})
    station.send(*(("enriched", line(app_id=str(at), entities=[(CART, {"a": "x"})])) for at in range(EVENTS // 2)))

    def breaks() -> None:
        schemas.put(BROKEN, properties={"a": {"type": "integer"}}, required=["a"])
        for start in range(EVENTS // 2, EVENTS, 100):
            kinds = ((CART, {"a": "x"}) if at % 2 else (BROKEN, {"a": at}) for at in range(start, start + 100))
            numbered = enumerate(kinds, start)
            station.send(*(("enriched", line(app_id=str(at), entities=[entity])) for at, entity in numbered))

    background = threading.Timer(0.3, breaks)
    background.start()
    station.run_until(lambda loader: loader.totals.loaded == EVENTS)
    background.join()
    recovery = next(name for name in station.columns() if name.startswith(f"{COLUMN}_recovered_1_0_1_"))
    query = f"SELECT count(*), count(DISTINCT app_id), count({COLUMN}[1].a), sum({recovery}[1].a)::BIGINT FROM events"
    evens = range(EVENTS // 2, EVENTS, 2)
    assert station.one(query) == (EVENTS, EVENTS, EVENTS - len(evens), sum(evens))
    assert station.one(f"SELECT count(*) FROM events WHERE {recovery}[1].a IS NOT NULL AND {COLUMN} IS NOT NULL") == 0
    assert station.one("SELECT count(*) FROM failed_events") == 0
    assert station.one("SELECT count(*) FROM waiting_events") == 0


def test_a_breaking_version_that_is_sent_before_it_is_published(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(CART, properties={"a": {"type": "string"}})
    sent = [line(app_id=str(at), entities=[(BROKEN, {"a": at}) if at % 4 == 0 else (CART, {"a": "x"})]) for at in range(200)]
    station.settings = station.settings.model_copy(update={"batch_records": 30})
    station.load_lines(*sent)
    assert station.one("SELECT count(*) FROM events") == 150
    assert station.one("SELECT count(*), any_value(schema) FROM waiting_events") == (50, BROKEN)
    schemas.put(BROKEN, properties={"a": {"type": "integer"}})
    station.run_until(lambda loader: loader.totals.loaded == 50)
    recovery = next(name for name in station.columns() if "_recovered_1_0_1_" in name)
    assert station.one(f"SELECT count(*), sum({recovery}[1].a)::BIGINT FROM events") == (200, sum(range(0, 200, 4)))
    assert station.one("SELECT count(*) FROM waiting_events") == 0
    assert station.one("SELECT count(*) FROM failed_events") == 0


@pytest.mark.skipif(not LONG, reason="the full count, run by `make test-long`")
def test_a_breaking_version_in_a_stream_of_100_000_events(works: Any, schemas: Any, line: Any) -> None:
    """Over the log; a fifth of the second half is of the version that breaks."""
    number, at_once = 100_000, 500

    def publish() -> None:
        for start in range(0, number, at_once):
            if start == number // 2:
                schemas.put(BROKEN, properties={"a": {"type": "integer"}})
            events = ((at, at >= number // 2 and at % 5 == 0) for at in range(start, start + at_once))
            entities = ((at, (BROKEN, {"a": at}) if broken else (CART, {"a": f"a{at}"})) for at, broken in events)
            works.send(*(("enriched", line(br_viewwidth=at, entities=[entity])) for at, entity in entities))

    own = works.settings.section("loader", LoaderSettings)
    resolver = build_resolver(works.settings.iglu)
    loader = Loader(open_bus(works.settings), DuckLake(works.settings.data.warehouse, 2 * number), resolver, own)
    publishing = threading.Thread(target=publish)
    publishing.start()
    deadline = time.monotonic() + 300
    loader.run(lambda: loader.totals.loaded == number or time.monotonic() > deadline)
    publishing.join()
    loader.close()
    resolver.close()
    assert loader.metrics.value("snowmelt_loader_recovery_columns_total") == 1
    columns = [name for (name, *_) in works.sql("DESCRIBE events") if name.startswith(f"{COLUMN}_recovered_")]
    assert len(columns) == 1
    assert columns[0].startswith(f"{COLUMN}_recovered_1_0_1_")
    fits = f"{COLUMN}[1].a = 'a' || br_viewwidth AND {columns[0]} IS NULL AND len({COLUMN}) = 1"
    broken = f"{columns[0]}[1].a = br_viewwidth AND {COLUMN} IS NULL AND len({columns[0]}) = 1 AND br_viewwidth % 5 = 0"
    query = f"SELECT count(*), count(DISTINCT br_viewwidth), count(*) FILTER ({fits}), count(*) FILTER ({broken}) FROM events"
    assert works.sql(query) == [(number, number, number - number // 10, number // 10)]
    assert works.sql("SELECT (SELECT count(*) FROM failed_events), (SELECT count(*) FROM waiting_events)") == [(0, 0)]
    agreed(works)
