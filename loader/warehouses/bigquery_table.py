"""A table that grows and is appended to. A new column cannot always be written at once: BigQuery's parts learn of it in turn."""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from google.cloud import bigquery

from loader.evolve import follow
from loader.warehouses.bigquery_client import BigQueryRefused, BigQueryUnavailable, Session
from loader.warehouses.bigquery_proto import RowWriter, Unwritable, part
from loader.warehouses.bigquery_schema import Fields, columns_of, grow, missing, uses
from loader.warehouses.bigquery_stream import MOST_BYTES, RowErrors, SchemaLags, Stream
from loader.warehouses.protocol import Change, Column, Leaf, ListOf, Record, Row, Shape, TooLarge

log = logging.getLogger("snowmelt.loader")

Path = tuple[str, ...]
_RACES = 10
_PATIENCE = 3.0
"""Seconds a batch waits for new columns; rows that need one for longer wait by themselves."""
_LOOK = 0.2
_FRESH = 900.0
"""Seconds for which a refusal of unknown columns is put down to those that are new."""
_DISTRUST = 1.0


class Late(Exception):
    """These rows (indices) need columns that cannot be written yet. Nothing was stored."""

    def __init__(self, rows: Sequence[int], paths: Collection[Path]) -> None:
        self.rows = rows
        self.paths = paths
        super().__init__(f"{len(rows)} rows are early")


class GrowingTable:
    """`columns`: what it has. `open` before `append`."""

    def __init__(self, session: Session, name: str) -> None:
        self._session = session
        self.name = name
        self.columns: dict[str, Column] = {}
        self.stream: Stream | None = None
        self._writable: dict[str, Shape] = {}
        self._added: dict[Path, float] = {}
        self._distrusted: dict[Path, float] = {}
        self._writers: dict[frozenset[str], RowWriter] = {}
        self.read()

    def read(self) -> None:
        self.columns = columns_of(schema_fields(self._get()))
        self._writers.clear()

    def open(self) -> None:
        """A new stream; what the one before has under way is lost or stored, but none of this process's business any more."""
        if self.stream is not None:
            self.stream.disconnect()
        self.stream = Stream(self._session, self.name)
        self._learn(self.stream.schema())

    def shapes(self) -> dict[str, Shape]:
        return {name: column.shape for name, column in self.columns.items()}

    def evolve(self, changes: Sequence[Change]) -> None:
        """Raises BigQueryUnavailable, also when somebody else has made something different of a column; BigQueryRefused."""
        if not changes:
            return
        wanted = dict(self.columns)
        for change in changes:
            follow(wanted, change)
        for _ in range(_RACES):
            table = self._get()
            fields = schema_fields(table)
            if not grow(fields, changes) or self._session.alter(table, fields):
                break
            log.info("the table %s was changed by somebody else meanwhile; its schema is merged again", self.name)
        else:
            raise BigQueryUnavailable(f"the table {self.name} is being changed all the time")
        self.read()
        self._added.update({tuple(p for p in change.path if p != "element"): time.monotonic() for change in changes})
        for name in {change.path[0] for change in changes}:
            if not _covers(self.columns[name].shape, wanted[name].shape):
                raise BigQueryUnavailable(f"the column {name} of {self.name} was made by somebody else, and otherwise")

    def pending(self, patience: float) -> set[Path]:
        """Paths of the table that cannot be written yet; looks once whether they can, and for so many seconds again."""
        deadline = time.monotonic() + patience
        paths = self._not_writable()
        while paths:
            assert self.stream is not None
            self._learn(self.stream.schema())
            paths = self._not_writable()
            left = deadline - time.monotonic()
            if not paths or left <= 0:
                break
            time.sleep(min(_LOOK, left))
        return paths

    def _not_writable(self) -> set[Path]:
        now = time.monotonic()
        self._distrusted = {path: until for path, until in self._distrusted.items() if until > now}
        return set(missing(self._writable, self.shapes())) | self._distrusted.keys()

    def append(self, rows: Sequence[Row]) -> None:
        """Raises Late, RowErrors, StreamGone, BigQueryRefused, BigQueryUnavailable. The rows are changed."""
        if not rows:
            return
        patience = _PATIENCE
        deadline = time.monotonic() + patience
        names = frozenset().union(*rows)
        while True:
            pending = {path for path in self._unwritable(names, patience) if path[0] in names}
            early = [at for at, row in enumerate(rows) if any(uses(row, path) for path in pending)] if pending else []
            if early:
                raise Late(early, pending)
            try:
                self._send(rows, names)
                return
            except SchemaLags:
                self._distrust(names)
                patience = max(0.0, deadline - time.monotonic())

    def _unwritable(self, names: Collection[str], patience: float) -> set[Path]:
        known = self._writable.keys()
        if not self._distrusted and not self._added and known >= set(names):
            return set()
        return self.pending(patience)

    def _send(self, rows: Sequence[Row], names: frozenset[str]) -> None:
        assert self.stream is not None
        writer = self._writer(names)
        written: list[bytes] = []
        refused: list[tuple[int, str]] = []
        for at, row in enumerate(rows):
            try:
                data = writer.write(row)
            except Unwritable as problem:
                refused.append((at, str(problem)))
                continue
            if len(data) > MOST_BYTES:
                refused.append((at, TooLarge(len(data), MOST_BYTES)))
            written.append(data)
        if refused:
            raise RowErrors(refused)
        if (news := self.stream.append(writer.schema, written)) is not None:
            self._learn(news)

    def _writer(self, names: frozenset[str]) -> RowWriter:
        """Only of columns the rows have, and of what can be written of them."""
        writer = self._writers.get(names)
        if writer is None:
            if len(self._writers) > 100:
                self._writers.clear()
            writer = self._writers[names] = RowWriter(_both(part(self.shapes(), names), self._writable))
        return writer

    def _distrust(self, names: Collection[str]) -> None:
        """Raises BigQueryRefused when no column is new."""
        now = time.monotonic()
        self._added = {path: added for path, added in self._added.items() if now - added < _FRESH}
        fresh = [path for path in self._added if path[0] in names]
        if not fresh:
            raise BigQueryRefused("rows cannot be appended: unknown columns")
        self._distrusted.update(dict.fromkeys(fresh, now + _DISTRUST))

    def _learn(self, schema: Any) -> None:
        writable = {field.name.lower(): _shape(field) for field in schema.fields}
        if writable != self._writable:
            self._writable = writable
            self._writers.clear()

    def _get(self) -> bigquery.Table:
        table = self._session.table(self.name)
        if table is None:
            raise BigQueryUnavailable(f"the table {self.name} is gone")
        return table


def schema_fields(table: bigquery.Table) -> Fields:
    """As the REST interface spells them; copies."""
    fields: Fields = [field.to_api_repr() for field in table.schema]
    return fields


def _shape(field: Any) -> Shape:
    """Of a `TableFieldSchema`."""
    kind = field.Type.Name(field.type) if hasattr(field, "Type") and hasattr(field.Type, "Name") else field.type_.name
    shape: Shape
    if kind == "STRUCT":
        shape = Record({inner.name.lower(): _shape(inner) for inner in field.fields})
    else:
        shape = Leaf("FLOAT64" if kind == "DOUBLE" else kind)
    mode = field.mode if isinstance(field.mode, int) else int(field.mode)
    return ListOf(shape) if mode == 3 else shape


def _both(has: Mapping[str, Shape], writable: Mapping[str, Shape]) -> dict[str, Shape]:
    return {name: _inside(shape, writable[name]) for name, shape in has.items() if name in writable}


def _inside(shape: Shape, writable: Shape) -> Shape:
    if isinstance(shape, ListOf) and isinstance(writable, ListOf):
        return ListOf(_inside(shape.element, writable.element))
    if isinstance(shape, Record) and isinstance(writable, Record):
        return Record(_both(shape.fields, writable.fields))
    return shape


def _covers(has: Shape, needs: Shape) -> bool:
    if isinstance(has, ListOf) and isinstance(needs, ListOf):
        return _covers(has.element, needs.element)
    if isinstance(has, Record) and isinstance(needs, Record):
        return all(name in has.fields and _covers(has.fields[name], inner) for name, inner in needs.fields.items())
    return has == needs
