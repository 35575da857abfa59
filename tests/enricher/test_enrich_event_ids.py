"""Ids of events whose tracker sent none: a record that the bus gives twice makes the same events both times."""

import uuid
from typing import Any

WITHOUT = "e=pv&p=web&tv=t"
BATCH = b'{"schema":"iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4","data":[%b]}'


def ids(enricher: Any, rig: Any, record: bytes, identity: str) -> list[str]:
    return [rig.columns(line)["event_id"] for _, line in enricher.process(record, rig.clock, identity)]


def test_the_same_record_gives_the_same_ids_whenever_it_is_enriched(enricher: Any, rig: Any) -> None:
    events = b",".join([b'{"e":"pv","p":"srv","tv":"t"}'] * 3)
    posted = rig.record(
        None, path="/com.snowplowanalytics.snowplow/tp2", body=(BATCH % events).decode(), content_type="application/json"
    )
    for record in (posted, rig.packed(rig.record(WITHOUT), posted)):
        first = ids(enricher, rig, record, "17 1767261600.5")
        assert first == ids(enricher, rig, record, "17 1767261600.5")
        assert len(set(first)) == len(first) >= 3, "each event has its own"
        assert {uuid.UUID(event_id).version for event_id in first} == {4}
        assert not set(first) & set(ids(enricher, rig, record, "18 1767261600.5"))


def test_requests_with_the_same_content_are_two_events(enricher: Any, rig: Any) -> None:
    record = rig.record(WITHOUT)
    assert ids(enricher, rig, record, "1 5.0") != ids(enricher, rig, record, "2 5.0")
    assert ids(enricher, rig, record, "") != ids(enricher, rig, record, ""), "what the log gives once only"


def test_an_id_that_was_sent_stays_and_one_that_is_none_is_replaced_steadily(enricher: Any, rig: Any) -> None:
    assert ids(enricher, rig, rig.record(), "1 5.0") == [rig.event_id]
    bad = rig.record(f"{WITHOUT}&eid=nonsense")
    made = [
        {rig.columns(line)["event_id"] for stream, line in enricher.process(bad, rig.clock, "1 5.0") if stream == "failed"}
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert len(made[0]) == 1
