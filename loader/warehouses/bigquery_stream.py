"""Appending to a table through a stream of its own, each row at its offset: what was sent twice is stored once.

The answer to an append can get lost with the connection. The same rows are then sent to the same offset again, and BigQuery
says ALREADY_EXISTS where it had them. A stream that was finalized takes no rows any more: that is how a loader that starts
makes sure that an earlier one, wherever it hangs, adds nothing after the newcomer has looked at the table.
"""

import logging
import queue
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import grpc
from google.api_core import exceptions
from google.cloud.bigquery_storage_v1 import types
from google.rpc import code_pb2

from loader.warehouses.bigquery_client import BigQueryRefused, BigQueryUnavailable, Session, told

log = logging.getLogger("snowmelt.loader")

MOST_BYTES = 9_000_000
"""Of rows in one request; BigQuery takes 10 MB."""
_ROW_EXTRA = 8
_ANSWER_SECONDS = 60.0
_ATTEMPTS, _PAUSE = 6, 0.1
_PASSING = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
_PASSING_CODES = {status.value[0] for status in _PASSING}
_Code = types.StorageError.StorageErrorCode
_APPEND = "/google.cloud.bigquery.storage.v1.BigQueryWrite/AppendRows"
_Request, _Response = types.AppendRowsRequest.pb(), types.AppendRowsResponse.pb()


class RowErrors(Exception):
    """BigQuery refuses these rows (index, reason); nothing of their request was stored."""

    def __init__(self, rows: Sequence[tuple[int, str]]) -> None:
        self.rows = rows
        super().__init__(f"{len(rows)} rows refused")


class SchemaLags(Exception):
    """The stream does not know a column of the rows yet."""


class StreamGone(Exception):
    """The stream was finalized, or is no more."""


class _Passing(Exception):
    """Worth another attempt at once."""


class Answered(NamedTuple):
    error: Any
    """`google.rpc.Status`, or None."""
    row_errors: Sequence[Any]
    schema: Any
    """The table's new schema, as far as the answer tells of one."""


class Stream:
    """One of type COMMITTED, made for this process. Not for several threads."""

    def __init__(self, session: Session, table: str) -> None:
        self._session = session
        self._call: _Call | None = None
        self._schema: bytes = b""
        self.offset = 0
        with told(f"opening a stream to {table}"):
            kind = types.WriteStream(type_=types.WriteStream.Type.COMMITTED)
            made = session.write.create_write_stream(parent=session.path(table), write_stream=kind, timeout=30)
        self.name: str = made.name

    def schema(self) -> Any:
        """The table's schema as the Storage Write API knows it by now: `TableSchema`."""
        with told("asking for the schema of a stream"):
            request = types.GetWriteStreamRequest(name=self.name, view=types.WriteStreamView.FULL)
            return self._session.write.get_write_stream(request=request, timeout=30).table_schema

    def append(self, schema: types.ProtoSchema, rows: Sequence[bytes]) -> Any:
        """The table's new schema if there is one. Rows are stored in order, those of earlier requests even if a later one fails.

        Raises RowErrors, SchemaLags, StreamGone, BigQueryRefused, BigQueryUnavailable.
        """
        pieces = list(_pieces(rows))
        done, pause, news = 0, _PAUSE, None
        for attempt in range(_ATTEMPTS):
            try:
                while done < len(pieces):
                    for answer in self._send(schema, pieces[done:]):
                        self._check(answer, pieces[done].start)
                        news = answer.schema or news
                        self.offset += len(pieces[done].rows)
                        done += 1
                return news
            except _Passing as problem:
                self.disconnect()
                if attempt + 1 == _ATTEMPTS:
                    raise BigQueryUnavailable(f"rows cannot be appended: {problem}") from problem
                log.info("an append is tried again: %s", problem)
                time.sleep(pause * random.uniform(0.5, 1.0))
                pause *= 2
            except BaseException:
                self.disconnect()
                raise
        raise AssertionError

    def disconnect(self) -> None:
        if self._call is not None:
            self._call.close()
            self._call = None

    def _send(self, schema: types.ProtoSchema, pieces: "Sequence[_Piece]") -> Iterator[Answered]:
        spelled = types.ProtoSchema.serialize(schema)
        if self._call is not None and spelled != self._schema:
            self.disconnect()
        first = self._call is None
        if self._call is None:
            self._schema = spelled
            self._call = _Call(self._session, self.name)
        offset = self.offset
        for piece in pieces:
            self._call.put(_request(self.name, offset, piece.rows, schema if first else None))
            offset += len(piece.rows)
            first = False
        for _ in pieces:
            yield self._call.answer()

    def _check(self, answer: Answered, start: int) -> None:
        if answer.row_errors:
            raise RowErrors([(start + error.index, f"BigQuery: {_row_code(error)}") for error in answer.row_errors])
        if answer.error is None:
            return
        code, said = answer.error.code, _storage_code(answer.error)
        if code == code_pb2.ALREADY_EXISTS or said == _Code.OFFSET_ALREADY_EXISTS:
            return
        if said in (_Code.STREAM_FINALIZED, _Code.STREAM_NOT_FOUND, _Code.INVALID_STREAM_STATE, _Code.STREAM_ALREADY_COMMITTED):
            raise StreamGone(said.name)
        if said == _Code.SCHEMA_MISMATCH_EXTRA_FIELDS:
            raise SchemaLags
        name = code_pb2.Code.Name(code)
        if code == code_pb2.OUT_OF_RANGE or code in (code_pb2.PERMISSION_DENIED, code_pb2.UNAUTHENTICATED):
            raise BigQueryUnavailable(f"rows cannot be appended: {name}")
        if code in _PASSING_CODES:
            raise _Passing(name)
        raise BigQueryRefused(f"rows cannot be appended: {name}")


def finalize(session: Session, stream: str) -> None:
    """Ends a stream, if it is still there."""
    with told("finalizing a stream"), suppress(exceptions.NotFound, exceptions.InvalidArgument, exceptions.FailedPrecondition):
        session.write.finalize_write_stream(name=stream, timeout=30)


class _Piece(NamedTuple):
    start: int
    rows: Sequence[bytes]


def _pieces(rows: Sequence[bytes]) -> Iterator[_Piece]:
    start, size = 0, 0
    for at, row in enumerate(rows):
        if at > start and size + len(row) + _ROW_EXTRA > MOST_BYTES:
            yield _Piece(start, rows[start:at])
            start, size = at, 0
        size += len(row) + _ROW_EXTRA
    if rows:
        yield _Piece(start, rows[start:])


def _request(stream: str, offset: int, rows: Sequence[bytes], schema: types.ProtoSchema | None) -> Any:
    """Not of the client's own class, whose way of holding a list costs more than writing the rows."""
    request = _Request(write_stream=stream)
    request.offset.value = offset
    request.proto_rows.rows.serialized_rows.extend(rows)
    if schema is not None:
        request.proto_rows.writer_schema.CopyFrom(types.ProtoSchema.pb(schema))
    return request


class _Call:
    """One connection: requests go in, answers come out in the same order."""

    def __init__(self, session: Session, stream: str) -> None:
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        metadata = (("x-goog-request-params", f"write_stream={stream}"),)
        channel: Any = session.write.transport.grpc_channel  # type: ignore[attr-defined]
        open_call = channel.stream_stream(_APPEND, _Request.SerializeToString, _Response.FromString)
        self._call = open_call(iter(self._requests.get, None), metadata=metadata)

    def put(self, request: Any) -> None:
        self._requests.put(request)

    def answer(self) -> Answered:
        """Raises _Passing, BigQueryUnavailable, BigQueryRefused, StreamGone."""
        guard = threading.Timer(_ANSWER_SECONDS, self._call.cancel)
        guard.daemon = True
        guard.start()
        try:
            answer = next(self._call)
        except StopIteration as problem:
            raise _Passing("the connection was closed") from problem
        except grpc.RpcError as problem:
            raise _meaning(problem) from problem
        finally:
            guard.cancel()
        error = answer.error if answer.HasField("error") else None
        return Answered(error, answer.row_errors, answer.updated_schema if answer.HasField("updated_schema") else None)

    def close(self) -> None:
        self._requests.put(None)
        self._call.cancel()


def _meaning(problem: grpc.RpcError) -> Exception:
    status = problem.code() if isinstance(problem, grpc.Call) else grpc.StatusCode.UNKNOWN
    if status in _PASSING:
        return _Passing(status.name)
    if status == grpc.StatusCode.NOT_FOUND:
        return StreamGone(status.name)
    if status in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED):
        return BigQueryUnavailable(f"rows cannot be appended: {status.name}")
    return BigQueryRefused(f"rows cannot be appended: {status.name}")


def _storage_code(error: Any) -> Any:
    for detail in error.details:
        found = types.StorageError.pb()()
        if detail.Unpack(found):
            return _Code(found.code)
    return None


def _row_code(error: Any) -> str:
    return str(types.RowError.RowErrorCode(error.code).name)
