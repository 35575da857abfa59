"""Replays over Pub/Sub, where nobody can see what is on its way."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from replay_works import CART, ID, Works, opened, rejected_request, violation

from backbone.bus.emulator import Emulator
from loader import replay_unheard
from loader.replay import AnotherReplay, preview
from loader.replay_unheard import Unheard


@pytest.fixture(params=["ducklake", "bigquery"])
def works(request: pytest.FixtureRequest, tmp_path: Path, schemas: Any) -> Iterator[Works]:
    schemas.put(CART, properties={"a": {"type": "string"}})
    emulator = Emulator().start()
    bus = {"bus__kind": "pubsub", "bus__endpoint": emulator.endpoint}
    try:
        with opened(request.param, tmp_path, schemas.folder, **bus) as made:
            yield made
    finally:
        emulator.stop()


def arrive(works: Works, query: str, expected: Any) -> None:
    """Messages come when they come."""
    for _ in range(20):
        works.load()
        if works.sql(query) == expected:
            return
    assert works.sql(query) == expected


def test_what_was_sent_is_sent_once_and_the_next_replay_waits_until_the_loader_has_heard(works: Works) -> None:
    works.send(("bad", violation(ID)), ("bad", rejected_request()))
    arrive(works, "SELECT count(*) FROM failed_events", [(2,)])
    assert preview(works.settings).counts.to_enricher == 2
    assert works.replay().to_enricher == 2
    with pytest.raises(Unheard, match="0 of the 2 failed events"):
        works.replay()
    arrive(works, "SELECT count(*) FROM replayed_events", [(2,)])
    assert works.sql("SELECT event_id FROM failed_events") == [(ID,)], "the request is gone, the event stays until it lands"
    assert works.replay().to_enricher == 1


def test_only_one_replay_of_a_machine_runs_at_a_time(works: Works) -> None:
    works.send(("bad", violation(ID)))
    arrive(works, "SELECT count(*) FROM failed_events", [(1,)])
    with replay_unheard.alone(works.settings.data.folder) as free:
        assert free
        with pytest.raises(AnotherReplay):
            works.replay()
    assert works.replay().sent == 1
