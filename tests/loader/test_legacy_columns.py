"""Columns for full versions, and schemas that are not loaded: chosen in the configuration, landed in the real warehouse."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backbone.errors import ConfigurationError
from backbone.selfdescribing import parse_key
from loader.criteria import Criteria
from loader.settings import LoaderSettings
from snowmelt import configuration

Station = Any
Line = Callable[..., bytes]

CLICK = "iglu:com.acme/click/jsonschema"
TEXT, NUMBER, OPEN = {"type": "string"}, {"type": "integer"}, {"type": "object"}


def choose(station: Station, **settings: Any) -> None:
    station.settings = LoaderSettings(batch_seconds=0.0, known_events=1000, **settings)


def put_clicks(schemas: Any) -> None:
    schemas.put(f"{CLICK}/7-0-0", properties={"place": TEXT, "more": OPEN, "count": {"type": ["integer", "string"]}})
    schemas.put(f"{CLICK}/7-1-0", properties={"place": NUMBER})
    schemas.put("iglu:com.other/view/jsonschema/1-0-0", properties={"page": TEXT})


def test_chosen_schemas_get_a_column_for_each_full_version(station: Station, schemas: Any, line: Line) -> None:
    put_clicks(schemas)
    choose(station, legacy_columns=("iglu:com.acme/*/jsonschema/*-*-*",))
    first = (f"{CLICK}/7-0-0", {"place": "top", "more": {"a": [1.50]}, "count": "many"})
    second = (f"{CLICK}/7-1-0", {"place": 5})
    station.load_lines(
        line(entities=[first, second, first], event=second), line(event=("iglu:com.other/view/jsonschema/1-0-0", {}))
    )
    found = {name: kind for name, kind in station.columns().items() if name.startswith(("contexts_", "unstruct_"))}
    assert found == {
        "contexts_com_acme_click_7_0_0": "STRUCT(count VARCHAR, more VARCHAR, place VARCHAR)[]",
        "contexts_com_acme_click_7_1_0": "STRUCT(place BIGINT)[]",
        "unstruct_event_com_acme_click_7_1_0": "STRUCT(place BIGINT)",
        "unstruct_event_com_other_view_1": "STRUCT(page VARCHAR)",
    }
    item = {"count": "many", "more": '{"a":[1.5]}', "place": "top"}
    (row,) = station.sql(
        "select contexts_com_acme_click_7_0_0, contexts_com_acme_click_7_1_0, unstruct_event_com_acme_click_7_1_0 from events "
        "where unstruct_event_com_acme_click_7_1_0 is not null"
    )
    assert row == ([item, item], [{"place": 5}], {"place": 5})


def test_legacy_mode_is_for_all_schemas(station: Station, schemas: Any, line: Line) -> None:
    put_clicks(schemas)
    choose(station, legacy_column_mode=True)
    station.load_lines(line(entities=[("iglu:com.other/view/jsonschema/1-0-0", {"page": "a"})]))
    assert station.one("select contexts_com_other_view_1_0_0[1].page from events") == "a"


def test_a_version_does_not_need_the_ones_before_it(station: Station, schemas: Any, line: Line) -> None:
    schemas.put(f"{CLICK}/7-1-4", properties={"place": TEXT})
    choose(station, legacy_columns=(f"{CLICK}/7-*-*",))
    station.load_lines(line(event=(f"{CLICK}/7-1-4", {"place": "top"})))
    assert station.one("select unstruct_event_com_acme_click_7_1_4.place from events") == "top"


def test_what_does_not_fit_a_legacy_column_is_a_failed_event(station: Station, schemas: Any, line: Line) -> None:
    put_clicks(schemas)
    choose(station, legacy_column_mode=True)
    station.load_lines(line(event=(f"{CLICK}/7-1-0", {"place": "top"})), line(event=(f"{CLICK}/7-1-0", {"place": 5})))
    assert station.one("select unstruct_event_com_acme_click_7_1_0.place from events") == 5
    assert station.one("select kind, schema from failed_events") == ("loader_iglu_error", f"{CLICK}/7-1-0")


def test_a_changed_schema_of_the_same_version_gets_a_recovery_column(station: Station, schemas: Any, line: Line) -> None:
    put_clicks(schemas)
    choose(station, legacy_column_mode=True)
    station.load_lines(line(event=(f"{CLICK}/7-1-0", {"place": 5})))
    schemas.put(f"{CLICK}/7-1-0", properties={"place": {"type": "boolean"}})
    station.load_lines(line(event=(f"{CLICK}/7-1-0", {"place": True})))
    (recovery,) = [name for name in station.columns() if "_recovered_" in name]
    assert recovery.startswith("unstruct_event_com_acme_click_7_1_0_recovered_7_1_0_")
    assert station.sql(f"select {recovery}.place from events where {recovery} is not null") == [(True,)]


def test_skipped_schemas_are_neither_looked_up_nor_loaded_but_their_events_are(
    station: Station, schemas: Any, line: Line
) -> None:
    put_clicks(schemas)
    choose(station, skip_schemas=("iglu:com.unknown/*/jsonschema/1-*-*", f"{CLICK}/7-0-*"))
    unknown = ("iglu:com.unknown/thing/jsonschema/1-0-3", {"a": 1})
    station.load_lines(line(entities=[unknown, (f"{CLICK}/7-0-0", {"place": "top"})], event=unknown))
    assert station.one("select count(*) from events") == 1
    assert station.one("select count(*) from failed_events") == 0
    assert [name for name in station.columns() if name.startswith(("contexts_", "unstruct_"))] == []


@pytest.mark.parametrize(
    ("criterion", "uri", "matches"),
    [
        (f"{CLICK}/7-*-*", f"{CLICK}/7-1-2", True),
        (f"{CLICK}/7-*-*", f"{CLICK}/8-1-2", False),
        (f"{CLICK}/*-1-2", f"{CLICK}/8-1-2", True),
        (f"{CLICK}/7-1-2", f"{CLICK}/7-1-3", False),
        ("iglu:com.acme/*/jsonschema/*-*-*", f"{CLICK}/7-1-3", True),
        ("iglu:com.acme/*/jsonschema/*-*-*", "iglu:com.acme.web/click/jsonschema/1-0-0", False),
        ("iglu:*/click/*/*-*-*", f"{CLICK}/7-1-3", True),
    ],
)
def test_a_criterion_matches(criterion: str, uri: str, matches: bool) -> None:
    assert Criteria.of([criterion]).match(parse_key(uri)) is matches


@pytest.mark.parametrize(
    "text", ["", CLICK, f"{CLICK}/7", f"{CLICK}/7-*", "com.acme/click/jsonschema/1-0-0", "iglu:com.*/a/b/1-*-*"]
)
def test_a_criterion_that_is_none_is_a_fault_with_file_and_key(tmp_path: Path, text: str) -> None:
    file = tmp_path / "snowmelt.toml"
    file.write_text(f"[loader]\nskip_schemas = ['{CLICK}/1-*-*', '{text}']\nlegacy_columns = ['{text}']\n")
    with pytest.raises(ConfigurationError) as raised:
        configuration.read(file, None)
    assert [(fault.file, fault.key) for fault in raised.value.faults] == [
        (str(file), "loader.skip_schemas.1"),
        (str(file), "loader.legacy_columns.0"),
    ]
    assert "iglu:vendor/name/jsonschema/1-*-*" in raised.value.faults[0].problem
