"""A stand-in for the google provider that knows its schema and nothing else, for Terraform without network and account.

Terraform asks a provider for its schema and for a yes or no on each block. This serves both over plugin protocol 6. Started as
`schema_provider.py SCHEMA.json.gz TYPE…` it prints what belongs into the environment variable TF_REATTACH_PROVIDERS, and ends
when its standard input does. It knows the types named only: Terraform asks for all there are, each time it is run. Then
`terraform init -backend=false`, `validate`, `test` (with `mock_provider`), `plan -refresh=false` and `show -json` work. `apply`
is refused. Needs `tf` 1.2.0 from PyPI for the protocol's messages.
"""

import json
import os
import sys
from collections.abc import Callable, Collection, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import msgpack
from schema_extraction import PROVIDER, read
from tf.gen import grpc_controller_pb2, grpc_controller_pb2_grpc, grpc_stdio_pb2_grpc
from tf.gen import tfplugin_pb2 as pb
from tf.gen import tfplugin_pb2_grpc as rpc

Json = dict[str, Any]

_UNKNOWN = msgpack.ExtType(0, b"\x00")
_NULL = b"\xc0"
_FILLED_IN = {"id", "project", "region", "zone", "location", "etag", "fingerprint"}
"""Optional attributes that the provider fills in when they are not set; the bindings do not tell them apart."""
_NESTING = {"single": 1, "list": 2, "set": 3, "map": 4, "group": 5}
_SAMPLES = {"number": "123456789012"}
"""Of attributes that have to look real: the number of a project."""


def is_computed(name: str, attribute: Json) -> bool:
    return bool(attribute.get("computed")) or (bool(attribute.get("optional")) and name in _FILLED_IN)


def block_of(schema: Json) -> Any:
    block = pb.Schema.Block()
    for name, attribute in schema.get("attributes", {}).items():
        block.attributes.add(
            name=name,
            type=json.dumps(attribute["type"]).encode(),
            required=attribute.get("required", False),
            optional=attribute.get("optional", False),
            computed=is_computed(name, attribute),
        )
    for name, nested in schema.get("block_types", {}).items():
        block.block_types.add(
            type_name=name,
            block=block_of(nested["block"]),
            nesting=_NESTING[nested["nesting_mode"]],
            min_items=nested.get("min_items", 0),
            max_items=nested.get("max_items", 0),
        )
    return block


def schema_of(schema: Json) -> Any:
    return pb.Schema(version=schema.get("version", 0), block=block_of(schema["block"]))


def fill(schema: Json, value: Any, make: Callable[[str, Any], Any]) -> None:
    """Gives every computed attribute that is not set the value `make(name, type)`."""
    if not isinstance(value, dict):
        return
    for name, attribute in schema.get("attributes", {}).items():
        if is_computed(name, attribute) and value.get(name) is None:
            value[name] = make(name, attribute["type"])
    for name, nested in schema.get("block_types", {}).items():
        inner = value.get(name)
        for each in inner if isinstance(inner, list) else [inner]:
            fill(nested["block"], each, make)


def sample(name: str, type_: Any) -> Any:
    if isinstance(type_, list):
        return {} if type_[0] == "map" else []
    return {"string": _SAMPLES.get(name, f"offline-{name}"), "number": 0, "bool": False}.get(type_)


def faults(schema: Json, value: Any, where: str = "") -> Iterator[str]:
    """Values that are none of an enum."""
    if not isinstance(value, dict):
        return
    for name, attribute in schema.get("attributes", {}).items():
        given = value.get(name)
        if isinstance(given, str) and given and given not in attribute.get("x_enum", [given]):
            yield f"{where}{name}: {given!r} is not one of {', '.join(attribute['x_enum'])}"
    for name, nested in schema.get("block_types", {}).items():
        inner = value.get(name)
        for each in inner if isinstance(inner, list) else [inner]:
            yield from faults(nested["block"], each, f"{where}{name}.")


def _unpacked(value: Any) -> Any:
    return msgpack.unpackb(value.msgpack, raw=False, strict_map_key=False)


class Provider(rpc.ProviderServicer):  # type: ignore[misc]
    """Its methods have the protocol's names."""

    def __init__(self, schemas: Json, types: Collection[str]) -> None:
        self._resources = {name: schema for name, schema in schemas["resource_schemas"].items() if name in types}
        self._data = {name: schema for name, schema in schemas["data_source_schemas"].items() if name in types}
        self._answer = pb.GetProviderSchema.Response(provider=schema_of(schemas["provider"]))
        for name, schema in self._resources.items():
            self._answer.resource_schemas[name].CopyFrom(schema_of(schema))
        for name, schema in self._data.items():
            self._answer.data_source_schemas[name].CopyFrom(schema_of(schema))

    def GetProviderSchema(self, request: Any, context: Any) -> Any:
        return self._answer

    def ValidateProviderConfig(self, request: Any, context: Any) -> Any:
        return pb.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request: Any, context: Any) -> Any:
        found = faults(self._resources[request.type_name]["block"], _unpacked(request.config))
        told = [pb.Diagnostic(severity=pb.Diagnostic.ERROR, summary="Value not allowed", detail=text) for text in found]
        return pb.ValidateResourceConfig.Response(diagnostics=told)

    def ValidateDataResourceConfig(self, request: Any, context: Any) -> Any:
        return pb.ValidateDataResourceConfig.Response()

    def ConfigureProvider(self, request: Any, context: Any) -> Any:
        return pb.ConfigureProvider.Response()

    def PlanResourceChange(self, request: Any, context: Any) -> Any:
        state = request.proposed_new_state
        if request.prior_state.msgpack in (b"", _NULL) and state.msgpack != _NULL:
            value = _unpacked(state)
            fill(self._resources[request.type_name]["block"], value, lambda name, type_: _UNKNOWN)
            state = pb.DynamicValue(msgpack=msgpack.packb(value))
        return pb.PlanResourceChange.Response(planned_state=state, legacy_type_system=True)

    def ReadDataSource(self, request: Any, context: Any) -> Any:
        value = _unpacked(request.config)
        fill(self._data[request.type_name]["block"], value, sample)
        return pb.ReadDataSource.Response(state=pb.DynamicValue(msgpack=msgpack.packb(value)))

    def ApplyResourceChange(self, request: Any, context: Any) -> Any:
        problem = pb.Diagnostic(severity=pb.Diagnostic.ERROR, summary="this provider knows schemas only: nothing can be applied")
        return pb.ApplyResourceChange.Response(diagnostics=[problem])

    def StopProvider(self, request: Any, context: Any) -> Any:
        return pb.StopProvider.Response()


class Controller(grpc_controller_pb2_grpc.GRPCControllerServicer):  # type: ignore[misc]
    def Shutdown(self, request: Any, context: Any) -> Any:
        return grpc_controller_pb2.Empty()


class Stdio(grpc_stdio_pb2_grpc.GRPCStdioServicer):  # type: ignore[misc]
    def StreamStdio(self, request: Any, context: Any) -> Iterator[Any]:
        return iter(())


def main(schema: str, *types: str) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    rpc.add_ProviderServicer_to_server(Provider(read(Path(schema)), types), server)
    grpc_controller_pb2_grpc.add_GRPCControllerServicer_to_server(Controller(), server)
    grpc_stdio_pb2_grpc.add_GRPCStdioServicer_to_server(Stdio(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    where = {"Network": "tcp", "String": f"127.0.0.1:{port}"}
    told = {"Protocol": "grpc", "ProtocolVersion": 6, "Pid": os.getpid(), "Test": True, "Addr": where}
    print(json.dumps({PROVIDER: told}), flush=True)
    sys.stdin.read()
    server.stop(grace=None)


if __name__ == "__main__":
    main(*sys.argv[1:])
