"""BigQuery as warehouse. There is no transaction over several tables, so a batch is written in an order that makes it one.

First what cannot be taken back (rows of `events`), then logs of changes (failures, waiting events, replays), last one row of
`loader_batches`. Until that is there the batch is not stored: the loader comes with it again, rows that are in `events` already
are recognised, and changes without batch are taken back. The same is done after a failure half-way and at every start.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NoReturn

from backbone.bus.protocol import Stream
from backbone.schema_types import Type
from loader.ledger import Tally
from loader.warehouses import bigquery_types
from loader.warehouses.bigquery_atomic import EVENTS, open_events
from loader.warehouses.bigquery_client import BigQueryRefused, BigQueryUnavailable, Place, Session
from loader.warehouses.bigquery_duplicates import Duplicates, mark
from loader.warehouses.bigquery_failed import FailedLog
from loader.warehouses.bigquery_proto import decoded, micros_of
from loader.warehouses.bigquery_removals import Removals
from loader.warehouses.bigquery_replays import ReplayLogs
from loader.warehouses.bigquery_schema import UNNAMED, named
from loader.warehouses.bigquery_state import Read, State
from loader.warehouses.bigquery_stream import RowErrors, StreamGone
from loader.warehouses.bigquery_table import GrowingTable, Late
from loader.warehouses.bigquery_waiting import WaitingLog
from loader.warehouses.json_rows import encode
from loader.warehouses.protocol import (
    Batch,
    BatchRefused,
    Column,
    Encoded,
    NotYetWritable,
    Row,
    RowsRefused,
    Shape,
    Stored,
    Waited,
    Waiting,
)

log = logging.getLogger("snowmelt.loader")

_DIRECTLY, _GONE = ("", "loaded directly"), ("", "log is gone")
"""What was read from no log that is still there."""


class _Reduced(Exception):
    """Failed events of the batch have fewer columns now; to be stored once more."""


class BigQuery:
    def __init__(self, place: Place, known_events: int) -> None:
        """`known_events`: how many of the latest events are remembered to recognise duplicates.

        Raises ConfigurationError, BigQueryUnavailable.
        """
        self.encoding = bigquery_types.ENCODING._replace(unnamed=UNNAMED)
        session = self._session = Session(place)
        session.find_dataset()
        open_events(session)
        self._events = GrowingTable(session, EVENTS)
        self._failed = FailedLog(session)
        self._waiting = WaitingLog(session)
        self._replays = ReplayLogs(session)
        self._state = State(session)
        self._duplicates = Duplicates(session, known_events)
        self._removals = Removals(session)
        self._logs = (self._failed.log, self._waiting.log, self._replays.replays, self._replays.events)
        self._tables = (self._events, *(each.table for each in self._logs), self._state.table)
        self._broken = True
        self._resume(at_start=True)

    def positions(self) -> dict[str, int]:
        return dict(self._state.standing.positions)

    def columns(self) -> Mapping[str, Column]:
        return self._events.columns

    def failed_columns(self) -> Mapping[str, Column]:
        return self._failed.log.table.columns

    def encode(self, row: Row) -> bytes:
        return encode(row)

    def shape(self, kind: Type) -> Shape:
        return named(bigquery_types.shape_of(kind))

    def counted_logs(self) -> Collection[str]:
        return {log for log, _ in self._state.standing.read} - {""}

    def count_from(self, balances: Mapping[str, Mapping[Stream, int]]) -> None:
        if not balances:
            return
        self._resume()
        standing = self._state.standing.read
        read = {key: value for key, value in standing.items() if key[0] not in balances}
        gone = sum(number for (log, stream), (_, number) in standing.items() if log in balances and stream != "replayed")
        if gone:
            read[_GONE] = (0, read.get(_GONE, (0, 0))[1] + gone)
        read |= {(log, stream): (number, 0) for log, streams in balances.items() for stream, number in streams.items()}
        try:
            self._note(self._state.next_change(), "", self._state.standing.positions, read, Tally())
        except (BigQueryRefused, StreamGone) as problem:
            self._broken = True
            raise BigQueryUnavailable(f"the counts of the bus cannot be noted: {problem}") from problem

    def store(self, batch: Batch) -> Stored:
        """Columns stay where rows are refused."""
        self._resume()
        if self._failed.knows(batch) or batch.taken:
            self._heed_removals(at_once=True)
            self._waiting.check(batch)
        before = [table.stream.offset for table in self._tables if table.stream is not None]
        try:
            return self._store(batch)
        except _Reduced:
            log.warning("failed events are stored with fewer columns, BigQuery refuses them otherwise")
            self._forget()
            return self.store(batch)
        except (BigQueryUnavailable, StreamGone) as problem:
            self._broken = True
            if isinstance(problem, StreamGone):
                raise BigQueryUnavailable(f"a stream was ended from outside: {problem}") from problem
            raise
        except BaseException:
            self._broken = before != [table.stream.offset for table in self._tables if table.stream is not None]
            raise
        finally:
            self._forget()

    def _store(self, batch: Batch) -> Stored:
        try:
            self._events.evolve(batch.changes)
            self._failed.evolve(batch.failed_changes)
        except BigQueryRefused as problem:
            raise BatchRefused(str(problem)) from problem
        tally = Tally()
        rows, landed = self._add_events(batch)
        now_there = [*rows, *landed]
        tally.landed([row.cell for row in batch.rows], [row.cell for row in now_there])
        change = self._state.next_change()
        try:
            replayed = self._replays.put(batch.replayed)
            self._failed.remove_replayed(replayed, batch.load_tstamp, tally)
            left = self._duplicates.not_landed(batch.failed, batch.load_tstamp, tally)
            new_failures = self._replays.counted(left, batch.replayed, self._failed)
            failed = self._failed.upsert(new_failures, batch.load_tstamp, tally)
            recovered = self._failed.remove_landed(now_there, batch.load_tstamp, tally)
            keys = [waiting.failure_key for waiting in batch.waiting if waiting.failure_key is not None]
            recovered += self._failed.remove_parked(keys, batch.load_tstamp, tally)
            self._waiting.settle(batch, change, tally)
            for each in self._logs:
                change = each.flush(change)
            self._note(change, batch.load_tstamp, batch.positions, self._read(batch, tally), tally, landed)
        except (RowErrors, Late, BigQueryRefused) as problem:
            self._refuse(batch, problem)
        self._duplicates.stored(rows, landed)
        self._failed.stored()
        self._replays.stored(batch.replayed)
        parked, unparked = self._waiting.stored(batch)
        return Stored(len(now_there), len(batch.rows) - len(now_there), failed, recovered, parked, unparked)

    def waiting(self) -> Mapping[str, Waited]:
        return self._waiting.waited

    def waiting_for(self, schema: str, before: str | None, limit: int, max_bytes: int) -> list[Waiting]:
        self._resume()
        try:
            return self._waiting.take(schema, before, limit, max_bytes)
        except BigQueryRefused as problem:
            raise BigQueryUnavailable(f"waiting events cannot be read: {problem}") from problem

    def maintain(self) -> None:
        """What commands have removed is forgotten; BigQuery sees to its tables by itself."""
        if not self._broken:
            self._heed_removals()

    def close(self) -> None:
        for table in self._tables:
            if table.stream is not None:
                table.stream.disconnect()
        self._session.close()

    def _add_events(self, batch: Batch) -> tuple[list[Encoded], list[Encoded]]:
        """(rows added, rows that were there from an interrupted batch). Raises RowsRefused, NotYetWritable, BatchRefused."""
        place_of = {id(row): at for at, row in enumerate(batch.rows)}
        rows, landed, sharing = self._duplicates.new_events(batch)
        places = [place_of[id(row)] for row in rows]
        marking = mark(rows, sharing, self._events.columns, batch.names)
        try:
            if marking is not None:
                self._events.evolve([marking])
            self._events.append(_loaded(rows, micros_of(batch.load_tstamp)))
        except RowErrors as problem:
            raise RowsRefused([(places[at], reason) for at, reason in problem.rows]) from problem
        except Late as problem:
            raise NotYetWritable([places[at] for at in problem.rows]) from problem
        except BigQueryRefused as problem:
            raise BatchRefused(str(problem)) from problem
        return rows, landed

    def _refuse(self, batch: Batch, problem: Exception) -> NoReturn:
        """Of changes. What was written of the batch is taken back before the next attempt."""
        self._broken = True
        if self._failed.reduce(batch):
            raise _Reduced from problem
        raise BatchRefused(str(problem)) from problem

    def _read(self, batch: Batch, tally: Tally) -> Read:
        read = dict(self._state.standing.read)
        for key, number in (batch.read or {_DIRECTLY: tally.received}).items():
            if number:
                before, until_now = read.get(key, (0, 0))
                read[key] = (before, until_now + number)
        return read

    def _note(
        self,
        change: int,
        load_tstamp: str,
        positions: Mapping[str, int],
        read: Read,
        tally: Tally,
        landed: Sequence[Encoded] = (),
    ) -> None:
        ids = [row.event_id for row in landed]
        self._state.note(change, load_tstamp, positions, read, tally.rows(), ids, self._duplicates.rest(landed, load_tstamp))

    def _resume(self, at_start: bool = False) -> None:
        """After a start or a failure half-way: alone again, and as of the last batch that was noted."""
        if not self._broken:
            return
        try:
            self._state.check()
            for table in self._tables:
                table.open()
            self._state.take_over([table.stream.name for table in self._tables if table.stream is not None])
            standing = self._state.standing
            change = self._state.next_change()
            for each in self._logs:
                each.undo(standing.change, change)
            since = standing.settled or self._duplicates.latest_load()
            self._state.note(change + 1, since, standing.positions, standing.read, (), rest=True)
            self._duplicates.read(since, *self._state.noted_after(since), everything=at_start)
            self._read_logs()
        except (BigQueryRefused, StreamGone, Late, RowErrors) as problem:
            raise BigQueryUnavailable(f"the warehouse cannot be opened: {problem}") from problem
        self._broken = False

    def _heed_removals(self, at_once: bool = False) -> None:
        """Commands take rows away. `at_once`: the batch is about to rely upon some. Raises BigQueryUnavailable then."""
        if not self._removals.changed(at_once):
            return
        log.info("rows were removed from the warehouse; what is remembered of its tables is read again")
        self._broken = True  # until that is done
        try:
            self._read_logs()
            self._broken = False
        except (BigQueryRefused, BigQueryUnavailable) as problem:
            log.warning("it will be read before the next batch: %s", problem)
            if at_once:
                raise BigQueryUnavailable(f"what was removed is not known: {problem}") from problem

    def _read_logs(self) -> None:
        for part in (self._failed, self._waiting, self._replays):
            part.read()

    def _forget(self) -> None:
        """What was prepared for a batch and not written."""
        self._failed.forget()
        self._waiting.forget()
        self._replays.forget()


def _loaded(rows: Iterable[Encoded], load_tstamp: int) -> list[Row]:
    loaded = [decoded(row.data) for row in rows]
    for row in loaded:
        row["load_tstamp"] = load_tstamp
    return loaded
