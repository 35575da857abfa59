"""Events whose schema is missing wait in the warehouse and load by themselves; nothing else is held up by them."""

import json
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from registry_doubles import DOWN, Remote

from backbone.iglu.failures import NOT_FOUND
from backbone.iglu.registries import Answer, FolderRegistry, Place
from backbone.iglu.resolver import CachePolicy, Resolver
from backbone.selfdescribing import SchemaKey, parse_key
from loader import lookups, waiting
from loader.warehouses.ducklake import DuckLake
from loader.warehouses.protocol import Stored, Waited

CART = "iglu:com.acme/cart/jsonschema/1-0-0"
ID = "0f0e0d0c-0b0a-4908-8706-050403020100"
TEXT = {"type": "string"}
SCHEMA = {"type": "object", "properties": {"a": TEXT}}


def version(text: str) -> str:
    return f"iglu:com.acme/cart/jsonschema/{text}"


def landed(count: int) -> Callable[[Any], bool]:
    return lambda loader: loader.totals.loaded >= count


def remote(station: Any, answer: Callable[[SchemaKey], Answer]) -> Remote:
    """The station's schemas come from its folder and from a registry behind HTTP."""
    made = Remote("remote", answer)
    station.resolver = Resolver([FolderRegistry(Place("test"), station.schemas.folder), made])
    return made


def test_an_event_with_an_unknown_schema_waits_and_all_others_load(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(version("2-0-0"), properties={"a": TEXT})
    held = line(
        event_id=ID,
        app_id="shop",
        user_id="u",
        domain_userid="d",
        network_userid="n",
        event_fingerprint="f",
        entities=[(version("2-0-0"), {"a": "x"})],
        event=(CART, {"a": "\0\u2028 'x' 😀"}),
    )
    station.load_lines(held, line(entities=[(version("2-0-0"), {"a": "y"})]))
    assert station.one("SELECT count(*) FROM events") == 1
    assert station.one("SELECT count(*) FROM failed_events") == 0
    names = "schema, why, event_id, app_id, user_id, domain_userid, network_userid, event_fingerprint, bytes, line"
    row = station.one(f"SELECT {names}, collector_tstamp::VARCHAR FROM waiting_events")
    assert row == (CART, "not found", ID, "shop", "u", "d", "n", "f", len(held), held.decode(), "2026-01-01 10:00:00+00")
    assert station.one("SELECT first_waited BETWEEN now() - INTERVAL 1 MINUTE AND now() FROM waiting_events")
    assert (station.totals.loaded, station.totals.parked) == (1, 1)


def test_it_loads_by_itself_once_the_schema_appears(station: Any, schemas: Any, line: Any) -> None:
    station.load_lines(*(line(entities=[(CART, {"a": str(at)})], event_fingerprint=str(at)) for at in range(3)))
    threading.Timer(0.5, lambda: schemas.put(CART, properties={"a": TEXT})).start()
    station.run_until(landed(3))
    rows = station.sql("SELECT contexts_com_acme_cart_1[1].a, contexts_com_acme_cart_1[1]._schema_version FROM events ORDER BY 1")
    assert rows == [("0", "1-0-0"), ("1", "1-0-0"), ("2", "1-0-0")]
    assert station.one("SELECT count(*) FROM waiting_events") == 0
    assert station.totals.unparked == 3


def test_more_than_a_portion_loads_in_order_and_in_portions(
    station: Any, schemas: Any, line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loader.app.PORTION_EVENTS", 4)
    station.load_lines(*(line(entities=[(CART, {"a": str(at)})]) for at in range(10)))
    schemas.put(CART, properties={"a": TEXT})
    station.run_until(landed(10))
    loads = station.sql("SELECT load_tstamp, list(contexts_com_acme_cart_1[1].a ORDER BY 1) FROM events GROUP BY 1 ORDER BY 1")
    assert [values for _, values in loads] == [["0", "1", "2", "3"], ["4", "5", "6", "7"], ["8", "9"]]


def test_the_same_event_twice_lands_once(station: Any, schemas: Any, line: Any) -> None:
    station.load_lines(*(line(event_id=ID, event_fingerprint="f", entities=[(CART, {"a": "x"})]) for _ in range(2)))
    station.load_lines(line(event_id=ID, event_fingerprint="f", entities=[(CART, {"a": "x"})]))
    schemas.put(CART, properties={"a": TEXT})
    station.run_until(lambda loader: loader.totals.unparked == 3)
    assert (station.totals.loaded, station.totals.duplicates) == (1, 2)
    assert station.one("SELECT count(*) FROM events") == 1


def test_an_event_waits_for_one_schema_after_the_other_and_keeps_its_age(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(CART, properties={"a": TEXT})
    station.load_lines(line(entities=[(version("1-0-2"), {"c": "x"})]))
    since = station.one("SELECT first_waited FROM waiting_events")
    schemas.put(version("1-0-1"), properties={"a": TEXT, "b": TEXT})
    station.run_until(lambda loader: version("1-0-2") in loader._warehouse.waiting())
    assert station.one("SELECT schema, first_waited FROM waiting_events") == (version("1-0-2"), since)
    assert (station.totals.parked, station.totals.unparked) == (0, 0)
    schemas.put(version("1-0-2"), properties={"a": TEXT, "b": TEXT, "c": TEXT})
    station.run_until(landed(1))
    assert station.one("SELECT contexts_com_acme_cart_1[1].c FROM events") == "x"


@pytest.mark.parametrize("text", ['{"properties": "text"}', "no json", "[]"], ids=["no-schema", "no-json", "no-object"])
def test_a_schema_that_is_none_is_a_failed_event(station: Any, schemas: Any, line: Any, text: str) -> None:
    schemas.put(CART)
    file = schemas.folder / CART.removeprefix("iglu:")
    file.write_text(text)
    os.utime(file, (time.time() - 60, time.time() - 60))
    station.load_lines(line(entities=[(CART, {"a": "x"})]))
    assert station.one("SELECT kind, schema FROM failed_events") == ("loader_iglu_error", CART)
    assert station.one("SELECT count(*) FROM waiting_events") == 0


def test_an_event_with_another_fault_too_fails_at_once(station: Any, line: Any) -> None:
    station.load_lines(line(entities=[(CART, {})], tr_total="12.3456"))
    failures = json.loads(station.one("SELECT original FROM failed_events"))["data"]["failure"]
    assert [failure["schemaKey"] for failure in failures] == ["iglu:com.snowplowanalytics.snowplow/atomic/jsonschema/1-0-0", CART]


def test_what_has_waited_too_long_fails_and_can_be_replayed(station: Any, schemas: Any, line: Any) -> None:
    station.load_lines(line(event_id=ID, entities=[(CART, {"a": "x"})]))
    usual = station.settings
    station.settings = usual.model_copy(update={"waiting_days": 1e-9})
    station.run_until(lambda loader: loader.totals.failed == 1)
    kind, schema, kept = station.one("SELECT kind, schema, enriched_line FROM failed_events")
    assert (kind, schema) == ("loader_iglu_error", CART)
    assert station.one("SELECT count(*) FROM waiting_events") == 0
    station.settings = usual
    schemas.put(CART, properties={"a": TEXT})
    station.send(("enriched", kept.encode()))
    station.run_until(landed(1))  # the schema is seen within a second
    assert station.one("SELECT count(*) FROM events") == 1
    assert station.one("SELECT count(*) FROM failed_events") == 0


def test_no_more_waits_than_allowed(station: Any, schemas: Any, line: Any) -> None:
    lines = [line(entities=[(CART, {"a": "x"})]) for _ in range(5)]
    station.settings = station.settings.model_copy(update={"waiting_bytes": 2 * len(lines[0]) + 10})
    station.load_lines(lines[0])
    station.load_lines(*lines[1:])
    assert station.one("SELECT count(*) FROM waiting_events") == 2
    assert station.sql("SELECT kind FROM failed_events") == [("loader_iglu_error",)] * 3


def test_a_failed_event_that_waits_now_is_in_one_place(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(CART, type="nonsense")
    data = line(entities=[(CART, {"a": "x"})])
    station.load_lines(data)
    assert station.one("SELECT count(*) FROM failed_events") == 1
    (schemas.folder / CART.removeprefix("iglu:")).unlink()
    time.sleep(0.6)
    station.load_lines(data)
    assert station.one("SELECT count(*) FROM failed_events") == 0
    assert station.one("SELECT count(*) FROM waiting_events") == 1


def test_a_registry_that_is_down_holds_only_events_of_its_unknown_schemas(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(CART, properties={"a": TEXT})
    registry = remote(station, lambda key: DOWN)
    other = "iglu:com.other/thing/jsonschema/1-0-0"
    station.load_lines(line(entities=[(CART, {"a": "x"})]), line(entities=[(other, {"a": "x"})]))
    assert station.one("SELECT count(*) FROM events") == 1
    assert station.one("SELECT schema, why FROM waiting_events") == (other, "registry unavailable")
    registry.answer = lambda key: SCHEMA if key.version.addition == 0 else NOT_FOUND
    station.run_until(landed(1))
    assert station.one("SELECT contexts_com_other_thing_1[1].a FROM events WHERE contexts_com_other_thing_1 IS NOT NULL") == "x"


def test_a_schema_that_a_registry_had_not_is_asked_for_again(station: Any, line: Any) -> None:
    """The resolver takes its "not found" for final."""
    registry = remote(station, lambda key: NOT_FOUND)
    station.load_lines(line(entities=[(CART, {"a": "x"})]))

    def appears(loader: Any) -> bool:
        registry.answer = lambda key: SCHEMA if key.version.addition == 0 else NOT_FOUND
        return bool(loader.totals.loaded)

    station.run_until(appears)
    assert station.one("SELECT count(*) FROM events") == 1


def test_known_versions_go_on_loading_while_their_registry_is_down(station: Any, line: Any) -> None:
    registry = Remote("remote", lambda key: SCHEMA if key.version.addition == 0 else NOT_FOUND)
    station.resolver = Resolver([registry], CachePolicy(size=0))  # asked every time
    station.send(("enriched", line(entities=[(CART, {"a": "1"})])))

    def goes_down(loader: Any) -> bool:
        if loader.totals.loaded == 1 and not station.bus.backlog("loader", ["enriched"]):
            registry.answer = lambda key: DOWN
            new = line(entities=[(version("1-0-1"), {"a": "3"})])
            station.send(("enriched", line(entities=[(CART, {"a": "2"})])), ("enriched", new))
        return bool(loader.totals.loaded == 2 and loader.totals.parked == 1)

    station.run_until(goes_down)
    assert station.sql("SELECT contexts_com_acme_cart_1[1].a FROM events ORDER BY 1") == [("1",), ("2",)]
    assert station.one("SELECT why FROM waiting_events") == "registry unavailable"


def test_a_registry_that_hangs_holds_one_batch_for_a_moment_and_no_other(station: Any, schemas: Any, line: Any) -> None:
    schemas.put(CART, properties={"a": TEXT})
    answers = threading.Event()

    def hang(key: SchemaKey) -> Answer:
        answers.wait(20)
        return SCHEMA if key.version.addition == 0 else NOT_FOUND

    registry = remote(station, hang)
    other = "iglu:com.other/thing/jsonschema/1-0-0"
    asked = Recorder(lookups.Lookups(station.resolver))
    asked.begin_batch()
    assert asked.seconds(other) == pytest.approx(lookups.PATIENCE, abs=0.5)
    asked.begin_batch()
    assert asked.seconds(other) < 0.2
    assert len(registry.asked) == 1
    station.load_lines(line(entities=[(CART, {"a": "x"})]), line(entities=[(other, {"a": "x"})]))
    assert station.one("SELECT count(*) FROM events") == 1
    answers.set()
    station.run_until(landed(1))
    assert station.one("SELECT count(*) FROM events") == 2


class Recorder:
    def __init__(self, asked: lookups.Lookups) -> None:
        self._asked = asked
        self.begin_batch = asked.begin_batch

    def seconds(self, uri: str) -> float:
        started = time.monotonic()
        self._asked.lookup(parse_key(uri))
        return time.monotonic() - started


def test_one_family_is_asked_once_a_batch(station: Any, line: Any) -> None:
    registry = remote(station, lambda key: DOWN)
    station.resolver = Resolver([registry], CachePolicy(size=0))
    station.load_lines(*(line(entities=[(CART, {"a": "x"})]) for _ in range(1000)))
    assert len(registry.asked) == 1
    assert station.one("SELECT count(*) FROM waiting_events") == 1000


def test_what_waits_is_known_without_asking_and_after_a_restart(station: Any, line: Any) -> None:
    lines = [line(entities=[(CART, {"a": "x"})]) for _ in range(2)]
    station.load_lines(*lines)
    warehouse = DuckLake(station.folder / "warehouse", 10)
    try:
        (about,) = warehouse.waiting().values()
        assert (about.events, about.bytes) == (2, sum(map(len, lines)))
        assert [w.line.encode() for w in warehouse.waiting_for(CART, None, 10, 1)] == lines[:1]
        assert [w.line.encode() for w in warehouse.waiting_for(CART, None, 10, 10**6)] == lines
        assert warehouse.waiting_for(CART, about.since, 10, 10**6) == []
    finally:
        warehouse.close()


def test_a_batch_tells_of_events_that_wait_and_of_those_that_did() -> None:
    assert str(Stored(1, 0, 0, 0)) == "1 loaded, 0 failed, 0 duplicates, 0 recovered"
    assert str(Stored(1, 0, 0, 0, 2, 3)).endswith("0 recovered, 2 wait for their schema, 3 had waited")


def test_many_missing_schemas_are_looked_for_in_turn(station: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_MOST_LOOKS", 2)
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0.0)
    looked: list[str] = []

    class Asked:
        def news(self, key: SchemaKey, thoroughly: bool) -> None:
            looked.append(str(key.version))

    watch = waiting.Watch(Asked(), 7)  # type: ignore[arg-type]
    about = Waited(1, 1, "9999-01-01 00:00:00.000")
    waited = {version(f"1-0-{at}"): about for at in range(5)}
    for _ in range(3):
        assert watch.due(waited) is None
    assert len(looked) == 6
    assert set(looked) == {f"1-0-{at}" for at in range(5)}
