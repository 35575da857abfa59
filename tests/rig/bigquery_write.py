"""The gRPC half of the stand-in for BigQuery: the Storage Write API with streams of type COMMITTED, and `_default`."""

import time
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
from bigquery_faults import Faults
from bigquery_tables import Table, Tables
from google.cloud.bigquery_storage_v1 import types
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.rpc import code_pb2

_SERVICE = "google.cloud.bigquery.storage.v1.BigQueryWrite"
_LARGEST = 10_000_000
_TYPES = {"FLOAT64": "DOUBLE", "FLOAT": "DOUBLE", "RECORD": "STRUCT", "INTEGER": "INT64", "BOOLEAN": "BOOL"}
_Code = types.StorageError.StorageErrorCode


class Stream:
    def __init__(self, name: str, table: str) -> None:
        self.name, self.table, self.length, self.finalized = name, table, 0, False


class Write:
    """`address` for an insecure channel."""

    def __init__(self, tables: Tables, faults: Faults) -> None:
        self._tables, self._faults = tables, faults
        self.streams: dict[str, Stream] = {}
        options = [("grpc.max_receive_message_length", 64 * 1024 * 1024)]
        self.server = grpc.server(futures.ThreadPoolExecutor(32), options=options)
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, self._handlers()),))
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def _handlers(self) -> dict[str, Any]:
        unary = {
            "CreateWriteStream": (self._create, types.CreateWriteStreamRequest, types.WriteStream),
            "GetWriteStream": (self._get, types.GetWriteStreamRequest, types.WriteStream),
            "FinalizeWriteStream": (self._finalize, types.FinalizeWriteStreamRequest, types.FinalizeWriteStreamResponse),
        }
        made = {
            name: grpc.unary_unary_rpc_method_handler(call, asked.deserialize, answered.serialize)
            for name, (call, asked, answered) in unary.items()
        }
        made["AppendRows"] = grpc.stream_stream_rpc_method_handler(
            self._append, types.AppendRowsRequest.pb().FromString, types.AppendRowsResponse.serialize
        )
        return made

    def _allowed(self, context: Any) -> None:
        if self._faults.denied:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "denied")

    def _create(self, request: Any, context: Any) -> Any:
        self._allowed(context)
        with self._tables.lock:
            self._faults.streams += 1
            table = request.parent.split("/")[-1]
            name = f"{request.parent}/streams/s{self._faults.streams}"
            self.streams[name] = Stream(name, table)
            return types.WriteStream(name=name, type_=request.write_stream.type_)

    def _get(self, request: Any, context: Any) -> Any:
        self._allowed(context)
        with self._tables.lock:
            table = self._tables.tables[self.streams[request.name].table]
            fields = table.fields if self._faults.lag_hidden else table.writable_fields()
            return types.WriteStream(name=request.name, table_schema=_schema(fields))

    def _finalize(self, request: Any, context: Any) -> Any:
        with self._tables.lock:
            stream = self.streams.get(request.name)
            if stream is None:
                context.abort(grpc.StatusCode.NOT_FOUND, "no such stream")
            assert stream is not None
            stream.finalized = True
            return types.FinalizeWriteStreamResponse(row_count=stream.length)

    def _append(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        self._allowed(context)
        message, known = None, None
        for request in requests:
            stream = self.streams.get(request.write_stream)
            if stream is None:
                context.abort(grpc.StatusCode.NOT_FOUND, "no such stream")
            assert stream is not None
            if request.proto_rows.HasField("writer_schema"):
                message = _message(request.proto_rows.writer_schema.proto_descriptor)
            with self._tables.lock:
                table = self._tables.tables[stream.table]
                fault = self._next_fault(stream)
                if fault in ("unavailable", "lost"):
                    context.abort(grpc.StatusCode.UNAVAILABLE, fault)
                answer = self._answer(stream, table, request, message, fault)
                if fault == "stored":
                    context.abort(grpc.StatusCode.UNAVAILABLE, "lost")
                if known is not None and known != table.writable_fields():
                    answer.updated_schema = _schema(table.writable_fields())
                known = table.writable_fields()
            yield answer

    def _next_fault(self, stream: Stream) -> str | None:
        if self._faults.appends and stream.table == self._faults.faulty_table:
            return self._faults.appends.pop(0)
        return None

    def _answer(self, stream: Stream, table: Table, request: Any, message: Any, fault: str | None) -> Any:
        rows = request.proto_rows.rows.serialized_rows
        offset = request.offset.value
        if request.ByteSize() > _LARGEST or fault == "invalid":
            return _error(code_pb2.INVALID_ARGUMENT)
        if fault == "quota":
            return _error(code_pb2.RESOURCE_EXHAUSTED)
        if stream.finalized:
            return _error(code_pb2.INVALID_ARGUMENT, _Code.STREAM_FINALIZED)
        if offset != stream.length:
            before = offset < stream.length
            code = code_pb2.ALREADY_EXISTS if before else code_pb2.OUT_OF_RANGE
            return _error(code, _Code.OFFSET_ALREADY_EXISTS if before else _Code.OFFSET_OUT_OF_RANGE)
        if _unknown(message.DESCRIPTOR, table.writable_fields()):
            return _error(code_pb2.INVALID_ARGUMENT, _Code.SCHEMA_MISMATCH_EXTRA_FIELDS)
        made = [_row(message.FromString(data)) for data in rows]
        refused = [at for at, row in enumerate(made) if self._refuses(row, table)]
        if refused:
            answer = _error(code_pb2.INVALID_ARGUMENT)
            answer.row_errors = [types.RowError(index=at, code=types.RowError.RowErrorCode.FIELDS_ERROR) for at in refused]
            return answer
        table.add(made)
        stream.length += len(made)
        return types.AppendRowsResponse(append_result=types.AppendRowsResponse.AppendResult(offset=offset))

    def _refuses(self, row: dict[str, Any], table: Table) -> bool:
        if any(f.get("mode") == "REQUIRED" and f["name"] not in row for f in table.fields):
            return True
        texts = [value for value in row.values() if type(value) is str]
        return self._faults.marked is not None and any(self._faults.marked in text for text in texts)


def _error(code: int, storage: Any = None) -> Any:
    answer = types.AppendRowsResponse()
    error = types.AppendRowsResponse.pb(answer).error
    error.code = code
    error.message = "refused"
    if storage is not None:
        error.details.add().Pack(types.StorageError.pb(types.StorageError(code=storage)))
    return answer


def _message(descriptor: Any) -> Any:
    name = f"w{time.monotonic_ns()}"
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package=name, syntax="proto2")
    file.message_type.add().CopyFrom(descriptor)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{name}.{descriptor.name}"))


def _unknown(descriptor: Any, fields: list[dict[str, Any]]) -> bool:
    known = {f["name"].lower(): f for f in fields}
    return any(
        field.name not in known or (field.message_type is not None and _unknown(field.message_type, known[field.name]["fields"]))
        for field in descriptor.fields
    )


def _row(message: Any) -> dict[str, Any]:
    return {field.name: _value(field, value) for field, value in message.ListFields()}


def _value(field: Any, value: Any) -> Any:
    if field.is_repeated:
        return [_row(item) if field.message_type is not None else item for item in value]
    return _row(value) if field.message_type is not None else value


def _schema(fields: list[dict[str, Any]]) -> Any:
    return types.TableSchema(fields=[_field(f) for f in fields])


def _field(about: dict[str, Any]) -> Any:
    return types.TableFieldSchema(
        name=about["name"],
        type_=_TYPES.get(about["type"], about["type"]),
        mode=about.get("mode", "NULLABLE"),
        fields=[_field(f) for f in about.get("fields", ())],
    )
