"""Events that fail, are patched on their way through a replay, and land: with the real enricher and the real loader."""

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus, urlencode

import pytest
from replay_works import CART, ID, OTHER, TP2, Works, rejected_request, violation

from loader.patches import of_text
from loader.replay import preview
from loader.replay_outcomes import Change
from loader.replay_selection import Selection

UNSTRUCT = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"
CONTEXTS = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0"
PAYLOAD = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
LANDED = "SELECT event_id, unstruct_event_com_acme_cart_1.a FROM events"


@pytest.fixture
def works(tmp_path: Path, schemas: Any) -> Works:
    schemas.put(CART, properties={"a": {"type": "integer"}, "price": {"type": "number"}}, additionalProperties=False)
    return Works(tmp_path / "data", schemas.folder)


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def cart(data: Any, event_id: str = ID, plain: bool = False, **more: str) -> str:
    """The query string of a self-describing event."""
    wrapped = {"schema": UNSTRUCT, "data": {"schema": CART, "data": data}}
    event = {"ue_pr": json.dumps(wrapped)} if plain else {"ue_px": encoded(wrapped)}
    return urlencode({"e": "ue", "p": "web", "tv": "t", "eid": event_id, "aid": "shop", **event, **more})


def encoded_cart(data: str) -> str:
    text = f'{{"schema":"{UNSTRUCT}","data":{{"schema":"{CART}","data":{data}}}}}'
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def js(body: str) -> tuple[str, str]:
    return "patch.js", f"function patch(event) {{ {body} }}"


def json_patch(*operations: Any) -> tuple[str, str]:
    return "patch.json", json.dumps(operations)


TO_NUMBER = js("event.unstruct_event.data.a = Number(event.unstruct_event.data.a); return event;")
SET_TO_8 = json_patch({"op": "replace", "path": "/unstruct_event/data/a", "value": 8})


@pytest.mark.parametrize("plain", [False, True], ids=["base64", "plain"])
@pytest.mark.parametrize(("patch", "value"), [(TO_NUMBER, 7), (SET_TO_8, 8)], ids=["JavaScript", "JSON patch"])
def test_an_event_the_enricher_refused_lands_as_patched(works: Works, patch: tuple[str, str], value: int, plain: bool) -> None:
    works.collect(cart({"a": "7"}, plain=plain))
    works.flow()
    counts = works.replay(*patch)
    assert (counts.to_enricher, counts.changed, counts.broken) == (1, 1, {})
    works.flow()
    assert works.sql(LANDED) == [(ID, value)]
    assert works.sql("SELECT count(*) FROM failed_events") == [(0,)]
    assert works.replay(*patch).selected == 0


def test_what_the_patch_does_not_touch_is_sent_as_it_came(works: Works) -> None:
    query = cart({"a": "7", "price": 1.50}, co=json.dumps({"schema": CONTEXTS, "data": []}), page="ü & ö")
    works.collect(query)
    works.flow()
    works.replay(*TO_NUMBER)
    old = [pair.partition("=") for pair in unquote_plus(query).split("&")]
    new = [pair.partition("=") for pair in works.sent().decode().split("&")]
    assert [pair for pair in new if pair not in old] == [("ue_px", "=", encoded_cart('{"a":7,"price":1.5}'))]
    assert [name for name, _, _ in new] == [name for name, _, _ in old]


def test_numbers_keep_their_spelling_also_through_javascript(works: Works) -> None:
    text = f'{{"schema":"{UNSTRUCT}","data":{{"schema":"{CART}","data":{{"a":"7","price":1.10,"big":12345678901234567890}}}}}}'
    works.collect(urlencode({"e": "ue", "p": "web", "tv": "t", "eid": ID, "ue_pr": text}))
    works.flow()
    works.replay(*js("const d = event.unstruct_event.data; d.a = 7; d.huge = d.big; return event;"))
    assert b'"price":1.10' in works.sent()
    assert works.sent().count(b"12345678901234567890") == 2


def test_an_event_that_is_patched_and_fails_again_is_one_row_that_counts_on(works: Works) -> None:
    works.collect(cart({"a": "7"}))
    works.flow()
    for attempt, text in enumerate(("eight", "nine"), start=2):
        works.replay(*js(f"event.unstruct_event.data.a = '{text}'; return event;"))
        works.flow()
        assert works.sql("SELECT event_id, attempts FROM failed_events") == [(ID, attempt)]
    works.replay()
    works.flow()
    assert works.sql("SELECT event_id, attempts FROM failed_events") == [(ID, 4)]
    works.replay(*SET_TO_8)
    works.flow()
    assert works.sql(LANDED) == [(ID, 8)]
    assert works.sql("SELECT count(*) FROM failed_events") == [(0,)]


def test_a_payload_without_events_lands_as_patched(works: Works) -> None:
    event = {"e": "pv", "p": "web", "tv": "t", "eid": ID}
    works.collect("aid=shop", json.dumps({"schema": PAYLOAD, "dta": [event]}), TP2)
    works.flow()
    assert works.sql("SELECT kind FROM failed_events") == [("tracker_protocol_violations",)]
    counts = works.replay(*json_patch({"op": "move", "from": "/body/dta", "path": "/body/data"}))
    assert (counts.to_enricher, counts.changed) == (1, 1)
    works.flow()
    assert works.sql("SELECT event_id, app_id FROM events") == [(ID, "shop")]
    assert works.sql("SELECT count(*) FROM failed_events") == [(0,)]


def test_a_path_nothing_answers_to_is_mended(works: Works) -> None:
    works.collect(cart({"a": 7}), path="/com.snowplowanalytics.snowplow/tp3")
    works.flow()
    works.replay(*js("event.path = event.path.replace('tp3', 'tp1'); return event;"))
    works.flow()
    assert works.sql(LANDED) == [(ID, 7)]


def test_a_query_string_that_is_none_is_mended(works: Works) -> None:
    works.collect(cart({"a": 7}) + "&page=a|b")
    works.flow()
    assert works.sql("SELECT kind FROM failed_events") == [("collector_payload_format_violation",)]
    works.replay(*js("event.querystring = event.querystring.replace('|', '%7C'); return event;"))
    works.flow()
    assert works.sql("SELECT event_id, page_title FROM events") == [(ID, "a|b")]


@pytest.mark.parametrize(
    "patch",
    [js("event.contexts[0].data.a = 1; return event;"), json_patch({"op": "replace", "path": "/contexts/0/data/a", "value": 1})],
    ids=["JavaScript", "JSON patch"],
)
def test_a_line_the_loader_refused_lands_as_patched(works: Works, line: Any, patch: tuple[str, str]) -> None:
    works.send(("enriched", line(event_id=ID, entities=[(CART, {"a": "x"})], tr_total="1.10", app_id="shop")))
    works.load()
    assert works.sql("SELECT count(*) FROM failed_events") == [(1,)]
    assert works.replay(*patch).to_loader == 1
    works.load()
    assert works.sql("SELECT event_id, contexts_com_acme_cart_1[1].a, app_id, tr_total::VARCHAR FROM events") == [
        (ID, 1, "shop", "1.100000000")
    ]
    assert works.sql("SELECT count(*) FROM failed_events") == [(0,)]


def test_a_line_that_is_patched_and_fails_again_counts_on(works: Works, line: Any) -> None:
    works.send(("enriched", line(event_id=ID, entities=[(CART, {"a": "x"})])))
    works.load()
    works.replay(*js("event.contexts[0].data.a = 'y'; return event;"))
    works.load()
    assert works.sql("SELECT event_id, attempts FROM failed_events") == [(ID, 2)]


def test_a_column_the_loader_cannot_read_is_mended(works: Works, line: Any) -> None:
    works.send(("enriched", line(event_id=ID, txn_id="many")))
    works.load()
    works.replay(*js("event.txn_id = 12; event.br_cookies = true; return event;"))
    works.load()
    assert works.sql("SELECT event_id, txn_id, br_cookies FROM events") == [(ID, 12, True)]


PICKY = js(
    """
    if (event.unstruct_event.data.a === 'drop') return null;
    if (event.unstruct_event.data.a === 'throw') throw new Error('I cannot mend this');
    if (event.unstruct_event.data.a === 'other') { event.event_id = 'x'; return event; }
    if (event.unstruct_event.data.a === 'slow') { while (true) {} }
    if (event.unstruct_event.data.a === 'leave') return event;
    event.unstruct_event.data.a = 1; return event;
    """
)


def test_only_what_the_patch_mends_is_sent_and_the_rest_is_told(works: Works) -> None:
    for number, value in enumerate(("drop", "throw", "other", "slow", "leave", "mend", "mend too")):
        works.collect(cart({"a": value}, f"00000000-0000-4000-8000-00000000000{number}"))
    works.flow()
    counts = works.replay(*PICKY)
    assert (counts.selected, counts.to_enricher, counts.changed, counts.unchanged, counts.left_out) == (7, 3, 2, 1, 1)
    assert dict(counts.broken) == {
        "Error: I cannot mend this": 1,
        "`event_id` must stay: it is what keeps an event from landing twice": 1,
        "more than 50 ms": 1,
    }
    works.flow()
    assert works.sql("SELECT count(*) FROM events") == [(2,)]
    assert works.sql("SELECT count(*) FROM failed_events") == [(5,)]


def test_a_test_that_fails_leaves_the_event_out_and_any_other_failing_operation_breaks_it(works: Works) -> None:
    for number, value in enumerate(("7", "8")):
        works.collect(cart({"a": value}, f"00000000-0000-4000-8000-00000000000{number}"))
    works.flow()
    test = {"op": "test", "path": "/unstruct_event/data/a", "value": "7"}
    counts = works.replay(*json_patch(test, {"op": "replace", "path": "/unstruct_event/data/a", "value": 7}))
    assert (counts.sent, counts.left_out, counts.broken) == (1, 1, {})
    broken = works.replay(*json_patch({"op": "remove", "path": "/nothing"}))
    assert broken.sent == 0
    assert sum(broken.broken.values()) == 1


def test_a_patch_waits_for_the_outcome_of_an_earlier_replay(works: Works) -> None:
    """Else both could land: changed, an event is no longer the same event."""
    works.collect(cart({"a": "7"}))
    works.flow()
    assert works.replay().sent == 1
    works.load()
    early = works.replay(*SET_TO_8)
    assert (early.sent, early.in_flight) == (0, 1)
    works.flow()
    assert works.replay(*SET_TO_8).sent == 1
    works.flow()
    assert works.sql(LANDED) == [(ID, 8)]


def test_a_look_ahead_shows_what_a_patch_would_do_and_does_nothing(works: Works) -> None:
    works.collect(cart({"a": "7"}))
    works.collect(cart({"a": "9"}, OTHER))
    works.flow()
    before = len(works.raw())
    found = preview(works.settings, Selection(), of_text(*TO_NUMBER))
    assert (found.counts.changed, found.counts.to_enricher) == (2, 2)
    assert [group[:4] for group in found.groups] == [("enricher", "schema_violations", CART, "enricher")]
    change = found.changes[0][1]
    assert isinstance(change, Change)
    assert (change.before["unstruct_event"]["data"]["a"], change.after["unstruct_event"]["data"]["a"]) == ("7", 7)
    assert len(works.raw()) == before
    assert not (works.settings.data.folder / "replays").exists()


def test_a_wrapper_that_is_wrong_stands_there_as_a_whole(works: Works) -> None:
    wrong = json.dumps({"schema": "iglu:com.acme/wrong/jsonschema/1-0-0", "data": {"schema": CART, "data": {"a": 7}}})
    works.collect(urlencode({"e": "ue", "p": "web", "tv": "t", "eid": ID, "ue_pr": wrong}))
    works.flow()
    works.replay(*json_patch({"op": "replace", "path": "/unstruct_event/schema", "value": UNSTRUCT}))
    works.flow()
    assert works.sql(LANDED) == [(ID, 7)]


def test_self_describing_data_that_was_no_json_can_be_given_anew(works: Works) -> None:
    works.collect(urlencode({"e": "ue", "p": "web", "tv": "t", "eid": ID, "ue_px": encoded("x")[:-1] + "e30"}))
    works.flow()
    works.replay(*json_patch({"op": "add", "path": "/unstruct_event", "value": {"schema": CART, "data": {"a": 7}}}))
    works.flow()
    assert works.sql(LANDED) == [(ID, 7)]


def test_a_bad_row_of_another_program_that_a_patch_cannot_read_is_told(works: Works) -> None:
    row = json.loads(rejected_request())
    row["schema"] = row["schema"].replace("adapter_failures", "generic_error")
    row["data"]["payload"] = base64.b64encode(b"no record").decode()
    works.send(("bad", json.dumps(row).encode()), ("bad", violation()))
    works.load()
    counts = works.replay(*js("return event;"))
    assert (counts.sent, counts.unchanged, sum(counts.not_replayable.values())) == (1, 1, 1)
