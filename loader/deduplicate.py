"""Recognising an event that is already there: same id and same fingerprint or, without fingerprints, same content.

Trackers send again when an answer got lost, and a replay that was interrupted sends again too. Equal ids alone prove nothing:
events with one id and different content are both kept. Ids of the latest events are remembered as 64-bit hashes; only a row
whose hash is known is compared with the warehouse itself.
"""

from collections.abc import Iterable, Iterator, Sequence

import orjson

from loader.warehouses.protocol import Encoded, Row

VOLATILE = frozenset(
    [
        "etl_tstamp",
        "collector_tstamp",
        "dvce_sent_tstamp",
        "derived_tstamp",
        "load_tstamp",
        "v_etl",
        "v_collector",
        "etl_tags",
        "event_id",
    ]
)
"""Columns in which two copies of one event may differ (or, the id, are compared already)."""


class Known:
    """The latest event ids, at least `size` of them and at most one and a half times as many."""

    def __init__(self, size: int) -> None:
        self._half = max(1, size // 2)
        self._older: set[int] = set()
        self._old: set[int] = set()
        self._new: set[int] = set()

    def add(self, event_ids: Iterable[str]) -> None:
        self._new.update(map(hash, event_ids))
        if len(self._new) >= self._half:
            self._older, self._old, self._new = self._old, self._new, set()

    def __contains__(self, event_id: str) -> bool:
        number = hash(event_id)
        return number in self._new or number in self._old or number in self._older


def distinct(rows: Sequence[Encoded]) -> list[Encoded]:
    """The rows without repetitions among themselves, the first of equals kept."""
    ids = {row.event_id for row in rows}
    return list(rows) if len(ids) == len(rows) else list(_distinct(rows))


def _distinct(rows: Sequence[Encoded]) -> Iterator[Encoded]:
    kept: dict[str, list[Encoded]] = {}
    for row in rows:
        others = kept.setdefault(row.event_id, [])
        if not any(_same(row, other) for other in others):
            others.append(row)
            yield row


def _same(a: Encoded, b: Encoded) -> bool:
    if a.fingerprint is not None or b.fingerprint is not None:
        return a.fingerprint == b.fingerprint
    return _content(a) == _content(b)


def _content(row: Encoded) -> Row:
    return {name: value for name, value in orjson.loads(row.data).items() if name not in VOLATILE}


def same_event_sql(a: str, b: str, columns: Iterable[str]) -> str:
    """Condition under which rows of tables `a` and `b` are one event. `columns`: quoted names of all columns to compare."""
    content = " AND ".join(f"{a}.{name} IS NOT DISTINCT FROM {b}.{name}" for name in columns)
    fingerprints = f"{a}.event_fingerprint IS NOT DISTINCT FROM {b}.event_fingerprint"
    return f"{a}.event_id = {b}.event_id AND {fingerprints} AND ({a}.event_fingerprint IS NOT NULL OR ({content}))"
