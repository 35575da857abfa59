"""Ids of events whose tracker sent none.

Random ones would make two events of a record that is enriched twice. So where the bus may give a record again although something
came of it, ids follow from the name the bus knows it by: not from its content, of which two requests may have the same, and from
a digest of which what was pseudonymised could be guessed.
"""

import hashlib
import uuid


class EventIds:
    """New ids for the events of one record, in order. Without `identity`: random."""

    __slots__ = ("_given", "_identity")

    def __init__(self, identity: str = "") -> None:
        self._identity = identity
        self._given = 0

    def next(self) -> str:
        """Version 4 in form, as trackers send them."""
        if not self._identity:
            return str(uuid.uuid4())
        self._given += 1
        digest = hashlib.sha256(f"{self._identity} {self._given}".encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4))
