"""Failed events sent back to where they were refused."""

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from replay_works import BADROWS, CART, ID, OTHER, Works, opened, rejected_request, violation

from loader.replay import preview


@pytest.fixture(params=["ducklake", "bigquery"])
def works(request: pytest.FixtureRequest, tmp_path: Path, schemas: Any) -> Iterator[Works]:
    with opened(request.param, tmp_path, schemas.folder) as made:
        yield made


def test_an_event_the_loader_refused_lands_once_after_its_schema_came(works: Works, schemas: Any, line: Any) -> None:
    works.send(("enriched", line(event_id=ID, entities=[(CART, {"a": "x"})], tr_total="1.10")))
    works.load()
    assert works.sql("SELECT count(*) FROM events") == [(0,)]
    schemas.put(CART, properties={"a": {"type": "string"}})
    assert works.replay().to_loader == 1
    works.load()
    assert works.sql("SELECT event_id, contexts_com_acme_cart_1[1].a, tr_total::VARCHAR FROM events") == [
        (ID, "x", "1.100000000")
    ]
    assert works.sql("SELECT count(*) FROM failed_events") == [(0,)]
    assert works.replay().sent == 0


def test_a_replay_that_fails_again_counts_an_attempt(works: Works, line: Any) -> None:
    works.send(("enriched", line(event_id=ID, entities=[(CART, {"a": "x"})])))
    works.load()
    works.replay()
    works.load()
    assert works.sql("SELECT event_id, attempts FROM failed_events") == [(ID, 2)]


def test_an_event_the_enricher_refused_goes_back_as_the_request_it_was(works: Works) -> None:
    works.send(("bad", violation()))
    works.load()
    assert works.replay().to_enricher == 1
    (payload,) = works.raw()
    assert (payload.path, payload.querystring) == ("/i", f"e=pv&eid={ID}")
    assert works.sql("SELECT count(*) FROM failed_events") == [(1,)]


@pytest.mark.parametrize("load_between", [False, True], ids=["at-once", "after-the-loader-saw-it"])
def test_replaying_twice_sends_a_whole_payload_once(works: Works, load_between: bool) -> None:
    works.send(("bad", rejected_request()))
    works.load()
    assert works.replay().to_enricher == 1
    if load_between:
        works.load()
    second = works.replay()
    assert (second.sent, second.in_flight) == (0, 0 if load_between else 1)
    assert len(works.raw()) == 1


def test_the_row_of_a_replayed_payload_goes_and_comes_back_if_it_fails_again(works: Works) -> None:
    works.send(("bad", rejected_request()))
    works.load()
    works.replay()
    works.load()
    assert works.sql("SELECT count(*) FROM failed_events") == [(0,)]
    works.send(("bad", rejected_request()))
    works.load()
    assert works.sql("SELECT count(*) FROM failed_events") == [(1,)]


def test_a_failure_that_overtakes_the_message_of_its_replay_is_kept(works: Works) -> None:
    works.send(("bad", rejected_request()))
    works.load()
    works.replay()
    works.send(("bad", rejected_request()))  # in the enricher's log, read before the replay's
    works.load()
    assert works.sql("SELECT count(*) FROM failed_events") == [(1,)]


def test_killed_between_two_commits_the_next_replay_sends_only_the_rest(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    works.send(*(("bad", rejected_request(f"com.acme{at}")) for at in range(5)))
    works.load()
    monkeypatch.setattr("loader.replay._CHUNK", 2)
    from backbone.bus.log_writer import LogPublisher

    real, commits = LogPublisher.commit, []

    def dies_at_third(self: Any, records: Any, consumed: Any = None) -> None:
        commits.append(len(records))
        if len(commits) == 3:
            raise KeyboardInterrupt
        real(self, records, consumed)

    with monkeypatch.context() as patch:
        patch.setattr(LogPublisher, "commit", dies_at_third)
        with pytest.raises(KeyboardInterrupt):
            works.replay()
    assert len(works.raw()) == 4
    assert works.replay().to_enricher == 1
    assert sorted(payload.path for payload in works.raw()) == [f"/com.acme{at}/v1" for at in range(5)]


def test_what_was_cut_cannot_be_replayed_and_says_why(works: Works) -> None:
    failure = {"timestamp": "2026-01-01T10:00:00.000Z", "maximumAllowedSizeBytes": 1, "actualSizeBytes": 2, "expectation": "e"}
    data = {"processor": {"artifact": "snowmelt-collector", "version": "0.1.0"}, "failure": failure, "payload": "cut"}
    works.send(("bad", json.dumps({"schema": f"{BADROWS}/size_violation/jsonschema/1-0-0", "data": data}).encode()))
    works.load()
    summary = works.replay()
    assert (summary.selected, summary.sent) == (1, 0)
    assert list(summary.not_replayable) == ["too large: only its beginning was kept"]


@pytest.mark.parametrize(
    ("choice", "events"),
    [
        ({}, 2),
        ({"schema": "iglu:com.acme/cart/"}, 1),
        ({"schema": "iglu:com.other/"}, 0),
        ({"reason": "schema_violations"}, 2),
        ({"reason": "enrichment_failures"}, 0),
        ({"since": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)}, 1),
        ({"since": datetime.datetime(2026, 1, 4, tzinfo=datetime.UTC)}, 0),
    ],
    ids=["all", "schema", "other-schema", "kind", "other-kind", "since", "later"],
)
def test_a_replay_takes_what_it_was_told(works: Works, choice: Any, events: int) -> None:
    shoe = "iglu:com.acme/shoe/jsonschema/1-0-0"
    works.send(("bad", violation()), ("bad", violation(OTHER, shoe, "2026-01-03T10:00:00.000Z")))
    works.load()
    assert works.replay(**choice).to_enricher == events
    assert len(works.raw()) == events


def test_a_dry_run_sends_nothing(works: Works) -> None:
    works.send(("bad", violation()))
    works.load()
    assert preview(works.settings).counts.to_enricher == 1
    assert works.raw() == []


def test_without_a_warehouse_there_is_nothing_to_replay(works: Works) -> None:
    assert works.replay().selected == 0
