"""Questions to the stand-in for BigQuery that change nothing: what may I do?"""

import re
from typing import Any

from bigquery_faults import Faults

_PERMISSIONS = re.compile(r"/bigquery/v2/projects/[^/]+/datasets/[^/]+/tables/[^/]+:testIamPermissions")
_JOBS = re.compile(r"/bigquery/v2/projects/[^/]+/jobs")


def answer(path: str, body: Any, faults: Faults) -> tuple[int, Any] | None:
    """(status, answer); None for requests that others answer."""
    path = path.partition("?")[0]
    if _PERMISSIONS.fullmatch(path):
        return 200, {"permissions": [each for each in body["permissions"] if each not in faults.lacking]}
    if _JOBS.fullmatch(path) and body["configuration"].get("dryRun") and "bigquery.jobs.create" in faults.lacking:
        error = {"reason": "accessDenied", "message": "User does not have bigquery.jobs.create permission"}
        return 403, {"error": {"code": 403, "message": error["message"], "errors": [error]}}
    return None
