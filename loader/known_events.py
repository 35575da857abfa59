"""The latest events, as numbers: is this id known, and with this fingerprint?

Two sorted sets of 64-bit keys, one of ids and one of ids with fingerprint: 16 bytes an event and a few microseconds a thousand
lookups, where a Python set takes five times as much. What is dropped as a duplicate is in both: 128 bits agree. The keys can
also be computed by DuckDB, so that a start reads them without passing every id through Python.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy
from numpy.typing import NDArray

Keys: TypeAlias = NDArray[numpy.uint64]

_LOW = 2**64 - 1
_HEX = "replace({id}, '-', '')"
ID_KEY_SQL = (
    f"coalesce(xor(TRY_CAST('0x' || left({_HEX}, 16) AS UBIGINT), TRY_CAST('0x' || right({_HEX}, 16) AS UBIGINT)), 0::UBIGINT)"
)
PAIR_KEY_SQL = "md5_number_lower({id} || {fingerprint})"


def id_keys(event_ids: Iterable[str], count: int) -> Keys:
    """Of UUIDs: both halves, folded. Of anything else 0: `events` holds nothing else."""
    return numpy.fromiter(map(_folded, event_ids), numpy.uint64, count)


def pair_keys(event_ids: Sequence[str], fingerprints: Sequence[str]) -> Keys:
    """Of ids with their fingerprints."""
    digests = b"".join(
        [hashlib.md5((a + b).encode(), usedforsecurity=False).digest() for a, b in zip(event_ids, fingerprints, strict=True)]
    )
    return numpy.frombuffer(digests, "<u8")[1::2].astype(numpy.uint64)


def _folded(event_id: str) -> int:
    try:
        number = int(event_id.replace("-", ""), 16)
    except ValueError:
        return 0
    return ((number >> 64) ^ number) & _LOW


class KeySet:
    """The latest keys: at least `size` of them and, once full, at most one and a half times as many."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._half = max(1, size // 2)
        self._generations: list[_Generation] = [_Generation()]

    def add(self, keys: Keys) -> None:
        if not self._size:
            return
        newest = self._generations[-1]
        newest.add(keys)
        if newest.size >= self._half:
            self._generations = [*self._generations[-2:], _Generation()]

    def contains(self, keys: Keys) -> NDArray[numpy.bool_]:
        """For each key whether it is there."""
        order = numpy.argsort(keys)
        ordered = keys[order]
        found = numpy.zeros(len(keys), dtype=bool)
        for generation in self._generations:
            generation.mark(ordered, found)
        result = numpy.empty_like(found)
        result[order] = found
        return result


class _Generation:
    """Sorted runs, each at least twice as long as the next: few to search, cheap to add to."""

    def __init__(self) -> None:
        self._runs: list[Keys] = []
        self.size = 0

    def add(self, keys: Keys) -> None:
        if not len(keys):
            return
        self.size += len(keys)
        run = numpy.sort(keys)
        while self._runs and len(self._runs[-1]) < 2 * len(run):
            # A stable sort of two sorted runs only merges them.
            run = numpy.sort(numpy.concatenate((self._runs.pop(), run)), kind="stable")
        self._runs.append(run)

    def mark(self, ordered: Keys, found: NDArray[numpy.bool_]) -> None:
        for run in self._runs:
            at = numpy.minimum(run.searchsorted(ordered), len(run) - 1)
            found |= run[at] == ordered
