"""`failed_events`: one row for each failed event or payload, whatever told of it and however often."""

from typing import Any

import pytest
from bad_rows import request_without_events, schema_violation, size_violation

CART = "iglu:com.acme/cart/jsonschema/1-0-0"
FAILURE = "iglu:com.snowplowanalytics.snowplow/failure/jsonschema/1-0-0"
EVENT_ID = "0f0e0d0c-0b0a-4908-8706-050403020100"


def bad_row(value: str = "x", sent: str = "1", **columns: Any) -> bytes:
    parameters = {"e": "ue", "v": value, "stm": sent}
    return schema_violation(CART, parameters, **{"event_id": EVENT_ID, "app_id": "shop", **columns})


def failed_line(line: Any, **fields: Any) -> bytes:
    made: bytes = line(event_id=EVENT_ID, derived=[(FAILURE, {"failureType": "x"})], **fields)
    return made


@pytest.mark.parametrize("order", [("failed", "bad"), ("bad", "failed")], ids=lambda pair: "-then-".join(pair))
@pytest.mark.parametrize("split", [False, True], ids=["one-pull", "two-pulls"])
@pytest.mark.parametrize("fingerprint", [None, "abc"], ids=["no-fingerprint", "fingerprint"])
def test_an_event_that_failed_in_the_enricher_is_one_row(
    station: Any, line: Any, order: Any, split: bool, fingerprint: str | None
) -> None:
    halves = {
        "failed": failed_line(line, event_fingerprint=fingerprint, app_id="shop", tr_total="5.00"),
        "bad": bad_row(event_fingerprint=fingerprint),
    }
    for stream in order:
        station.send((stream, halves[stream]))
        if split:
            station.load()
    station.load()
    row = station.one(
        "SELECT event_id, app_id, kind, stage, schema, attempts, original, derived_contexts, failed_tstamp FROM failed_events"
    )
    assert row[:6] == (EVENT_ID, "shop", "schema_violations", "enricher", CART, 1)
    assert row[6].encode() == halves["bad"]
    assert row[8].isoformat() == "2026-01-01T10:00:01+00:00"
    assert station.one("SELECT reason <> '' AND remedy <> '' FROM failed_events")


def test_a_bad_row_alone_suffices(station: Any) -> None:
    station.send(("bad", bad_row(page_url="https://a.example/", txn_id="5", collector_tstamp="2026-01-01 10:00:00.000")))
    station.load()
    assert station.one("SELECT event_id, page_url, txn_id, year(collector_tstamp) FROM failed_events") == (
        EVENT_ID,
        "https://a.example/",
        5,
        2026,
    )


def test_a_size_violation_takes_the_identity_of_the_failed_line_before_it(station: Any, line: Any) -> None:
    station.send(("failed", failed_line(line)), ("bad", size_violation()))
    station.load()
    assert station.one("SELECT event_id, kind FROM failed_events") == (EVENT_ID, "size_violation")


@pytest.mark.parametrize("order", [("failed", "other", "bad"), ("bad", "other", "failed")], ids=lambda names: "-".join(names))
@pytest.mark.parametrize("split", [False, True], ids=["one-pull", "many-pulls"])
@pytest.mark.parametrize("fingerprint", [None, "abc"], ids=["no-fingerprint", "fingerprint"])
def test_a_bad_row_that_was_cut_finds_its_failed_line_wherever_it_is(
    station: Any, line: Any, order: Any, split: bool, fingerprint: str | None
) -> None:
    """Pub/Sub keeps no order, and its messages may come again."""
    records = {
        "failed": ("failed", failed_line(line, event_fingerprint=fingerprint, app_id="shop", page_url="https://a.example/")),
        "other": ("bad", request_without_events()),
        "bad": ("bad", size_violation(kept=bad_row(page_url="x" * 90).decode()[:-500])),
    }
    for name in (*order, "bad"):
        station.send(records[name])
        if split:
            station.load()
    station.load()
    found = station.sql("SELECT event_id, kind, event_fingerprint, page_url, attempts FROM failed_events ORDER BY event_id")
    assert found[0] == (EVENT_ID, "size_violation", fingerprint, "https://a.example/", 2)
    assert [row[0] for row in found[1:]] == [None]


def test_a_line_that_was_cut_is_one_failure_however_often_it_is_made(station: Any, line: Any) -> None:
    for moment in ("2026-01-01 10:00:00.000", "2026-01-01 10:00:09.000"):
        made = failed_line(line, app_id="shop", etl_tstamp=moment).decode()
        station.send(("bad", size_violation(kept=made[:150])))
    station.load()
    assert station.one("SELECT event_id, app_id, attempts FROM failed_events") == (EVENT_ID, "shop", 2)


@pytest.mark.parametrize("split", [False, True], ids=["one-pull", "two-pulls"])
def test_the_same_failure_again_counts_an_attempt(station: Any, split: bool) -> None:
    station.send(("bad", bad_row(sent="1")))
    if split:
        station.load()
    station.send(("bad", bad_row(sent="2")))
    station.load()
    assert station.one("SELECT attempts FROM failed_events") == 2


def test_failures_with_one_id_and_different_content_are_both_kept(station: Any) -> None:
    station.send(("bad", bad_row(value="one")), ("bad", bad_row(value="two")))
    station.load()
    assert station.one("SELECT count(*) FROM failed_events") == 2


def test_a_payload_that_fails_twice_is_one_row(station: Any) -> None:
    station.send(("bad", request_without_events(at="2026-01-01T10:00:00.000Z")))
    station.load()
    station.send(("bad", request_without_events(at="2026-01-02T10:00:00.000Z")))
    station.load()
    assert station.one("SELECT kind, stage, attempts, event_id FROM failed_events") == ("adapter_failures", "enricher", 2, None)


@pytest.mark.parametrize(
    "data", [b"", b"no json", b"[1]", b"\xff\x00", b'{"schema":5,"data":[]}', b'{"data":{"payload":{"enriched":[]}}}']
)
def test_a_bad_row_that_is_none_is_kept_all_the_same(station: Any, data: bytes) -> None:
    station.send(("bad", data))
    station.load()
    assert station.one("SELECT count(*), max(kind) FROM failed_events") == (1, "unknown")


def test_a_failed_line_that_is_none_is_kept_all_the_same(station: Any) -> None:
    station.send(("failed", b"not a line"))
    station.load()
    assert station.one("SELECT original FROM failed_events") == "not a line"


def test_landing_removes_the_failed_row(station: Any, line: Any) -> None:
    station.send(("bad", bad_row()), ("failed", failed_line(line)))
    station.load()
    station.load_lines(line(event_id=EVENT_ID))
    assert station.one("SELECT count(*) FROM failed_events") == 0
    assert station.one("SELECT count(*) FROM events") == 1
    assert station.totals.recovered == 1


def test_landing_of_another_event_with_the_same_id_removes_nothing(station: Any, line: Any) -> None:
    station.send(("bad", bad_row(event_fingerprint="one")))
    station.load()
    station.load_lines(line(event_id=EVENT_ID, event_fingerprint="two"))
    assert station.one("SELECT count(*) FROM failed_events") == 1


def test_an_event_that_fails_after_it_landed_does_not_reappear(station: Any, line: Any) -> None:
    station.load_lines(line(event_id=EVENT_ID, event_fingerprint="same"))
    station.send(("bad", bad_row(event_fingerprint="same")))
    station.load()
    assert station.one("SELECT count(*) FROM failed_events") == 0
