"""A stand-in for BigQuery that speaks its protocols, REST and gRPC, to Google's own client libraries; its faults are scripted.

It keeps what the loader relies on: streams with offsets, etags, additive schema changes only, the size limit of a request, new
columns that cannot be written at once, fresh rows that DML does not touch. Statements are read as BigQuery's SQL and run by
DuckDB; one that begins with the comment "duckdb" is in DuckDB's own dialect.
"""

import threading
from pathlib import Path
from typing import Any

from bigquery_faults import Faults
from bigquery_rest import Rest
from bigquery_tables import Table, Tables
from bigquery_write import Write

PROJECT, DATASET = "test", "atomic"


class BigQueryServer:
    def __init__(self, folder: Path) -> None:
        self.faults = Faults()
        self._tables = Tables(folder, self.faults)
        self._rest = Rest(DATASET, self._tables, self.faults)
        self._write = Write(self._tables, self.faults)
        self.endpoint, self.write_endpoint = self._rest.url, self._write.address
        threading.Thread(target=self._rest.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def settings(self) -> dict[str, str]:
        """By which the product finds it: names of `[warehouse]`."""
        about = {"project": PROJECT, "dataset": DATASET, "endpoint": self.endpoint, "write_endpoint": self.write_endpoint}
        return {"kind": "bigquery", **about}

    def environment(self) -> dict[str, str]:
        return {f"SNOWMELT_WAREHOUSE_{name}".upper(): value for name, value in self.settings().items()}

    @property
    def tables(self) -> dict[str, Table]:
        return self._tables.tables

    def make(self, name: str, fields: list[dict[str, Any]]) -> Table:
        """A table that is not the product's doing."""
        reference = {"projectId": PROJECT, "datasetId": DATASET, "tableId": name}
        self.tables[name] = Table({"tableReference": reference, "type": "TABLE", "schema": {"fields": fields}})
        return self.tables[name]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Tables are named as they are: "SELECT … FROM `x.events`"."""
        return self._tables.query(sql).rows

    def close(self) -> None:
        self._rest.server.shutdown()
        self._rest.server.server_close()
        self._write.server.stop(None).wait()
        self._tables.close()
