"""What replays leave in the warehouse, and what attempts count."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from replay_works import ID, Works, opened, rejected_request, violation

from loader import replay_messages
from loader.patches import digest
from loader.replay_messages import Account, Mark

KEPT = "SELECT failure_key, event_id, attempts FROM replayed_events ORDER BY ALL"


@pytest.fixture(params=["ducklake", "bigquery"])
def works(request: pytest.FixtureRequest, tmp_path: Path, schemas: Any) -> Iterator[Works]:
    with opened(request.param, tmp_path, schemas.folder) as made:
        yield made


def test_a_replay_is_a_row_and_each_failure_it_sent_another(works: Works, line: Any) -> None:
    works.send(("bad", violation()), ("bad", rejected_request()), ("enriched", line(txn_id="x")), ("bad", b"nonsense"))
    works.load()
    patch = "function patch(event) { return event; }"
    works.replay("p.js", patch, where="attempts = 1")
    works.load()
    ((started, finished, who, filters, name, known_digest, *counts),) = works.sql(
        "SELECT started, finished, who, filters, patch_name, patch_digest, selected, sent_to_enricher, sent_to_loader, not_sent "
        "FROM replays"
    )
    assert finished >= started
    assert "@" in who
    assert json.loads(filters) == {"where": "attempts = 1"}
    assert (name, known_digest) == ("p.js", digest(patch))
    assert counts == [4, 2, 1, 1]
    sent = works.sql("SELECT replay_id, event_id, sent_tstamp FROM replayed_events")
    assert len(sent) == 3
    assert {replay_id for replay_id, _, _ in sent} == {row[0] for row in works.sql("SELECT replay_id FROM replays")}
    assert ID in [event_id for _, event_id, _ in sent]
    assert all(started <= moment <= finished for _, _, moment in sent)


def test_a_replay_of_nothing_leaves_no_trail(works: Works) -> None:
    works.send(("bad", violation()))
    works.load()
    assert works.replay(app="none").selected == 0
    works.load()
    assert works.sql("SELECT count(*) FROM replays") == [(0,)]
    assert not (works.settings.data.folder / "replays").exists()


def test_messages_that_are_read_twice_change_nothing(works: Works) -> None:
    begun = Account("r1", "2026-01-01T10:00:00+00:00", "me@here", {"app": "x"})
    done = begun._replace(finished="2026-01-01T10:01:00+00:00", selected=1, sent_to_enricher=1, sent_to_loader=0, not_sent=0)
    mark = Mark("k", 0, "r1", None, "2026-01-01T10:00:30+00:00")
    for messages in ((begun, mark, mark), (done,), (mark, begun), (done,)):
        works.send(*(("replayed", replay_messages.encoded(message)) for message in messages))
        works.load()
    assert works.sql("SELECT replay_id, selected, finished IS NOT NULL FROM replays") == [("r1", 1, True)]
    assert works.sql(KEPT) == [("k", None, 0)]


def test_messages_of_an_older_version_are_understood_and_nonsense_is_passed_over(works: Works) -> None:
    works.send(("bad", rejected_request()))
    works.load()
    ((key,),) = works.sql("SELECT failure_key FROM failed_events")
    old = json.dumps({"failure_key": key, "attempts": 1}).encode()
    works.send(*(("replayed", data) for data in (b"{", b"[]", b"{}", b'{"replay":1}', b'{"replay":{"x":1}}', old)))
    works.load()
    assert works.sql("SELECT count(*) FROM failed_events") == [(0,)]
    assert works.sql(KEPT) == []


def test_keys_of_a_later_version_are_passed_over() -> None:
    (mark,) = replay_messages.read(b'{"failure_key":"k","attempts":2,"colour":"red"}')
    assert mark == Mark("k", 2)


def test_a_payload_that_fails_again_counts_on(works: Works) -> None:
    for attempt in range(1, 4):
        works.send(("bad", rejected_request()))
        works.load()
        assert works.sql("SELECT attempts FROM failed_events") == [(attempt,)]
        works.replay()
        works.load()
        assert works.sql("SELECT count(*) FROM failed_events") == [(0,)]


def test_a_payload_that_fails_again_before_the_loader_looks_counts_on(works: Works) -> None:
    works.send(("bad", rejected_request()))
    works.load()
    for attempt in range(2, 5):
        works.replay()
        works.send(("bad", rejected_request()))
        works.load()
        assert works.sql("SELECT attempts FROM failed_events") == [(attempt,)]


def test_a_failure_that_was_never_replayed_counts_from_one(works: Works) -> None:
    works.send(("bad", rejected_request()))
    works.load()
    works.replay()
    works.load()
    works.send(("bad", rejected_request("com.other")))
    works.load()
    assert works.sql("SELECT attempts FROM failed_events") == [(1,)]
