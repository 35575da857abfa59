"""checkov finds nothing, reads everything, and every skip is needed and says why."""

import json
import re
import subprocess

import offline
import pytest

_SKIP = re.compile(r"#checkov:skip=(CKV\w+)(?::(.*))?$", re.MULTILINE)

Report = dict[str, dict[str, object]]


@pytest.fixture(scope="module")
def report() -> Report:
    program = offline.python_with(*offline.SCANNING).parent / "checkov"
    command = [str(program), "--directory", ".", "--config-file", ".checkov.yaml", "--output", "json", "--soft-fail"]
    done = subprocess.run(command, cwd=offline.TERRAFORM, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found: Report = json.loads(done.stdout)
    return found


def checks(report: Report, kind: str) -> list[dict[str, str]]:
    found = report["results"][kind]
    assert isinstance(found, list)
    return found


def test_nothing_is_found(report: Report) -> None:
    failed = [f"{check['check_id']} {check['file_path']} {check['resource']}" for check in checks(report, "failed_checks")]
    assert failed == []


def test_every_file_was_read(report: Report) -> None:
    assert report["summary"]["parsing_errors"] == 0
    assert int(str(report["summary"]["resource_count"])) > 50


def test_every_skip_is_needed(report: Report) -> None:
    skipped = {(check["check_id"], check["file_path"].lstrip("/")) for check in checks(report, "skipped_checks")}
    written = {
        (check, str(file.relative_to(offline.TERRAFORM)))
        for folder in offline.folders()
        for file in folder.glob("*.tf")
        for check, _ in _SKIP.findall(file.read_text("utf-8"))
    }
    assert written == skipped


def test_every_skip_says_why() -> None:
    for folder in offline.folders():
        for file in folder.glob("*.tf"):
            for check, why in _SKIP.findall(file.read_text("utf-8")):
                assert len(why) > 20, f"{file}: {check}"
