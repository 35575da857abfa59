"""What an audit found wrong: one number that is not what another says it must be."""

from typing import NamedTuple


class Difference(NamedTuple):
    """`place`: an hour and app, or a joint between two stages. `what`: what was counted there."""

    place: str
    what: str
    expected: int
    found: int
    meaning: str
    remedy: str
