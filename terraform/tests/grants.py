"""Who may do what on what: out of a plan, and out of the table in docs/deploy.md."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from offline import Plan

PREFIX = "snowmelt-"
_TARGETS = {
    "google_pubsub_topic_iam_member": ("topic", "topic"),
    "google_pubsub_subscription_iam_member": ("subscription", "subscription"),
    "google_storage_bucket_iam_member": ("bucket", "bucket"),
    "google_bigquery_dataset_iam_member": ("dataset", None),
    "google_secret_manager_secret_iam_member": ("secret", "secret_id"),
    "google_service_account_iam_member": ("account", "service_account_id"),
    "google_cloud_run_v2_service_iam_member": ("service", "name"),
    "google_cloud_run_v2_worker_pool_iam_member": ("worker", "name"),
    "google_cloud_run_v2_job_iam_member": ("job", "name"),
    "google_artifact_registry_repository_iam_member": ("repository", None),
    "google_project_iam_member": ("project", None),
}
_PEOPLE = {"group:analysts@acme.com": "analysts", "group:operators@acme.com": "operators", "allUsers": "allUsers"}
_ROW = re.compile(r"^\| ([^|]+) \| `([^`|]+)` \| ([^|]+) \|", re.MULTILINE)


class Grant(NamedTuple):
    who: str
    role: str
    on: str


def planned(plan: Plan) -> Iterator[Grant]:
    for resource in plan.resources:
        if resource["type"].endswith("_iam_member"):
            kind, key = _TARGETS[resource["type"]]
            values = resource["values"]
            on = kind if key is None else f"{kind} {_short(values[key])}"
            yield Grant(_who(values["member"]), _role(values["role"]), on)


def documented(page: Path) -> list[Grant]:
    text = page.read_text("utf-8").partition("## Who may do what")[2].partition("\n## ")[0]
    return [Grant(who, role, on) for who, role, on in _ROW.findall(text)]


def _short(name: Any) -> str:
    last = str(name).rpartition("/")[2].partition("@")[0]
    return last.rpartition(PREFIX)[2]


def _role(role: str) -> str:
    return role.removeprefix("roles/") if role.startswith("roles/") else f"custom {role.rpartition('snowmelt_')[2]}"


def _who(member: str) -> str:
    if member in _PEOPLE:
        return _PEOPLE[member]
    if member.startswith("principal:"):
        return "GitHub, a release" if member.endswith(":environment:prod") else "GitHub, a pull request"
    if member.endswith("@gcp-sa-pubsub.iam.gserviceaccount.com"):
        return "Pub/Sub's agent"
    account = re.fullmatch(r"serviceAccount:snowmelt-(\w+)@acme-events-prod\.iam\.gserviceaccount\.com", member)
    assert account is not None, member
    return account.group(1)
