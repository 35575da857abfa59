"""Which failed events the filters of a replay take from BigQuery, and what its condition in BigQuery's SQL may be."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from replay_works import ID, OTHER, Works, opened, rejected_request, violation

from backbone.errors import ConfigurationError
from loader.replay_selection import Position, Selection
from loader.replay_source import open_source

SHOE = "iglu:com.acme/shoe/jsonschema/1-0-0"


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Works]:
    """Two failed events, of the 1st and 3rd of January, and a failed request."""
    place = tmp_path_factory.mktemp("selection")
    with opened("bigquery", place, place) as made:
        second = violation(OTHER, SHOE, "2026-01-03T10:00:00.000Z").replace(b'"app_id": null', b'"app_id": "shop"')
        made.send(("bad", violation()), ("bad", second), ("bad", rejected_request()))
        made.load()
        yield made


def chosen(works: Works, position: Position | None = None, **choice: Any) -> list[str]:
    """Event ids, `request` for the one that has none."""
    position = position or Position()
    source = open_source(works.settings, Selection(**choice))
    try:
        rows = [failure.event_id or "request" for failure in source.rows(position)]
        assert source.count(position) == len(rows)
    finally:
        source.close()
    return sorted(rows)


def day(number: int) -> datetime:
    return datetime(2026, 1, number, tzinfo=UTC)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({}, [ID, OTHER, "request"]),
        ({"since": day(2)}, [OTHER]),
        ({"until": day(2)}, [ID, "request"]),
        ({"since": day(2), "until": day(3)}, []),
        ({"schema": "iglu:com.acme/shoe/"}, [OTHER]),
        ({"reason": "schema_violations"}, [ID, OTHER]),
        ({"reason": "NO ADAPTER"}, []),
        ({"kind": "adapter_failures"}, ["request"]),
        ({"kind": "adapter"}, []),
        ({"app": "shop"}, [OTHER]),
        ({"app": "sho"}, []),
        ({"where": "event_id IS NULL"}, ["request"]),
        ({"where": "kind = 'adapter_failures' OR app_id = 'shop'"}, [OTHER, "request"]),
        ({"where": "kind = 'adapter_failures' OR app_id = 'shop'", "app": "shop"}, [OTHER]),
        ({"where": "JSON_VALUE(original, '$.data.payload.vendor') = 'com.acme'"}, ["request"]),
        ({"where": "attempts = 1 -- all of them"}, [ID, OTHER, "request"]),
        ({"where": "REGEXP_CONTAINS(app_id, r'^sh')"}, [OTHER]),
        ({"where": "SAFE_CAST(app_id AS INT64) IS NULL"}, [ID, OTHER, "request"]),
        ({"limit": 2, "kind": "schema_violations"}, [ID, OTHER]),
    ],
    ids=str,
)
def test_all_conditions_must_be_true(works: Works, choice: dict[str, Any], expected: list[str]) -> None:
    assert chosen(works, **choice) == sorted(expected)


def test_a_limit_counts_what_was_taken_and_a_position_is_passed(works: Works) -> None:
    assert len(chosen(works, limit=2)) == 2
    assert len(chosen(works, Position(None, "", 1), limit=2)) == 1
    keys = sorted(key for (key,) in works.sql("SELECT failure_key FROM failed_events"))
    assert len(chosen(works, Position(None, keys[0], 1))) == 2
    assert chosen(works, Position(day(1))) == [], "what failed after the replay began"


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("nonsense = 1", "nonsense"),
        ("", "Syntax error"),
        ("attempts = 1) OR (TRUE", "Syntax error"),
        ("TRUE) AS wanted FROM `test.atomic.events` WHERE (TRUE", "Syntax error"),
        ("TRUE), (TRUE", "more than one expression"),
        ("TRUE) AS wanted; DELETE FROM `test.atomic.failed_events_log` WHERE (TRUE", "Syntax error"),
        ("attempts", "not true or false, but INT"),
        ("'text'", "not true or false, but STRING"),
        ("attempts::STRING = '1'", "Syntax error"),
        ("no_such_function(kind)", "no_such_function"),
    ],
)
def test_a_condition_that_is_none_is_told_and_changes_nothing(works: Works, condition: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match="--where") as caught:
        open_source(works.settings, Selection(where=condition))
    assert told.lower() in str(caught.value).lower()
    assert works.sql("SELECT count(*) FROM failed_events") == [(3,)]


def test_a_condition_that_fails_on_data_says_so_without_the_data(works: Works) -> None:
    source = open_source(works.settings, Selection(where="CAST(kind AS INT64) = 1"))
    with pytest.raises(ConfigurationError, match="SAFE_CAST") as caught:
        list(source.rows(Position()))
    source.close()
    assert "schema_violations" not in str(caught.value)


def test_a_long_result_comes_in_pages(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    assert works.server is not None
    monkeypatch.setattr(works.server.faults, "page_rows", 1)
    assert chosen(works) == sorted([ID, OTHER, "request"])


def test_a_dataset_that_is_not_there_is_told(works: Works, tmp_path: Path) -> None:
    elsewhere = Works(tmp_path, tmp_path, works.server, warehouse__dataset="elsewhere")
    with pytest.raises(ConfigurationError, match=r"there is no dataset test\.elsewhere"):
        open_source(elsewhere.settings, Selection())
