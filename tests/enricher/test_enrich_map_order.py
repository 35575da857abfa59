"""The order of a Scala 2.12 map's names."""

import pytest

from enricher.map_order import map_order


@pytest.mark.parametrize(
    ("names", "order"),
    [(["a", "b", "c", "d", "e"], ["e", "a", "b", "c", "d"]), (["d", "c", "b", "a"], ["d", "c", "b", "a"]), ([], [])],
    ids=["five and more lie in a trie", "four keep their order", "none"],
)
def test_names_come_in_the_order_of_the_map(names: list[str], order: list[str]) -> None:
    assert map_order(names) == order


def test_any_name_has_a_place() -> None:
    names = [f"{n}é😀\ud800" for n in range(50)]
    assert sorted(map_order(names)) == sorted(names)
