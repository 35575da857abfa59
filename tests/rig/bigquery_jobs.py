"""Queries over REST, of the stand-in for BigQuery: at once or as jobs, page by page."""

import itertools
from typing import Any

from bigquery_faults import Faults
from bigquery_sql import QueryError
from bigquery_tables import Result, Tables
from bigquery_values import cell, parameter

Answer = tuple[int, Any]


class Jobs:
    def __init__(self, dataset: str, tables: Tables, faults: Faults) -> None:
        self._dataset, self._tables, self._faults = dataset, tables, faults
        self._done: dict[str, Result] = {}
        self._numbers = itertools.count()

    def query(self, project: str, body: Any) -> Answer:
        """`jobs.query`."""
        dry = bool(body.get("dryRun"))
        result = self._run(body, dry)
        if dry:
            return 200, {**self._page(project, "", result._replace(rows=[]), {}), "jobComplete": True}
        name = self._keep(result)
        return 200, {**self._page(project, name, result, body), "queryId": name}

    def insert(self, project: str, body: Any) -> Answer:
        """`jobs.insert`, for queries."""
        configuration = body["configuration"]
        result = self._run(configuration["query"], dry := bool(configuration.get("dryRun")))
        name = body.get("jobReference", {}).get("jobId") or "dry"
        if not dry:
            self._done[name] = result
        return 200, self._job(project, name, result, configuration)

    def get(self, project: str, name: str) -> Answer:
        result = self._done.get(name)
        return _missing(name) if result is None else (200, self._job(project, name, result, {"query": {}}))

    def results(self, project: str, name: str, asked: dict[str, str]) -> Answer:
        """`jobs.getQueryResults`."""
        result = self._done.get(name)
        return _missing(name) if result is None else (200, self._page(project, name, result, asked))

    def _run(self, body: Any, dry: bool) -> Result:
        if not dry:
            self._faults.queries.append(body["query"])
        parameters = {one["name"]: parameter(one) for one in body.get("queryParameters", ())}
        default = body.get("defaultDataset", {}).get("datasetId")
        most = body.get("maximumBytesBilled")
        if body.get("useLegacySql", True):
            raise QueryError("the stand-in for BigQuery knows no legacy SQL")
        return self._tables.query(body["query"], parameters, self._dataset, default, dry, None if most is None else int(most))

    def _keep(self, result: Result) -> str:
        name = f"job{next(self._numbers)}"
        self._done[name] = result
        return name

    def _job(self, project: str, name: str, result: Result, configuration: Any) -> Any:
        said: dict[str, Any] = {"statementType": result.kind, "totalBytesProcessed": str(result.bytes)}
        if result.affected is not None:
            said["numDmlAffectedRows"] = str(result.affected)
        if result.fields:
            said["schema"] = {"fields": result.fields}
        return {
            "kind": "bigquery#job",
            "jobReference": {"projectId": project, "jobId": name, "location": "US"},
            "configuration": configuration,
            "status": {"state": "DONE"},
            "statistics": {"query": said, "totalBytesProcessed": str(result.bytes)},
        }

    def _page(self, project: str, name: str, result: Result, asked: Any) -> dict[str, Any]:
        begin = int(asked.get("pageToken") or asked.get("startIndex") or 0)
        end = begin + min(int(asked.get("maxResults") or self._faults.page_rows), self._faults.page_rows)
        page: dict[str, Any] = {
            "kind": "bigquery#queryResponse",
            "jobComplete": True,
            "jobReference": {"projectId": project, "jobId": name, "location": "US"},
            "totalBytesProcessed": str(result.bytes),
        }
        if result.affected is not None:
            page["numDmlAffectedRows"] = str(result.affected)
        if result.fields:
            page["schema"] = {"fields": result.fields}
            page["totalRows"] = str(len(result.rows))
            page["rows"] = [
                {"f": [{"v": cell(value, field)} for value, field in zip(row, result.fields, strict=True)]}
                for row in result.rows[begin:end]
            ]
            if end < len(result.rows):
                page["pageToken"] = str(end)
        return page


def _missing(name: str) -> Answer:
    raise QueryError(f"Not found: Job {name}", "notFound", 404)
