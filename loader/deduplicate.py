"""Recognising an event that is already there: same id and same fingerprint or, without fingerprints, same content.

Trackers send again when an answer got lost, and a replay that was interrupted sends again too. Equal ids alone prove nothing:
events with one id and different content are both kept, and the later ones are marked by an entity that names the id they share.
What is remembered of the latest events is in `loader.known_events`; only rows without fingerprint are compared with the
warehouse itself.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy
import orjson

from backbone.column_names import column_name
from backbone.selfdescribing import SchemaKey, parse_key
from loader.known_events import Keys, KeySet, id_keys, pair_keys
from loader.warehouses.protocol import Encoded, Row

MARK: SchemaKey = parse_key("iglu:com.snowplowanalytics.snowplow/duplicate/jsonschema/1-0-0")
"""The entity Snowplow's own deduplication attaches; `original_event_id` is the id shared."""
MARK_COLUMN = column_name("entity", MARK.vendor, MARK.name, MARK.version.model)
MARK_FAMILY = "iglu:com.snowplowanalytics.snowplow/duplicate/jsonschema/1-*-*"

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
        MARK_COLUMN,
    ]
)
"""Columns in which two copies of one event may differ (or, the id, are compared already), and the mark itself."""


class Told(NamedTuple):
    """What is new of a batch, in order. `sharing`: indices into `rows` of those whose id an event with other content has."""

    rows: list[Encoded]
    sharing: list[int]


class Latest:
    """Which of the latest events are known. `stored_already` answers for rows without fingerprint, see `told_apart`."""

    def __init__(self, size: int) -> None:
        self._ids = KeySet(size)
        self._pairs = KeySet(size)

    def remember(self, ids: Keys, pairs: Keys) -> None:
        """Keys of `id_keys` and `pair_keys`."""
        self._ids.add(ids)
        self._pairs.add(pairs)

    def remember_rows(self, rows: Sequence[Encoded]) -> None:
        complete = [row for row in rows if row.fingerprint is not None]
        self.remember(_ids(rows), _pairs(complete))

    def told_apart(self, rows: Sequence[Encoded], stored_already: Callable[[list[Encoded]], set[int]]) -> Told:
        """Drops rows that are there already, or twice in the batch.

        `stored_already`: `id()` of those rows that the warehouse has with the same content.
        """
        batch = _distinct(rows)
        known = self._ids.contains(_ids(batch.rows))
        if not known.any():
            return batch
        suspects = [batch.rows[at] for at in numpy.flatnonzero(known)]
        dropped = self._dropped(suspects, stored_already)
        sharing = {id(batch.rows[at]) for at in batch.sharing} | {id(row) for row in suspects}
        kept = [row for row in batch.rows if id(row) not in dropped]
        return Told(kept, [at for at, row in enumerate(kept) if id(row) in sharing])

    def landed(self, events: Sequence[tuple[str, str]]) -> list[bool]:
        """For each (id, fingerprint) whether that event is known."""
        ids = id_keys((event_id for event_id, _ in events), len(events))
        pairs = pair_keys([event_id for event_id, _ in events], [fingerprint for _, fingerprint in events])
        return [bool(found) for found in self._ids.contains(ids) & self._pairs.contains(pairs)]

    def _dropped(self, suspects: list[Encoded], stored_already: Callable[[list[Encoded]], set[int]]) -> set[int]:
        bare = [row for row in suspects if row.fingerprint is None]
        complete = [row for row in suspects if row.fingerprint is not None]
        dropped = stored_already(bare) if bare else set()
        if complete:
            found = self._pairs.contains(_pairs(complete))
            dropped.update(id(row) for row, same in zip(complete, found, strict=True) if same)
        return dropped


def marked(row: Encoded) -> Encoded:
    """With the entity that tells of the shared id; as it is when the row has such an entity already."""
    if f'"{MARK_COLUMN}":'.encode() in row.data:
        return row
    entity = orjson.dumps([{"_schema_version": str(MARK.version), "original_event_id": row.event_id}])
    return row._replace(data=b"".join((row.data.rstrip()[:-1], f',"{MARK_COLUMN}":'.encode(), entity, b"}\n")))


def _ids(rows: Sequence[Encoded]) -> Keys:
    return id_keys((row.event_id for row in rows), len(rows))


def _pairs(rows: Sequence[Encoded]) -> Keys:
    return pair_keys([row.event_id for row in rows], [row.fingerprint or "" for row in rows])


def _distinct(rows: Sequence[Encoded]) -> Told:
    """Without repetitions, the first of equals kept."""
    if len({row.event_id for row in rows}) == len(rows):
        return Told(list(rows), [])
    told = Told([], [])
    kept: dict[str, list[Encoded]] = {}
    for row in rows:
        others = kept.setdefault(row.event_id, [])
        if any(_same(row, other) for other in others):
            continue
        if others:
            told.sharing.append(len(told.rows))
        others.append(row)
        told.rows.append(row)
    return told


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
