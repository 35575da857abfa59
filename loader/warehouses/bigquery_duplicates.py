"""Which events are there already: the latest are in memory, see `loader.deduplicate`. A start reads them from the table.

Rows that a batch added which was never noted as stored (`loader.warehouses.bigquery_state`) cannot be taken back. Their events
come again; they are recognised, and counted as loaded that time.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence

import orjson

from loader.deduplicate import MARK_COLUMN, MARK_FAMILY, VOLATILE, Latest, marked
from loader.failed_events import is_typed
from loader.known_events import KeySet, id_keys, pair_keys
from loader.ledger import Tally, failure_cell
from loader.warehouses.bigquery_client import Session
from loader.warehouses.bigquery_proto import decoded, micros_of, moment_text
from loader.warehouses.protocol import Batch, Change, Column, Encoded, Leaf, ListOf, Record, Row

MARK = Change(
    (MARK_COLUMN,), ListOf(Record({"_schema_version": Leaf("STRING"), "original_event_id": Leaf("STRING")})), MARK_FAMILY
)
READ_BACK = 500_000
"""Most events a start reads, and …"""
READ_DAYS = 7
"""… from how many days before the last batch: Pub/Sub keeps what was not acknowledged as long."""
_GIVEN_UP = 86_400_000_000
"""What is missing of an interrupted batch so long afterwards (microseconds) does not come any more."""
_Event = tuple[str, str]


class Duplicates:
    """`count`: how many of the latest events are remembered."""

    def __init__(self, session: Session, count: int) -> None:
        self._session = session
        self._count = count
        self._latest = Latest(count)
        self._contents, self._moments = KeySet(count), KeySet(count)
        self._unnoted: Counter[_Event] = Counter()
        self._interrupted = 0

    def read(self, since: str, noted: Collection[str], landed: Counter[str], everything: bool) -> None:
        """`since`: `load_tstamp` until which every row is counted; of later ones those are whose `load_tstamp` is in `noted`, and
        the events in `landed`. `everything`: not only what came after it.
        """
        columns = "event_id, event_fingerprint, UNIX_MICROS(collector_tstamp), UNIX_MICROS(load_tstamp)"
        start = f"TIMESTAMP_SUB(TIMESTAMP(@since), INTERVAL {READ_DAYS} DAY)" if everything else "TIMESTAMP(@since)"
        limit = max(1, min(self._count, READ_BACK))
        query = (
            f"SELECT {columns} FROM {self._session.quoted('events')} WHERE load_tstamp > {start} "
            f"ORDER BY load_tstamp DESC LIMIT {limit}"
        )
        rows = self._session.query(query, since=f"{since}+00")
        complete = [(row[0], row[1]) for row in rows if row[1] is not None]
        bare = [(row[0], str(row[2])) for row in rows if row[1] is None]
        ids = [row[0] for row in rows]
        pairs = pair_keys([event_id for event_id, _ in complete], [fingerprint for _, fingerprint in complete])
        self._latest.remember(id_keys(ids, len(ids)), pairs)
        self._moments.add(pair_keys([event_id for event_id, _ in bare], [moment for _, moment in bare]))
        settled, counted = micros_of(since), Counter(landed)
        self._unnoted = Counter()
        for event_id, fingerprint, _, loaded in rows:
            if loaded <= settled or moment_text(loaded) in noted:
                continue
            if counted[event_id] > 0:
                counted[event_id] -= 1
            else:
                self._unnoted[event_id, fingerprint or ""] += 1
                self._interrupted = max(self._interrupted, loaded)

    def rest(self, landed: Sequence[Encoded], load_tstamp: str) -> bool:
        """Whether events of an interrupted batch are still to come, after those that have with the batch of this time."""
        if self._unnoted.total() <= len(landed):
            return False
        return not load_tstamp or micros_of(load_tstamp) - self._interrupted < _GIVEN_UP

    def latest_load(self) -> str:
        """Of a table that this loader has not written to before: everything in it counts."""
        ((micros,),) = self._session.query(f"SELECT UNIX_MICROS(MAX(load_tstamp)) FROM {self._session.quoted('events')}")
        return moment_text(micros or 0)

    def new_events(self, batch: Batch) -> tuple[list[Encoded], list[Encoded], set[int]]:
        """(rows to add, rows an interrupted batch has added already, indices into the first of those whose id others have)."""
        told = self._latest.told_apart(batch.rows, self._stored_already)
        if not self._unnoted:
            return told.rows, [], set(told.sharing)
        new = {id(row) for row in told.rows}
        left = Counter(self._unnoted)
        landed = []
        for row in batch.rows:
            event = row.event_id, row.fingerprint or ""
            if id(row) not in new and left[event] > 0:
                left[event] -= 1
                landed.append(row)
        return told.rows, landed, set(told.sharing)

    def not_landed(self, failed: Sequence[Row], load_tstamp: str, tally: Tally) -> list[Row]:
        """Failures without those of events that have landed before (same id and fingerprint)."""
        tally.count("twins", [failure_cell(row, load_tstamp) for row in failed if is_typed(row)])
        complete = [row for row in failed if row.get("event_fingerprint") and row.get("event_id")]
        if not complete:
            return list(failed)
        landed = self._latest.landed([(row["event_id"], row["event_fingerprint"]) for row in complete])
        gone = {id(row) for row, known in zip(complete, landed, strict=True) if known}
        tally.dropped([failure_cell(row, load_tstamp) for row in failed if id(row) in gone and not is_typed(row)])
        return [row for row in failed if id(row) not in gone]

    def stored(self, added: Sequence[Encoded], landed: Sequence[Encoded]) -> None:
        """The batch is noted as stored."""
        self._latest.remember_rows(added)
        bare = [row for row in added if row.fingerprint is None]
        if bare:
            ids = [row.event_id for row in bare]
            rows = [decoded(row.data) for row in bare]
            self._contents.add(pair_keys(ids, [_digest(row) for row in rows]))
            self._moments.add(pair_keys(ids, [str(micros_of(row["collector_tstamp"])) for row in rows]))
        for row in landed:
            self._unnoted[row.event_id, row.fingerprint or ""] -= 1

    def _stored_already(self, bare: list[Encoded]) -> set[int]:
        """Same content, or received in the same millisecond: the same record of the bus once more."""
        ids = [row.event_id for row in bare]
        rows = [decoded(row.data) for row in bare]
        same = self._contents.contains(pair_keys(ids, [_digest(row) for row in rows]))
        same |= self._moments.contains(pair_keys(ids, [str(micros_of(row["collector_tstamp"])) for row in rows]))
        return {id(row) for row, known in zip(bare, same, strict=True) if known}


def mark(rows: list[Encoded], sharing: set[int], columns: dict[str, Column], names: set[str]) -> Change | None:
    """Marks rows that share their id; what the table needs for that, if anything."""
    if not sharing or (MARK_COLUMN in columns and columns[MARK_COLUMN].shape != MARK.shape):
        return None
    names.add(MARK_COLUMN)
    for at in sharing:
        rows[at] = marked(rows[at])
    return None if MARK_COLUMN in columns else MARK


def _digest(row: Row) -> str:
    stable = {name: value for name, value in row.items() if name not in VOLATILE}
    return hashlib.blake2b(orjson.dumps(stable, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()
