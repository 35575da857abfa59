"""The third-party bqemulator: a stand-in for BigQuery that no one here wrote, so it knows nothing of what our loader expects.

It lives in a virtual environment of its own, as it holds other versions of the same libraries; made once, in the user's cache.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

VERSION = "1.4.0"
_LAUNCH = Path(__file__).parents[1] / "loader/bqemulator/launch.py"
_PATIENCE = 90
_found: list[Path | str] = []
"""Its Python, or the reason why there is none: tried once."""


@contextmanager
def running(project: str) -> Iterator[tuple[str, str]]:
    """(URL of REST, host:port of gRPC). Skips the test where it cannot be had."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [_python(), _LAUNCH, project], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            said = next((line.split()[1:] for line in process.stdout if line.startswith("listening: ")), None)
            log.seek(0)
            assert said is not None, f"bqemulator does not start: {log.read()[-500:]}"
            threading.Thread(target=process.stdout.read, daemon=True).start()  # its logs
            yield said[0], said[1]
        finally:
            process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _python() -> Path:
    if not _found:
        _found.append(_installed())
    found = _found[0]
    if isinstance(found, str):
        pytest.skip(found)
    return found


def _installed() -> Path | str:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "snowmelt-tests"
    name = f"bqemulator-{VERSION}-python{sys.version_info[0]}.{sys.version_info[1]}"
    if (cache / name / "complete").exists():
        return cache / name / "bin/python"
    if (cache / name).exists():
        shutil.rmtree(cache / name)
    try:
        _install(cache / name)
    except (subprocess.SubprocessError, OSError) as problem:
        shutil.rmtree(cache / name, ignore_errors=True)
        said = " ".join(str(getattr(problem, "stderr", None) or problem).split())
        return f"bqemulator cannot be installed here: {said[-200:]}"
    (cache / name / "complete").touch()
    return cache / name / "bin/python"


def _install(folder: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", folder], check=True, capture_output=True, text=True, timeout=30
    )
    # Of what it needs numpy is missing from its own list.
    wanted = [f"bqemulator=={VERSION}", "numpy"]
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin/python", "--disable-pip-version-check", "--retries", "1"]
    install = [*pip, "install", "--quiet", "--only-binary", ":all:", "--no-compile", *wanted]
    subprocess.run(install, check=True, capture_output=True, text=True, timeout=_PATIENCE)


def fresh_dataset() -> str:
    return f"d{uuid.uuid4().hex[:12]}"
