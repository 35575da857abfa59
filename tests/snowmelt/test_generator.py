"""The invented visitors: the same for the same seed, realistic in kind, broken where asked and only there."""

from collections import Counter

import pytest

from snowmelt.generator import Batch, batches


def ids(found: list[Batch]) -> list[str]:
    return [event["eid"] for batch in found for event in batch.events]


def test_the_same_seed_gives_the_same_events() -> None:
    assert list(batches(7, 300, 0.1)) == list(batches(7, 300, 0.1))


def test_another_seed_gives_other_ids() -> None:
    assert not set(ids(list(batches(1, 100)))) & set(ids(list(batches(2, 100))))


@pytest.mark.parametrize("count", [1, 9, 1000])
def test_exactly_as_many_events_as_asked_for_each_with_its_own_id(count: int) -> None:
    found = ids(list(batches(3, count)))
    assert len(found) == count == len(set(found))


def test_endless_when_no_count_is_given() -> None:
    source = batches(3, 0)
    assert sum(len(next(source).events) for _ in range(2000)) > 2000


def test_sessions_hold_every_kind_of_event_by_both_methods_in_batches() -> None:
    found = list(batches(11, 3000))
    kinds = Counter(event["e"] for batch in found for event in batch.events)
    assert set(kinds) == {"pv", "pp", "se", "ue"}
    assert min(kinds.values()) > 100
    assert {batch.method for batch in found} == {"GET", "POST"}
    assert all(len(batch.events) == 1 for batch in found if batch.method == "GET")
    assert max(len(batch.events) for batch in found) > 3


def test_a_visitor_keeps_its_identity_over_requests() -> None:
    sessions: dict[str, set[tuple[str, str]]] = {}
    for batch in batches(5, 2000):
        for event in batch.events:
            sessions.setdefault(event["sid"], set()).add((event["duid"], batch.agent))
    assert all(len(people) == 1 for people in sessions.values())
    assert len(sessions) > 20


@pytest.mark.parametrize("fraction", [0.0, 0.2, 1.0])
def test_about_the_asked_fraction_is_broken(fraction: float) -> None:
    sound = [event for batch in batches(4, 2000, 0.0) for event in batch.events]
    broken = sum(1 for batch in batches(4, 2000, fraction) for event in batch.events if is_broken(event))
    assert sum(map(is_broken, sound)) == 0
    assert abs(broken / 2000 - fraction) < 0.05


def is_broken(event: dict[str, str]) -> bool:
    import base64
    import json

    if event.get("se_va") == "a lot":
        return True
    if event["e"] != "ue":
        return False
    text = event["ue_px"]
    try:
        inner = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))["data"]
    except ValueError:
        return True
    return "never_published" in inner["schema"] or inner["data"].get("elementId") == 7
