"""The schema check: it finds every planted fault, and none in what we ship."""

from pathlib import Path

import offline
import pytest
import schema_extraction

PLANTED = [
    "unknown resource type google_pubsub_topik",
    "google_pubsub_topic.raw: missing required argument name",
    "google_pubsub_topic.raw has no attribute idd",
    "google_pubsub_subscription.s: unknown argument ack_deadline_secs",
    "google_pubsub_subscription.s: expiration_policy is a block",
    "google_pubsub_subscription.s.retry_policy: unknown argument minimum_backof",
    "at most 1 retry_policy block(s), found 2",
    "google_pubsub_subscription.s: labels is an argument",
    "google_cloud_run_v2_service.c: missing required block template",
    "google_cloud_run_v2_service.c: uri is computed only",
    "google_cloud_run_v2_service.c.deletion_protection: wants bool",
    "undeclared var.projectid",
    "reference to undeclared google_pubsub_topic.bad",
    "undeclared local.bucket",
    "google_storage_bucket.b: unknown block type lifecycle_rules (dynamic)",
    "google_storage_bucket.b.lifecycle_rule: missing required block condition",
    "unknown data source type google_projekt",
    "google_cloud_run_v2_service.c.ingress: 'EVERYONE' is not one of INGRESS_TRAFFIC_ALL",
    "module.m: missing variable needed",
    "module.m: unknown variable unasked",
    "module.n: source ./nowhere not found",
]
RIGHT = """
variable "project_id" {
  type = string
}
locals {
  names = toset(["raw", "bad"])
}
resource "google_pubsub_topic" "t" {
  for_each = local.names
  name     = "events-${each.key}"
  project  = var.project_id
}
resource "google_pubsub_subscription" "s" {
  name  = "s"
  topic = google_pubsub_topic.t["raw"].id
  dynamic "retry_policy" {
    for_each = [1]
    content {
      minimum_backoff = "10s"
    }
  }
  lifecycle {
    prevent_destroy = true
  }
}
"""


@pytest.fixture(scope="module")
def found_in_broken() -> list[str]:
    return offline.checked(offline.HERE / "broken")


@pytest.mark.parametrize("fault", PLANTED)
def test_each_planted_fault_is_found_once(found_in_broken: list[str], fault: str) -> None:
    assert sum(fault in line for line in found_in_broken) == 1, found_in_broken


def test_nothing_else_is_found(found_in_broken: list[str]) -> None:
    assert len(found_in_broken) == len(PLANTED), found_in_broken


def test_a_finding_names_file_and_line(found_in_broken: list[str]) -> None:
    (finding,) = [line for line in found_in_broken if "ack_deadline_secs" in line]
    file, line, _ = finding.split(":", 2)
    assert "ack_deadline_secs" in Path(file).read_text("utf-8").splitlines()[int(line) - 1]


def test_a_right_file_has_no_findings(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(RIGHT)
    assert offline.checked(tmp_path) == []


def test_a_file_that_is_no_terraform_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('resource "google_pubsub_topic" {{')
    (finding,) = offline.checked(tmp_path)
    assert "cannot be parsed" in finding


def test_what_we_ship_fits_the_schema() -> None:
    assert offline.checked(*offline.folders()) == []


def test_what_the_extraction_says_of_known_resources() -> None:
    resources = schema_extraction.read(offline.schema())["resource_schemas"]
    subscription = resources["google_pubsub_subscription"]["block"]
    assert subscription["attributes"]["name"] == {"type": "string", "required": True}
    assert subscription["attributes"]["effective_labels"] == {"type": ["map", "string"], "computed": True}
    assert subscription["block_types"]["dead_letter_policy"]["max_items"] == 1
    service = resources["google_cloud_run_v2_service"]["block"]
    assert service["block_types"]["template"]["min_items"] == 1
    containers = service["block_types"]["template"]["block"]["block_types"]["containers"]
    assert "max_items" not in containers
    assert containers["block"]["attributes"]["image"]["required"]
    assert containers["block"]["block_types"]["env"]["nesting_mode"] == "set"
    assert len(resources) > 1_000
