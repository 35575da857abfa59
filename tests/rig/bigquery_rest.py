"""The REST half of the stand-in for BigQuery: datasets, tables, queries."""

import copy
import json
import re
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import bigquery_questions
from bigquery_faults import Faults
from bigquery_jobs import Jobs
from bigquery_sql import QueryError
from bigquery_tables import Table, Tables

_QUERIES = re.compile(r"/bigquery/v2/projects/([^/]+)/(queries|jobs)(?:/([^/?]+))?$")
_TABLES = re.compile(r"/bigquery/v2/projects/[^/]+/datasets/([^/?]+)(/tables)?(?:/([^/?]+))?")


class Rest:
    """`url` for the client's `api_endpoint`."""

    def __init__(self, dataset: str, tables: Tables, faults: Faults) -> None:
        jobs = Jobs(dataset, tables, faults)
        handler = type("Handler", (_Handler,), {"dataset": dataset, "tables": tables, "faults": faults, "jobs": jobs})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"


class _Handler(BaseHTTPRequestHandler):
    dataset: str
    tables: Tables
    faults: Faults
    jobs: Jobs
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two packets: the second would wait for the first's acknowledgement

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        self._serve(self._body())

    def do_PATCH(self) -> None:
        self._serve(self._body())

    def do_DELETE(self) -> None:
        self._serve(None)

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def _serve(self, body: Any) -> None:
        with self.tables.lock:
            try:
                status, answer = self._answer(body)
            except QueryError as problem:
                status, answer = _error(problem.status, problem.reason, problem.message)
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _answer(self, body: Any) -> tuple[int, Any]:
        if self.faults.denied:
            return _error(403, "accessDenied")
        if (asked := bigquery_questions.answer(self.path, body, self.faults)) is not None:
            return asked
        path, asked = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
        if (queries := _QUERIES.match(path)) is not None:
            return self._job(queries[1], queries[2], queries[3], body, asked)
        match = _TABLES.match(path)
        if match is None or match[1] != self.dataset:
            return _error(404, "notFound")
        if match[2] is None:
            return 200, {"datasetReference": {"projectId": "test", "datasetId": self.dataset}}
        if self.command == "POST":
            return self._create(body)
        if match[3] is None:
            return 200, {"kind": "bigquery#tableList", "tables": [_shown(table) for table in self.tables.tables.values()]}
        return self._table(match[3], body)

    def _table(self, name: str, body: Any) -> tuple[int, Any]:
        table = self.tables.tables.get(name)
        if table is None:
            return _error(404, "notFound")
        if self.command == "DELETE":
            self.tables.drop(name)
            return 200, {}
        return self._patch(table, body) if self.command == "PATCH" else (200, _shown(table))

    def _job(self, project: str, kind: str, name: str | None, body: Any, asked: dict[str, str]) -> tuple[int, Any]:
        if self.command == "POST":
            return self.jobs.query(project, body) if kind == "queries" else self.jobs.insert(project, body)
        assert name is not None
        return self.jobs.results(project, name, asked) if kind == "queries" else self.jobs.get(project, name)

    def _create(self, body: Any) -> tuple[int, Any]:
        name = body["tableReference"]["tableId"]
        if name in self.tables.tables:
            return _error(409, "duplicate")
        made = copy.deepcopy(body)
        if "view" in made:
            made["type"] = "VIEW"
        else:
            made["type"] = "TABLE"
        self.tables.tables[name] = Table(made)
        return 200, _shown(self.tables.tables[name])

    def _patch(self, table: Table, body: Any) -> tuple[int, Any]:
        self.faults.patches += 1
        if self.faults.patch_refusals:
            return _error(*self.faults.patch_refusals.pop(0))
        if self.faults.racing:
            self.faults.racing.pop(0)(table)
            table.etag += 1
        if self.headers.get("If-Match") not in (None, str(table.etag)):
            return _error(412, "conditionNotMet")
        fields = body["schema"]["fields"]
        if (problem := _shrinks(table.fields, fields)) is not None:
            return _error(400, "invalid", problem)
        table.writable = table.writable_fields()
        table.catches_up = time.monotonic() + self.faults.lag_seconds
        table.resource["schema"] = {"fields": fields}
        table.etag += 1
        return 200, _shown(table)


def _shown(table: Table) -> Any:
    return {**table.resource, "etag": str(table.etag), "lastModifiedTime": str(table.modified)}


def _error(status: int, reason: str, message: str = "refused") -> tuple[int, Any]:
    return status, {"error": {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}}


def _shrinks(before: list[Any], after: list[Any]) -> str | None:
    """What BigQuery would refuse of a change: fields that go, other types, new ones that are required."""
    kept = {f["name"].lower(): f for f in after}
    if len(kept) != len(after):
        return "Duplicate field names"
    for f in before:
        other = kept.pop(f["name"].lower(), None)
        if other is None or other["type"] != f["type"] or (other.get("mode") == "REPEATED") != (f.get("mode") == "REPEATED"):
            return f"Provided Schema does not match: {f['name']}"
        if other.get("mode") == "REQUIRED" and f.get("mode") != "REQUIRED":
            return f"Field {f['name']} has changed mode"
        if (problem := _shrinks(f.get("fields", []), other.get("fields", []))) is not None:
            return problem
    required = [name for name, f in kept.items() if f.get("mode") == "REQUIRED"]
    return f"Cannot add required fields to an existing schema: {required}" if required else None
