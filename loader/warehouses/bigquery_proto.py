"""Rows as protocol buffers: the descriptor of a table's columns, and rows written with it.

Google's library in C writes a row of a hundred columns in some ten microseconds, once it has the row as Python's own objects.
"""

import itertools
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from google.cloud.bigquery_storage_v1.types import ProtoSchema
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from backbone import jsontext
from loader.instants import instant_micros
from loader.warehouses.bigquery_rows import refusal
from loader.warehouses.protocol import Leaf, ListOf, Record, Row, Shape

_Field = descriptor_pb2.FieldDescriptorProto
_KINDS = {
    "INT64": _Field.TYPE_INT64,
    "FLOAT64": _Field.TYPE_DOUBLE,
    "BOOL": _Field.TYPE_BOOL,
    "TIMESTAMP": _Field.TYPE_INT64,
    "DATE": _Field.TYPE_INT32,
}
"""All others are text."""
_EPOCH, _EPOCH_NAIVE, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1), timedelta(microseconds=1)
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""What a TIMESTAMP can be: microseconds, the years 1 to 9999."""
_numbers = itertools.count()


class Unwritable(Exception):
    """Why a row cannot be written, without its values."""


class RowWriter:
    """For rows that have no other than these columns."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self._shapes = shapes
        name = f"Row{next(_numbers)}"
        file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", syntax="proto2")
        _fill(file.message_type.add(name=name), shapes)
        pool = descriptor_pool.DescriptorPool()
        pool.Add(file)
        self._message = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
        self.schema = ProtoSchema(proto_descriptor=file.message_type[0])
        self._moments = [name for name, shape in shapes.items() if shape == Leaf("TIMESTAMP")]
        self._convert = {name: convert for name, shape in shapes.items() if (convert := _conversion(shape)) is not None}

    def write(self, row: Row) -> bytes:
        """The row is changed. Raises Unwritable."""
        try:
            for name in self._moments:
                if name in row:
                    row[name] = _timestamp(row[name])
            try:
                return self._message(**row).SerializeToString()  # type: ignore[no-any-return]
            except TypeError:  # mostly values have the type of their column already
                for name in self._convert.keys() & row.keys():
                    row[name] = self._convert[name](row[name])
                return self._message(**row).SerializeToString()  # type: ignore[no-any-return]
        except (TypeError, ValueError, OverflowError, KeyError) as problem:
            known = {name: value for name, value in row.items() if name in self._shapes}
            try:
                reason = refusal(known, self._shapes)
            except (ArithmeticError, TypeError, ValueError, KeyError):
                reason = None
            raise Unwritable(reason or f"a value does not fit its column ({type(problem).__name__})") from problem


def decoded(data: bytes) -> Row:
    """A row back from the JSON of `loader.warehouses.json_rows`."""
    try:
        row: Row = orjson.loads(data)
    except orjson.JSONDecodeError:  # numbers beyond 64 bits, lone surrogates
        row, _ = jsontext.loads(data)
    return row


def micros_of(value: Any) -> int:
    """Of a timestamp: microseconds already, or text in any of the forms rows have. Raises ValueError."""
    if type(value) is int:
        return value
    try:
        moment = datetime.fromisoformat(value)
        return (moment - (_EPOCH_NAIVE if moment.tzinfo is None else _EPOCH)) // _MICROSECOND
    except ValueError:
        text = value.replace(" ", "T")
        micros = instant_micros(text if text.endswith("Z") else f"{text}Z")
        if micros is None:
            raise
        return micros


def moment_text(micros: int) -> str:
    """`yyyy-MM-dd HH:mm:ss.SSS`, UTC."""
    seconds, rest = divmod(micros, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment.year:04}{moment:-%m-%d %H:%M:%S}.{rest // 1000:03}"


def _conversion(shape: Shape) -> Callable[[Any], Any] | None:
    """Of atomic values, which come as text or as the type Loader 2 gives them, to the type the column has."""
    if not isinstance(shape, Leaf):
        return None
    if shape.type == "FLOAT64":
        return float
    return _text if shape.type in ("STRING", "NUMERIC", "BIGNUMERIC", "JSON") else None


def _timestamp(value: Any) -> int:
    """Raises ValueError for years that BigQuery does not know: before 1, after 9999."""
    micros = micros_of(value)
    if not _FIRST <= micros <= _LAST:
        raise ValueError("out of range")
    return micros


def _text(value: Any) -> str:
    return value if type(value) is str else jsontext.dumps(value, exact=False)


def _fill(message: descriptor_pb2.DescriptorProto, shapes: Mapping[str, Shape]) -> None:
    for number, (name, shape) in enumerate(shapes.items(), 1):
        label = _Field.LABEL_REPEATED if isinstance(shape, ListOf) else _Field.LABEL_OPTIONAL
        inner = shape.element if isinstance(shape, ListOf) else shape
        field = message.field.add(name=name, number=number, label=label)
        if isinstance(inner, Record):
            nested = message.nested_type.add(name=f"Struct{number}")
            _fill(nested, inner.fields)
            field.type = _Field.TYPE_MESSAGE
            field.type_name = nested.name
        else:
            assert isinstance(inner, Leaf)
            field.type = _KINDS.get(inner.type, _Field.TYPE_STRING)


def part(shapes: Mapping[str, Shape], names: Collection[str]) -> dict[str, Shape]:
    """Those columns, in the order of the table."""
    return {name: shape for name, shape in shapes.items() if name in names}
