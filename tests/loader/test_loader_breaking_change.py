"""A breaking change of a schema in the middle of a stream: every row lands, and none waits for another."""

import threading
from typing import Any

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
