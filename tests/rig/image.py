"""The container image without a container engine: what the Dockerfile says, laid out in a folder and run from there.

The program comes from a wheel built of exactly what the Dockerfile copies. Its dependencies are those that
requirements/gcp.txt pins and nothing else, linked from where the tests themselves have them.
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
USER = 65532
SETPRIV = shutil.which("setpriv")


class Instruction(NamedTuple):
    """`stage`: 0 before the first FROM."""

    stage: int
    word: str
    text: str


def instructions() -> list[Instruction]:
    found: list[Instruction] = []
    stage = 0
    lines = [line for line in DOCKERFILE.read_text("utf-8").splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, text = line.strip().partition(" ")
            stage += word == "FROM"
            found.append(Instruction(stage, word, text.strip()))
    return found


def last_stage() -> int:
    return instructions()[-1].stage


def of(word: str, stage: int | None = None) -> list[str]:
    return [each.text for each in instructions() if each.word == word and stage in (None, each.stage)]


def copied(stage: int) -> Iterator[str]:
    """Sources of a stage, from outside the image."""
    for text in of("COPY", stage):
        if not text.startswith("--from"):
            yield from shlex.split(text)[:-1]


def environment() -> dict[str, str]:
    """As the image sets it, but for PATH."""
    pairs = (pair.partition("=") for text in of("ENV", last_stage()) for pair in shlex.split(text))
    return {name: value for name, _, value in pairs if name != "PATH"}


def pins() -> dict[str, str]:
    """Distribution → version; without what the image takes away again."""
    lines = (ROOT / "requirements/gcp.txt").read_text("utf-8").splitlines()
    found = dict(line.split(" ")[0].split("==") for line in lines if "==" in line)
    del found["setuptools"]
    return found


class Image:
    """`project` is the folder roles run in, `scratch` the only one they may write to."""

    def __init__(self, folder: Path) -> None:
        self.prefix = folder / "opt"
        self.project = folder / "srv"
        self.scratch = folder / "tmp"
        self.scratch.mkdir()
        self.scratch.chmod(0o777)
        self._install(folder)
        for name in copied(last_stage()):
            shutil.copytree(ROOT / name, self.project / name)
        self.project.chmod(0o555)

    def _install(self, folder: Path) -> None:
        source, wheels = folder / "source", folder / "wheels"
        for name in copied(1):
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(ROOT / name, target)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        build = ["wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(wheels), str(source)]
        _run([*pip, *build])
        venv.create(self.prefix, symlinks=True, with_pip=False)
        _link(Path(sysconfig.get_path("purelib", vars={"base": str(self.prefix)})))
        _run(
            [*pip, "--python", str(self.prefix / "bin/python"), "install", "--no-deps", "--no-index", *map(str, wheels.iterdir())]
        )
        shutil.rmtree(source)

    def files(self) -> set[str]:
        """Everything that is there but what roles may write."""
        return {str(path) for place in (self.prefix, self.project) for path in place.rglob("*")}

    def start(self, arguments: Sequence[str], more: Mapping[str, str], log: Path) -> "subprocess.Popen[bytes]":
        """A role, as the image's user where the tests run as root."""
        inside = {"HOME": "/", "TMPDIR": str(self.scratch), **environment(), "SNOWMELT_DATA_FOLDER": str(self.scratch)}
        with log.open("ab") as output:
            return subprocess.Popen(
                [*_as_user(), str(self.prefix / "bin/snowmelt"), *arguments],
                cwd=self.project,
                env={**inside, "PATH": f"{self.prefix}/bin:/usr/bin:/bin", **more},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )


def _as_user() -> list[str]:
    if os.geteuid() or SETPRIV is None:
        return []
    # Python may be in a folder that only root reads; being able to read everything lets nobody write.
    reading = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search", "--bounding-set=-all,+dac_read_search"]
    return [SETPRIV, f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *reading]


def _link(packages: Path) -> None:
    """The pinned distributions, file by file: several share the folder `google`."""
    for name, version in pins().items():
        found = metadata.distribution(name)
        assert found.version == version, f"{name} {found.version} is installed, {version} is pinned: run make test"
        for file in found.files or ():
            real = Path(str(found.locate_file(file)))
            if ".." in file.parts or "__pycache__" in file.parts or not real.exists():
                continue
            target = packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(real)


def _run(command: Sequence[str]) -> Any:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
