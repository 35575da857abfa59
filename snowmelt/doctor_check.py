"""What `snowmelt doctor` finds out, one thing at a time."""

from typing import Literal, NamedTuple

Outcome = Literal["fine", "doubtful", "wrong", "unknown"]
"""`doubtful`: works, but should be otherwise. `unknown`: could not be looked at, which is no failure by itself."""
Role = Literal["collector", "enricher", "loader"]
ROLES: tuple[Role, ...] = ("collector", "enricher", "loader")


class Check(NamedTuple):
    """`about`: the part it belongs to; `said`: what was found, in a few words; `remedy`: what to do, empty where all is well."""

    about: str
    what: str
    outcome: Outcome
    said: str = ""
    remedy: str = ""


def fine(about: str, what: str, said: str = "") -> Check:
    return Check(about, what, "fine", said)


def wrong(about: str, what: str, said: str, remedy: str) -> Check:
    return Check(about, what, "wrong", said, remedy)


def doubtful(about: str, what: str, said: str, remedy: str) -> Check:
    return Check(about, what, "doubtful", said, remedy)


def unknown(about: str, what: str, said: str, remedy: str = "") -> Check:
    return Check(about, what, "unknown", said, remedy)
