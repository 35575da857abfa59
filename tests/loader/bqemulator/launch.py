"""Starts the third-party bqemulator without network. Prints `listening: URL host:port` (REST, gRPC) among its logs; ends with its
standard input. Run by the Python of its own virtual environment (tests/rig/second_bigquery.py).

It wants DuckDB's extension for geography, which is downloaded; nothing here has geography.
"""

import asyncio
import sys
from typing import Any

from bqemulator.api.routes.tabledata import _build_arrow_schema
from bqemulator.config import Settings
from bqemulator.grpc_api import write_servicer
from bqemulator.server import EmulatorServer
from bqemulator.storage.engine import DuckDBEngine


def with_nested_fields(table: Any) -> Any:
    """The schema by which it reads rows of the Storage Write API; its own leaves out the fields of records."""
    return _build_arrow_schema([field.model_dump() for field in table.schema_.fields])


async def serve(project: str) -> None:
    engine: Any = DuckDBEngine
    engine._load_spatial = lambda self: None
    write_servicer._table_arrow_schema = with_nested_fields
    settings = Settings(
        rest_port=0,
        grpc_port=0,
        default_project_id=project,
        enable_format_extensions=False,
        metrics_enabled=False,
        log_level="error",
    )
    server = EmulatorServer(settings)
    await server.start()
    print("listening:", server.rest_url, server.grpc_endpoint, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.stop()


asyncio.run(serve(sys.argv[1]))
