"""terraform/build.sh, with a docker and a gcloud that only note what they are told: what is pushed, what Terraform reads."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import offline
import pytest

DIGEST = f"sha256:{'ab' * 32}"
OTHER = f"sha256:{'cd' * 32}"
SETTINGS = {"project_id": "acme-events-dev", "region": "europe-west1"}
REPOSITORY = "europe-west1-docker.pkg.dev/acme-events-dev/snowmelt"
DOCKER = f"""#!/usr/bin/env bash
echo "docker $*" >> "$NOTED"
case "$3" in
  inspect) echo {OTHER} ;;
esac
while [ $# -gt 0 ]; do
  [ "$1" != --metadata-file ] || echo '{{"containerimage.digest": "{DIGEST}"}}' > "$2"
  shift
done
"""


class Repository:
    """A copy of what the script needs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.environment = folder / "terraform" / "envs" / "dev"
        self.environment.mkdir(parents=True)
        (self.environment / "bootstrap.auto.tfvars.json").write_text(json.dumps(SETTINGS))
        shutil.copy(offline.TERRAFORM / "build.sh", folder / "terraform" / "build.sh")
        programs = folder / "programs"
        programs.mkdir()
        for name, text in (("docker", DOCKER), ("gcloud", "#!/bin/sh\n"), ("git", "#!/bin/sh\necho 0a1b2c3\n")):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        self._set = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "NOTED": str(folder / "noted")}

    def build(self, *arguments: str, **more: str) -> dict[str, str]:
        """What Terraform reads then."""
        command = ["bash", "terraform/build.sh", *arguments]
        subprocess.run(command, cwd=self._folder, env={**self._set, **more}, check=True, timeout=30, capture_output=True)
        images: dict[str, str] = json.loads((self.environment / "images.auto.tfvars.json").read_text())
        return images

    def noted(self) -> str:
        return (self._folder / "noted").read_text()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_the_image_is_named_by_the_digest_that_was_pushed(repository: Repository) -> None:
    assert repository.build("dev") == {"image": f"{REPOSITORY}/snowmelt@{DIGEST}"}
    assert f"--push --tag {REPOSITORY}/snowmelt:0a1b2c3-" in repository.noted()


def test_it_stands_on_a_python_by_digest(repository: Repository) -> None:
    repository.build("dev", BASE="python:3.12-slim")
    assert f"--build-arg BASE=python:3.12-slim@{OTHER}" in repository.noted()


def test_a_promoted_image_keeps_its_digest_and_is_not_built(repository: Repository) -> None:
    staging = f"europe-west1-docker.pkg.dev/acme-events-staging/snowmelt/snowmelt@{DIGEST}"
    assert repository.build("dev", staging) == {"image": f"{REPOSITORY}/snowmelt@{DIGEST}"}
    assert f"imagetools create --tag {REPOSITORY}/snowmelt:promoted-abababababab {staging}" in repository.noted()
    assert "buildx build" not in repository.noted()


def test_the_sidecar_comes_by_digest_when_asked_for(repository: Repository) -> None:
    assert repository.build("dev", METRICS="yes")["metrics_image"].endswith(f"/cloud-run-gmp-sidecar@{OTHER}")
    assert "metrics_image" not in repository.build("dev")


def test_nothing_is_left_but_what_terraform_reads(repository: Repository) -> None:
    repository.build("dev")
    left = sorted(file.name for file in repository.environment.iterdir())
    assert left == ["bootstrap.auto.tfvars.json", "images.auto.tfvars.json"]
