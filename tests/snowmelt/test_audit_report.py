"""What `snowmelt audit` prints."""

import json
from typing import Any

import pytest

from loader.audit import Audit, Hour
from loader.differences import Difference
from loader.stages import Stage
from snowmelt.audit import as_object, show

GONE = Difference("2026-01-01 10:00 shop", "rows of events", 7, 5, "Rows are gone.", "Find out who deleted them.")


def hour(number: int, app_id: str = "shop") -> Hour:
    return Hour(f"2026-01-{1 + number // 24:02} {number % 24:02}:00", app_id, 10, 7, 2, 1, 0, 1, 3)


def shown(found: Audit, capsys: pytest.CaptureFixture[str]) -> str:
    show(found)
    return capsys.readouterr().out


def test_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(Audit([hour(9), hour(10, "")], [Stage("collector → enricher: payloads", 5, 5, 2)]), capsys)
    assert text.splitlines() == [
        "hour (UTC)        app   received  loaded  failed  duplicates  recovered  removed",
        "2026-01-01 09:00  shop        10       7       2           1          1        3",
        "2026-01-01 10:00              10       7       2           1          1        3",
        "all                           20      14       4           2          2        6",
        "",
        "stage                           sent  received  on the way",
        "collector → enricher: payloads     5         5           2",
        "",
        "Everything is accounted for.",
    ]


def test_many_hours_are_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(Audit([hour(number) for number in range(60)]), capsys).splitlines()
    assert len(lines) == 1 + 1 + 48 + 1 + 2
    assert lines[1].split()[:3] == ["12", "earlier", "120"]
    assert lines[50].split()[:2] == ["all", "600"]


def test_a_difference_says_where_what_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(Audit(differences=[GONE], notes=["A log is gone."]), capsys)
    assert text.splitlines() == [
        "A log is gone.",
        "1 difference:",
        "  2026-01-01 10:00 shop: rows of events: 7 expected, 5 found.",
        "    Rows are gone.",
        "    Find out who deleted them.",
    ]


def test_for_machines_everything_has_a_name() -> None:
    found: dict[str, Any] = json.loads(json.dumps(as_object(Audit([hour(9)], [Stage("a", 1, 1, 0)], [GONE], ["n"]))))
    assert found["agrees"] is False
    assert found["hours"][0]["duplicates"] == 1
    assert found["stages"] == [{"name": "a", "sent": 1, "received": 1, "on_the_way": 0}]
    assert found["differences"][0]["expected"] == 7
    assert found["notes"] == ["n"]
