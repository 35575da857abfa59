"""The table `loader_batches`: one row a batch, written last. What it says holds; what a batch wrote before is nothing without it.

A row has the positions on the bus, what was counted, and the number of the last change (`loader.warehouses.bigquery_log`) that
belongs to the batch: one append, so all of it or none. A loader that starts notes the streams it opened, and finalizes those of
the loaders that opened theirs earlier: whatever they have under way fails, and they store nothing more.
"""

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from backbone import jsontext
from loader.ledger import COUNTERS
from loader.warehouses.bigquery_client import BigQueryUnavailable, Session
from loader.warehouses.bigquery_proto import micros_of
from loader.warehouses.bigquery_schema import field_of
from loader.warehouses.bigquery_stream import finalize
from loader.warehouses.bigquery_table import GrowingTable
from loader.warehouses.protocol import Leaf, ListOf, Record, Row, Shape

BATCHES, LEDGER = "loader_batches", "loader_ledger"
_TEXT, _COUNT = Leaf("STRING"), Leaf("INT64")
_CELL: dict[str, Shape] = {"hour": Leaf("TIMESTAMP"), "app_id": _TEXT, **dict.fromkeys(COUNTERS, _COUNT)}
_SHAPES: dict[str, Shape] = {
    "written": Leaf("TIMESTAMP"),
    "change": _COUNT,
    "session": _TEXT,
    "kind": _TEXT,
    "load_tstamp": _TEXT,
    "positions": _TEXT,
    "read": _TEXT,
    "streams": ListOf(_TEXT),
    "cells": ListOf(Record(_CELL)),
}
"""`kind`: `opening` (streams were opened, nothing else) or `batch`. `positions`, `read`: JSON."""
_OPENING, _BATCH = "opening", "batch"
OPENINGS = 20
"""Of so many loaders that came last the streams are ended."""

Read = dict[tuple[str, str], tuple[int, int]]
"""(log, stream) → records there before they were counted, records read since."""


class Standing(NamedTuple):
    """As of the last batch. `load_tstamp`: of the latest rows of `events`."""

    change: int
    load_tstamp: str
    positions: Mapping[str, int]
    read: Read


class Superseded(BigQueryUnavailable):
    """Another loader has begun to write this dataset."""


class State:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._id = uuid.uuid4().hex
        fields = [field_of(name, shape) for name, shape in _SHAPES.items()]
        session.create({"tableId": BATCHES, "schema": {"fields": fields}})
        query = f"SELECT c.* FROM {session.quoted(BATCHES)} b, UNNEST(b.cells) c"
        session.create({"tableId": LEDGER, "view": {"query": query, "useLegacySql": False}})
        self.table = GrowingTable(session, BATCHES)
        self._quoted = session.quoted(BATCHES)
        self.standing = Standing(0, "", {}, {})
        self._opened = False

    def take_over(self, streams: Sequence[str]) -> None:
        """The streams are mine: from here on no other loader's rows are added. Raises Superseded."""
        latest = next(iter(self._openings()), (self._id, [], 0))
        self._append(self._number(latest[2]), _OPENING, streams=list(streams))
        self._opened = True
        for stream in self._earlier_streams():
            finalize(self._session, stream)
        self.standing = self._last()

    def check(self) -> None:
        """Raises Superseded."""
        if self._opened and self._openings()[0][0] != self._id:
            raise Superseded("another loader has begun to write this dataset; this one stores nothing any more")

    def next_change(self) -> int:
        return self._number(self.standing.change)

    def note(self, change: int, load_tstamp: str, positions: Mapping[str, int], read: Read, cells: Iterable[Row]) -> None:
        """The batch is stored with this."""
        latest = max(load_tstamp, self.standing.load_tstamp)
        self._append(
            change,
            _BATCH,
            load_tstamp=latest,
            positions=jsontext.dumps(dict(positions)),
            read=jsontext.dumps([[*key, *numbers] for key, numbers in read.items()]),
            cells=[_cell(cell) for cell in cells],
        )
        self.standing = Standing(change, latest, dict(positions), dict(read))

    def _append(self, change: int, kind: str, **more: Any) -> None:
        written = time.time_ns() // 1000
        self.table.append([{"written": written, "change": change, "session": self._id, "kind": kind, **more}])

    def _number(self, above: int) -> int:
        """Microseconds since 1970 make change numbers that grow from process to process too."""
        return max(above + 1, time.time_ns() // 1000)

    def _openings(self) -> list[tuple[str, list[str], int]]:
        """(session, streams, change), latest first."""
        columns = "session, streams, change"
        query = f"SELECT {columns} FROM {self._quoted} WHERE kind = '{_OPENING}' ORDER BY change DESC LIMIT {OPENINGS}"
        return [(row[0], list(row[1]), row[2]) for row in self._session.query(query)]

    def _earlier_streams(self) -> list[str]:
        """Own ones of an earlier time are among them. Raises Superseded."""
        latest, *earlier = self._openings()
        if latest[0] != self._id:
            raise Superseded("another loader has begun to write this dataset in the same moment")
        return [stream for _, streams, _ in earlier for stream in streams]

    def _last(self) -> Standing:
        columns = "change, load_tstamp, positions, read"
        query = f"SELECT {columns} FROM {self._quoted} WHERE kind = '{_BATCH}' ORDER BY change DESC LIMIT 1"
        for change, load_tstamp, positions, read in self._session.query(query):
            known: Read = {(log, stream): (before, number) for log, stream, before, number in jsontext.loads(read.encode())[0]}
            return Standing(change, load_tstamp, jsontext.loads(positions.encode())[0], known)
        return Standing(0, "", {}, {})


def _cell(cell: Row) -> Row:
    return {**cell, "hour": micros_of(cell["hour"])}
