"""Which failed events the filters of a replay take, and what its condition in SQL may be."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from replay_works import CART, ID, OTHER, Works, rejected_request, violation

from backbone.errors import ConfigurationError
from loader.replay_selection import Position, Selected, Selection, from_filters

SHOE = "iglu:com.acme/shoe/jsonschema/1-0-0"
NOW = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with two failed events, of the 1st and 3rd of January, and a failed request."""
    place = tmp_path_factory.mktemp("selection")
    works = Works(place / "data", place)
    second = violation(OTHER, SHOE, "2026-01-03T10:00:00.000Z").replace(b'"app_id": null', b'"app_id": "shop"')
    works.send(("bad", violation()), ("bad", second), ("bad", rejected_request()))
    works.load()
    return works.settings.data.folder


def chosen(folder: Path, position: Position | None = None, **choice: Any) -> list[str]:
    """Event ids, `request` for the one that has none."""
    position = position or Position()
    selected = Selected(folder, Selection(**choice))
    try:
        rows = [failure.event_id or "request" for failure in selected.rows(position)]
        assert selected.count(position) == len(rows)
    finally:
        selected.close()
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
        ({"where": "event_id is null"}, ["request"]),
        ({"where": "kind = 'adapter_failures' or app_id = 'shop'"}, [OTHER, "request"]),
        ({"where": "kind = 'adapter_failures' or app_id = 'shop'", "app": "shop"}, [OTHER]),
        ({"where": "original ->> '$.data.payload.vendor' = 'com.acme'"}, ["request"]),
        ({"where": "failed_events.attempts = 1 -- all of them"}, [ID, OTHER, "request"]),
        ({"where": "list_contains(['shop', 'café'], app_id)"}, [OTHER]),
        ({"where": "failed_tstamp between '2026-01-02' and '2026-01-04'"}, [OTHER]),
        ({"where": "regexp_matches(schema, 'sh.e') and try_cast(app_id as integer) is null"}, [OTHER]),
    ],
    ids=str,
)
def test_filters_combine_with_and(folder: Path, choice: Any, expected: list[str]) -> None:
    assert chosen(folder, **choice) == sorted(expected)


def test_a_limit_takes_no_more_and_counts_what_was_taken_before(folder: Path) -> None:
    assert len(chosen(folder, limit=2)) == 2
    assert len(chosen(folder, limit=9)) == 3
    assert len(chosen(folder, Position(NOW, taken=1), limit=2)) == 1
    assert chosen(folder, Position(NOW, taken=2), limit=2) == []


def test_it_goes_on_after_a_key_and_without_what_failed_later(folder: Path) -> None:
    selected = Selected(folder, Selection())
    keys = [failure.key for failure in selected.rows(Position(NOW))]
    assert keys == sorted(keys)
    assert [failure.key for failure in selected.rows(Position(NOW, keys[0]))] == keys[1:]
    assert list(selected.rows(Position(day(1)))) == []
    selected.close()


def test_filters_can_be_written_down_and_read_back() -> None:
    selection = Selection(since=day(1), schema=CART, where="kind is null", limit=3)
    assert from_filters(selection.filters()) == selection
    assert Selection().filters() == {}


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ("1=1; drop table failed_events", "syntax error"),
        ("1=1); drop table failed_events; select (1", "more than one|only SELECT"),
        ("1=1) union select 1 where (1=1", "more than one"),
        ("1=1) limit (1", "more than one"),
        ("1=1) order by (1", "more than one"),
        ("1=1) group by (1", "more than one"),
        ("1=1) and (1=1", None),
        ("", "syntax error"),
        ("kind =", "syntax error"),
        ("kind in (select kind from events)", "subquery"),
        ("exists (from read_text('/etc/passwd'))", "subquery"),
        ("(delete from failed_events returning true)", "syntax error"),
        ("read_text('/etc/passwd') is null", "read_text"),
        ("read_csv('/etc/passwd') is null", "read_csv"),
        ("read_blob('/etc/passwd') is null", "read_blob"),
        ("main.read_text('/etc/passwd') is null", "read_text"),
        ("list_transform(['/etc/passwd'], lambda f: read_text(f)) is null", "read_text"),
        ("glob('/*') is null", "glob"),
        ("sleep_ms(100000) is null", "sleep_ms"),
        ("write_log('x') is null", "write_log"),
        ("random() < 0.5", "random"),
        ("setseed(0.5) is null", "setseed"),
        ("getenv('HOME') = 'x'", "getenv"),
        ("kind = ?", "parameter"),
        ("kind = $1", "parameter"),
        ("columns(*) = 'x'", r"`\*`"),
        ("count(*) > 1", "aggregate"),
        ("row_number() over () = 1", "window"),
        ("attempts", "not true or false"),
        ("no_such_column = 1", "no_such_column"),
        ("not " * 5000 + "true", "nested too deeply|depth|recursion"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_condition_only_reads_columns(folder: Path, condition: str, problem: str | None) -> None:
    if problem is None:
        assert chosen(folder, where=condition) is not None
        return
    with pytest.raises(ConfigurationError, match=problem) as caught:
        Selected(folder, Selection(where=condition))
    assert "\n" not in str(caught.value)
    assert len(chosen(folder)) == 3


def test_the_connection_of_a_condition_reaches_no_file(folder: Path, tmp_path: Path) -> None:
    """Should a function get past the check."""
    import duckdb

    selected = Selected(folder, Selection(where="true"))
    target = tmp_path / "written"
    for statement in ("FROM read_text('/etc/passwd')", f"COPY (SELECT 1) TO '{target}'", "SET enable_external_access = true"):
        with pytest.raises(duckdb.Error):
            selected.connection.execute(statement)
    selected.close()
    assert not target.exists()


def test_a_condition_that_fails_on_data_does_not_show_the_data(folder: Path) -> None:
    selected = Selected(folder, Selection(where="cast(kind as integer) = 1"))
    with pytest.raises(ConfigurationError, match="try_cast") as caught:
        selected.count(Position(NOW))
    selected.close()
    assert "violations" not in str(caught.value)
