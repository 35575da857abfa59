"""Terraform itself, with the stand-in for Google's provider: format, validity, its own tests, and that the stand-in is strict."""

import json
import shutil
from pathlib import Path

import offline
import pytest
from offline import Plan, Terraform

PINNED = """
terraform {
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "6.50.0"
    }
  }
}
"""
SERVICE = """
resource "google_cloud_run_v2_service" "c" {
  name     = "c"
  location = "europe-west1"
  ingress  = "INGRESS_TRAFFIC_ALL"
  template {
    containers {
      image = "x"
    }
  }
}
"""
ROOTS = ("bootstrap", "envs/dev", "envs/staging", "envs/prod")
TESTED = ("modules/stack", "modules/worker")


def faults(terraform: Terraform, folder: Path, text: str) -> list[str]:
    """Summaries of what `validate` says."""
    (folder / "main.tf").write_text(PINNED + text)
    terraform.init(folder)
    found = json.loads(terraform.run(folder, "validate", "-json").stdout)
    return [diagnostic["summary"] for diagnostic in found["diagnostics"]]


def test_files_are_formatted(terraform: Terraform) -> None:
    done = terraform.run(offline.TERRAFORM, "fmt", "-check", "-recursive", "-no-color")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("root", ROOTS)
def test_roots_are_valid(terraform: Terraform, root: str) -> None:
    folder = terraform.copied() / root
    terraform.init(folder)
    done = terraform.run(folder, "validate", "-no-color")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("root", ROOTS[1:])
def test_environments_as_shipped_start_without_their_state(terraform: Terraform, root: str) -> None:
    folder = terraform.copied() / f"{root}-as-shipped"
    shutil.copytree(offline.TERRAFORM / root, folder, ignore=shutil.ignore_patterns(".terraform*", "*.auto.tfvars*"))
    done = terraform.run(folder, "init", "-backend=false", "-input=false", "-no-color")
    assert done.returncode == 0, done.stderr
    assert terraform.run(folder, "validate", "-no-color").returncode == 0


@pytest.mark.parametrize("module", TESTED)
def test_tests_of_modules_pass(terraform: Terraform, module: str) -> None:
    folder = terraform.copied() / module
    terraform.init(folder)
    done = terraform.run(folder, "test", "-no-color")
    runs = sum(file.read_text("utf-8").count('\nrun "') for file in (folder / "tests").glob("*.tftest.hcl"))
    assert f"{runs} passed, 0 failed" in done.stdout, done.stdout + done.stderr


def test_a_service_as_it_should_be_is_valid(terraform: Terraform, tmp_path: Path) -> None:
    assert faults(terraform, tmp_path, SERVICE) == []


def test_what_the_schema_does_not_know_is_invalid(terraform: Terraform, tmp_path: Path) -> None:
    assert faults(terraform, tmp_path, SERVICE.replace("ingress ", "ingres ")) == ["Unsupported argument"]


def test_what_is_in_no_enum_is_invalid(terraform: Terraform, tmp_path: Path) -> None:
    assert faults(terraform, tmp_path, SERVICE.replace("INGRESS_TRAFFIC_ALL", "EVERYONE")) == ["Value not allowed"]


def test_the_stand_in_applies_nothing(terraform: Terraform, tmp_path: Path) -> None:
    assert isinstance(planned(terraform, tmp_path), Plan)
    done = terraform.run(tmp_path, "apply", "-no-color", "made.tfplan")
    assert "nothing can be applied" in done.stderr


def planned(terraform: Terraform, folder: Path) -> Plan | str:
    (folder / "main.tf").write_text(PINNED + SERVICE)
    return terraform.plan(folder, {})
