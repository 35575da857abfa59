"""The whole product, running as its users run it: `snowmelt up` in a folder of its own, asked through its own commands."""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from loader.warehouses.ducklake_catalog import attached

ROOT = Path(__file__).parents[2]
T = TypeVar("T")
START_TIMEOUT = 60.0
ROW_TIMEOUT = 45.0


_given: set[int] = set()


def free_port() -> int:
    """Below those the system takes for outgoing connections, of which one could have it before it is bound."""
    while True:
        port = random.SystemRandom().randrange(12_000, 32_000)
        with socket.socket() as probe:
            if port not in _given and probe.connect_ex(("127.0.0.1", port)) != 0:
                _given.add(port)
                return port


def eventually(question: Callable[[], T], timeout: float = ROW_TIMEOUT, pause: float = 0.25, what: str = "") -> T:
    """First truthy answer; AssertionError holding the last one when none came in time."""
    deadline = time.monotonic() + timeout
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {timeout} s: {what or question}; last answer {answer!r}"
        time.sleep(pause)


class Pipeline:
    """`snowmelt up` with its own data, schemas and configuration; `schemas` is asked before the bundled registry.

    `bus`: `log`, or `pubsub` for an emulator of it; `warehouse`: `ducklake`, or `bigquery` for a stand-in within this process. By
    default what the environment variables PIPELINE_BUS and PIPELINE_WAREHOUSE say, by which all tests that use pipelines can be
    run on the others.
    """

    def __init__(self, folder: Path, settings: str = "", bus: str | None = None, warehouse: str | None = None) -> None:
        self.flags: tuple[str, ...] = ()
        self.environment = {**os.environ, "COLUMNS": "200"}
        if (bus or os.environ.get("PIPELINE_BUS")) == "pubsub":
            self.flags = ("--emulator",)
            self.environment |= {"SNOWMELT_BUS_KIND": "pubsub", "SNOWMELT_BUS_ENDPOINT": f"127.0.0.1:{free_port()}"}
        self.bigquery = None
        if (warehouse or os.environ.get("PIPELINE_WAREHOUSE")) == "bigquery":
            from bigquery_server import BigQueryServer

            folder.mkdir(parents=True, exist_ok=True)
            self.bigquery = BigQueryServer(folder)
            self.environment |= self.bigquery.environment()
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data = folder / "data"
        self.schemas = folder / "schemas"
        self.schemas.mkdir(parents=True, exist_ok=True)
        self.config = folder / "snowmelt.toml"
        self.config.write_text(f'[iglu]\nschemas = ["{self.schemas}", "{ROOT / "schemas"}"]\n{settings}', "utf-8")
        self.output = folder / "up.log"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snowmelt", *arguments, "--data", str(self.data), "--config", str(self.config)]

    def run(self, *arguments: str, expect: int | None = 0) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, cwd=ROOT, timeout=120, env=self.environment
        )
        assert expect is None or done.returncode == expect, (
            f"{arguments} ended with {done.returncode}: {done.stdout}{done.stderr}"
        )
        return done

    def start(self, *flags: str) -> "Pipeline":
        with self.output.open("ab") as output:
            begin = self.output.stat().st_size
            self.process = subprocess.Popen(
                self.command("up", "--port", str(self.port), *self.flags, *flags),
                stdout=output,
                stderr=output,
                cwd=ROOT,
                env=self.environment,
            )
        eventually(lambda: "Collector: http" in self.said()[begin:] or self._dead(), START_TIMEOUT, 0.05, "collector ready")
        assert self.process.poll() is None, self.said()
        return self

    def _dead(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def said(self) -> str:
        return self.output.read_text("utf-8", "replace")

    def stop(self, number: int = signal.SIGINT, timeout: float = 90) -> int:
        """Exit code of `snowmelt up` after Ctrl-C."""
        assert self.process is not None
        self.process.send_signal(number)
        try:
            return self.process.wait(timeout)
        finally:
            self.process = None

    def close(self) -> None:
        """Whatever state it is in, nothing stays behind."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.bigquery is not None:
            self.bigquery.close()
        shutil.rmtree(self.data, ignore_errors=True)

    def service(self, name: str) -> "subprocess.Popen[bytes]":
        """One service alone, without supervisor; the caller ends it."""
        arguments = {"collector": ["collect", "--port", str(self.port)], "enricher": ["enrich"], "loader": ["load"]}[name]
        with (self.folder / f"{name}.log").open("ab") as output:
            return subprocess.Popen(self.command(*arguments), stdout=output, stderr=output, cwd=ROOT, env=self.environment)

    def pid_of(self, service: str) -> int:
        """The newest process of a service, as `up` announced it."""
        found = re.findall(rf"^{service}: (?:started|running again) \(pid (\d+)", self.said(), re.MULTILINE)
        return int(found[-1])

    def sql(self, statement: str) -> list[dict[str, Any]]:
        """`statement`: in DuckDB's dialect, whatever the warehouse."""
        rows = json.loads(self.run("sql", self._marked(statement), "--format", "json").stdout)
        assert isinstance(rows, list)
        return rows

    def _marked(self, statement: str) -> str:
        return statement if self.bigquery is None else f"/* duckdb */ {statement}"

    def try_sql(self, statement: str) -> list[dict[str, Any]]:
        """As `sql`; empty while the warehouse, the table or a column of it does not exist yet."""
        done = self.run("sql", self._marked(statement), "--format", "json", expect=None)
        return json.loads(done.stdout) if done.returncode == 0 else []

    def row(self, event_id: str, table: str = "events", columns: str = "*") -> dict[str, Any]:
        """The one row of an event. Fails when there are several, or none in time."""
        statement = f"select {columns} from {table} where event_id = '{event_id}'"
        rows = eventually(lambda: self.try_sql(statement), what=f"{event_id} in {table}")
        assert len(rows) == 1, f"{len(rows)} rows of {event_id} in {table}"
        return rows[0]

    def rows(self, ids: Sequence[str], table: str = "events", timeout: float = ROW_TIMEOUT) -> dict[str, dict[str, Any]]:
        """One row for each id, by id."""
        listed = ", ".join(f"'{event_id}'" for event_id in ids)
        statement = f"select * from {table} where event_id in ({listed})"
        rows = eventually(lambda: enough(self.try_sql(statement), len(ids)), timeout, what=f"{len(ids)} rows in {table}")
        assert len(rows) == len({row["event_id"] for row in rows}), "an event has several rows"
        return {row["event_id"]: row for row in rows}

    def tamper(self, statement: str) -> None:
        """Changes the warehouse behind the product's back, in SQL that DuckDB and BigQuery have in common."""
        if self.bigquery is not None:
            self.bigquery.rows(statement)
            return
        with attached(self.data / "warehouse", read_only=False) as connection:
            connection.execute(statement)

    def tail(self, stream: str, form: str = "json") -> list[str]:
        return self.run("tail", stream, "--format", form).stdout.splitlines()

    def add_schema(self, vendor: str, name: str, version: str, schema: dict[str, Any]) -> Path:
        """A new file in the registry folder, as an editor or `git pull` puts it there."""
        path = self.schemas / vendor / name / "jsonschema" / version
        path.parent.mkdir(parents=True, exist_ok=True)
        described = {
            "$schema": "http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#",
            "self": {"vendor": vendor, "name": name, "format": "jsonschema", "version": version},
            **schema,
        }
        path.write_text(json.dumps(described, indent=2), "utf-8")
        return path


def enough(rows: list[dict[str, Any]], wanted: int) -> list[dict[str, Any]]:
    return rows if len(rows) >= wanted else []
