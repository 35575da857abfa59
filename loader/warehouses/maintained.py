"""What housekeeping tells of itself, whichever warehouse it was done in."""

from typing import NamedTuple


class Step(NamedTuple):
    """One thing that was done, in words."""

    name: str
    did: str
