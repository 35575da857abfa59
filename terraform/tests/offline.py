"""What the tests of terraform/ run with, on a machine without account: programs from PyPI in environments of their own, made on
first use and kept; and Terraform itself with a stand-in for Google's provider, where Terraform is installed."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TERRAFORM = ROOT / "terraform"
HERE = TERRAFORM / "tests"
OLDEST = (1, 9)
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "snowmelt-tests"
BINDINGS = "cdktf-cdktf-provider-google==16.12.1"
"""The last bindings there are, of provider 6.50.0."""
CHECKING = ("python-hcl2==8.1.4",)
SERVING = ("tf==1.2.0", "setuptools<81")
SCANNING = ("checkov==3.3.30",)
_UNREACHABLE = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|name resolution|Name or service not known|Network is unreachable|"
    r"Connection refused|ProxyError|Max retries exceeded|Connection reset"
)


@contextmanager
def _alone(name: str) -> Iterator[Path]:
    """The only process at work on this part of the cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield CACHE / name


def _pip(*arguments: str) -> None:
    """Skips the test when there is no way to PyPI."""
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, timeout=300)
    if done.returncode and _UNREACHABLE.search(done.stderr):
        pytest.skip(f"PyPI cannot be reached: {done.stderr.strip().splitlines()[-1][:200]}")
    assert done.returncode == 0, done.stderr


def python_with(*packages: str) -> Path:
    """A Python that has these packages, and nothing of ours: checkov and the schema check want other versions of one module."""
    name = f"environment-{hashlib.sha256(' '.join((sys.version, *packages)).encode()).hexdigest()[:12]}"
    with _alone(name) as folder:
        python = folder / "bin" / "python"
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
            _pip("--python", str(python), "install", "--quiet", "--no-compile", *packages)
            (folder / "complete").touch()
    return python


def schema() -> Path:
    """Of all resources, as JSON."""
    made_by = hashlib.sha256((HERE / "schema_extraction.py").read_bytes() + BINDINGS.encode()).hexdigest()[:12]
    with _alone(f"google-provider-{made_by}") as folder:
        found = folder / "schema.json.gz"
        if not found.exists():
            folder.mkdir(exist_ok=True)
            _pip("download", "--quiet", "--no-deps", "--dest", str(folder), BINDINGS)
            (wheel,) = folder.glob("*.whl")
            part = folder / "part.json.gz"
            subprocess.run([sys.executable, str(HERE / "schema_extraction.py"), str(wheel), str(part)], check=True, timeout=120)
            wheel.unlink()
            part.rename(found)
    return found


def checked(*folders: Path) -> list[str]:
    """Findings of the schema check."""
    command = [str(python_with(*CHECKING)), str(HERE / "schema_check.py"), str(schema()), *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1), done.stderr
    return [line for line in done.stdout.splitlines() if line]


def folders() -> list[Path]:
    """Every module and root."""
    return sorted(
        {file.parent for file in TERRAFORM.rglob("*.tf") if ".terraform" not in file.parts and HERE not in file.parents}
    )


def types() -> set[str]:
    """Every type of resource and data source that is named somewhere."""
    texts = [file.read_text("utf-8") for folder in folders() for file in folder.glob("*.tf")]
    return {name for text in texts for name in re.findall(r"\bgoogle_[a-z0-9_]+", text)}


def binary() -> str:
    """Terraform; without it, or with an old one, the test is skipped."""
    found = shutil.which("terraform")
    if found is None:
        pytest.skip("terraform is not installed")
    told = subprocess.run([found, "version", "-json"], capture_output=True, text=True, timeout=60, env=_environment({}))
    version = json.loads(told.stdout)["terraform_version"]
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        pytest.skip(f"terraform {version} is older than 1.9")
    return found


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """Nothing of this machine's own set-up of Terraform."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    return {**kept, "CHECKPOINT_DISABLE": "1", **more}


class Terraform:
    """The real program, the provider's stand-in behind it, and a copy of what it is run on."""

    def __init__(self, work: Path) -> None:
        self._binary = binary()
        command = [str(python_with(*SERVING)), str(HERE / "schema_provider.py"), str(schema()), *sorted(types())]
        self._provider = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._provider.stdout is not None
        told = self._provider.stdout.readline()
        assert told, "the stand-in did not start"
        self._set = _environment({"TF_REATTACH_PROVIDERS": told.strip()})
        self._work = work
        self._initialised: set[Path] = set()

    def close(self) -> None:
        self._provider.communicate()

    def copied(self) -> Path:
        """A copy of terraform/ and schemas/ whose roots keep their state here."""
        target = self._work / "copy"
        if not target.exists():
            ignored = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.auto.tfvars*", "__pycache__")
            shutil.copytree(TERRAFORM, target / "terraform", ignore=ignored)
            shutil.copytree(ROOT / "schemas", target / "schemas")
            for backend in [file for file in target.rglob("*.tf") if 'backend "gcs"' in file.read_text("utf-8")]:
                (backend.parent / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
        return target / "terraform"

    def run(self, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [self._binary, *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, env=self._set)

    def init(self, folder: Path) -> None:
        if folder not in self._initialised:
            done = self.run(
                folder, "init", "-backend=false" if not _has_backend(folder) else "-reconfigure", "-no-color", "-input=false"
            )
            assert done.returncode == 0, done.stdout + done.stderr
            self._initialised.add(folder)

    def plan(self, folder: Path, given: Mapping[str, Any]) -> "Plan | str":
        """The plan, or why there is none."""
        self.init(folder)
        variables = folder / "given.tfvars.json"
        variables.write_text(json.dumps(given))
        done = self.run(
            folder,
            "plan",
            "-no-color",
            "-input=false",
            "-refresh=false",
            "-lock=false",
            f"-var-file={variables}",
            "-out=made.tfplan",
        )
        if done.returncode:
            return " ".join(line.strip("│╷╵ ") for line in done.stderr.splitlines())
        shown = self.run(folder, "show", "-json", "made.tfplan")
        return Plan(json.loads(shown.stdout))


def _has_backend(folder: Path) -> bool:
    return (folder / "backend_override.tf").exists()


class Plan:
    """What would be made, everything known at plan time."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.resources = list(_resources(document["planned_values"]["root_module"]))

    def all(self, *types: str) -> list[dict[str, Any]]:
        """Values of the resources of these types, with their `address`."""
        return [{"address": each["address"], **each["values"]} for each in self.resources if each["type"] in types]

    def one(self, type_: str, name: str) -> dict[str, Any]:
        """The one whose address ends in this name."""
        (found,) = [each for each in self.all(type_) if each["address"].endswith(f"{type_}.{name}")]
        return found


def _resources(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from (each for each in module.get("resources", []) if each["mode"] == "managed")
    for child in module.get("child_modules", []):
        yield from _resources(child)
