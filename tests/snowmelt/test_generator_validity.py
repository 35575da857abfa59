"""What the generator calls sound passes the real enricher; what it calls broken fails with a reason, one event at a time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backbone import thrift
from backbone.payload import CollectorPayload
from backbone.settings import load
from enricher.assembly import assembled
from enricher.enrich import Enricher
from enricher.settings import EnricherSettings
from snowmelt.delivery import request
from snowmelt.generator import Batch, batches

SCHEMAS = Path(__file__).parents[2] / "schemas"


@pytest.fixture(scope="module")
def enricher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Enricher]:
    folder = tmp_path_factory.mktemp("empty")
    (folder / "snowmelt.toml").touch()
    settings = load(folder / "snowmelt.toml", {"enricher": EnricherSettings}, environment={})
    with assembled(settings, enrichments=folder, schemas=[SCHEMAS]) as built:
        yield built


def streams(enricher: Enricher, batch: Batch) -> list[str]:
    for event in batch.events:
        event.setdefault("dtm", "1700000000000")
    path, body, headers = request(batch)
    path, _, query = path.partition("?")
    payload = CollectorPayload(
        timestamp=1700000000000,
        collector="test",
        path=path,
        querystring=query,
        body=body.decode() if body else None,
        content_type=headers.get("Content-Type", "").lower() or None,
        network_user_id="11111111-1111-4111-8111-111111111111",
    )
    return [stream for stream, _ in enricher.process(thrift.encode(payload), 1700000000000)]


def test_sound_events_are_sound(enricher: Enricher) -> None:
    found = [stream for batch in batches(21, 1500) for stream in streams(enricher, batch)]
    assert found == ["enriched"] * 1500


def test_broken_events_fail_one_by_one(enricher: Enricher) -> None:
    found = [stream for batch in batches(21, 400, 1.0) for stream in streams(enricher, batch)]
    assert found.count("failed") == found.count("bad") == 400
    assert "enriched" not in found
