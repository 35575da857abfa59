"""Questions to the stand-in for BigQuery that change nothing: what may I do, and would this query run?"""

import re
from typing import Any

from bigquery_faults import Faults

_PERMISSIONS = re.compile(r"/bigquery/v2/projects/[^/]+/datasets/[^/]+/tables/[^/]+:testIamPermissions")
_JOBS = re.compile(r"/bigquery/v2/projects/[^/]+/jobs")


def answer(path: str, body: Any, faults: Faults) -> tuple[int, Any] | None:
    """(status, answer); None for other requests."""
    path = path.partition("?")[0]
    if _PERMISSIONS.fullmatch(path):
        return 200, {"permissions": [each for each in body["permissions"] if each not in faults.lacking]}
    if _JOBS.fullmatch(path) and body["configuration"].get("dryRun"):
        if "bigquery.jobs.create" in faults.lacking:
            error = {"reason": "accessDenied", "message": "User does not have bigquery.jobs.create permission"}
            return 403, {"error": {"code": 403, "message": error["message"], "errors": [error]}}
        statistics = {"totalBytesProcessed": "0", "query": {"statementType": "SELECT"}}
        return 200, {**body, "status": {"state": "DONE"}, "statistics": statistics}
    return None
