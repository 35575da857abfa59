"""Whose event a `size_violation` was: as far as what is left of it tells, and nobody else."""

import json

from bad_rows import schema_violation

from backbone import cut_events
from backbone.event import COLUMNS

EVENT_ID = "0f0e0d0c-0b0a-4908-8706-050403020100"
OTHER = "ffffffff-0b0a-4908-8706-050403020100"
SCHEMA = "iglu:com.acme/cart/jsonschema/1-0-0"


def test_a_cut_bad_row_tells_its_event() -> None:
    row = schema_violation(SCHEMA, {"e": "ue"}, event_id=EVENT_ID, app_id="shop", etl_tstamp="2026-01-01 10:00:00.000").decode()
    end = row.index(EVENT_ID) + len(EVENT_ID) + 1
    assert cut_events.identity(row) == cut_events.identity(row[:end]) == (EVENT_ID, "shop")
    assert cut_events.identity(row[: end - 1]) == (None, None)
    assert cut_events.identity(row.replace('"shop"', "null")) == (EVENT_ID, None)


def test_what_an_event_says_of_itself_is_not_believed() -> None:
    lie = f'"payload":{{"enriched":{{"app_id":null,"event_id":"{OTHER}"'
    row = json.dumps(
        {"data": {"failure": lie, "payload": {"enriched": {"app_id": lie, "event_id": EVENT_ID}}}}, separators=(",", ":")
    )
    assert cut_events.identity(row)[0] == EVENT_ID


def test_a_cut_line_tells_its_event() -> None:
    cells = {"app_id": "shop", "event_id": EVENT_ID}
    line = "\t".join(cells.get(name, "") for name in COLUMNS)
    assert cut_events.identity(line) == cut_events.identity(line[:60]) == (EVENT_ID, "shop")
    assert cut_events.identity(line[:30]) == (None, None)
    assert cut_events.identity("shop" + "\t" * 6 + "nonsense\t") == (None, None)


def test_other_texts_tell_nothing() -> None:
    for text in ("", "{", "CollectorPayload(path:/i, body:", f"querystring={EVENT_ID}", "\t" * 200):
        assert cut_events.identity(text) == (None, None)
