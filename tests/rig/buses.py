"""Every kind of bus, empty, for the tests of what all of them promise."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from backbone.bus.log import LogBus
from backbone.bus.memory import MemoryBus
from backbone.bus.protocol import Bus, Stream

KINDS = ("log", "memory", "pubsub", "pstest", "google")
CONSUMERS: Mapping[str, Collection[Stream]] = {
    "enricher": ("raw",),
    "loader": ("enriched", "failed", "bad", "replayed"),
    "one": ("raw",),
    "two": ("raw",),
    "x": ("bad",),
    "y": ("raw",),
}
_PSTEST = Path(__file__).parents[1] / "backbone" / "pstest"
_OLDEST_GO = (1, 24)
_DEADLINE = 30.0
"""Seconds: these tests ask what arrives, on machines with other things to do; `test_bus_pubsub.py` asks how long it takes."""


@contextmanager
def opened(kind: str, folder: Path) -> Iterator[Bus]:
    """On Pub/Sub with subscriptions for `CONSUMERS`. Skips the test where the kind cannot run."""
    if kind == "log":
        yield LogBus(folder / "bus")
    elif kind == "memory":
        yield MemoryBus()
    elif kind == "pubsub":
        from backbone.bus.emulator import Emulator

        emulator = Emulator().start()
        try:
            with _pubsub(emulator.endpoint) as bus:
                yield bus
        finally:
            emulator.stop()
    elif kind == "pstest":
        with _pstest() as endpoint, _pubsub(endpoint) as bus:
            yield bus
    else:
        project = os.environ.get("SNOWMELT_GCP_PROJECT")
        if not project:
            pytest.skip("SNOWMELT_GCP_PROJECT is not set")
        with _pubsub(None, project) as bus:
            yield bus


@contextmanager
def _pubsub(endpoint: str | None, project: str = "test") -> Iterator[Bus]:
    from google.api_core.exceptions import GoogleAPICallError

    from backbone.bus.pubsub import PubSubBus
    from backbone.bus.pubsub_topics import Names, topic_of

    names = Names(project, f"snowmelt-test-{uuid.uuid4().hex[:8]}-" if endpoint is None else "")
    bus = PubSubBus(names, endpoint, create=True, deadline=_DEADLINE, consumers=CONSUMERS)
    try:
        yield bus
    finally:
        if endpoint is None:
            subscriptions = {names.subscription(topic_of(s), c) for c, streams in CONSUMERS.items() for s in streams}
            for name in (*subscriptions, names.dead_letters_keeper()):
                bus._channel.subscriptions.delete_subscription(request={"subscription": name})
            for topic in (names.dead_letters(), *map(names.topic, ("raw", "enriched", "failed", "bad"))):
                try:
                    bus._channel.topics.delete_topic(request={"topic": topic})
                except GoogleAPICallError as problem:
                    print(f"{topic} is left behind: {problem.message}")
        bus.close()


@contextmanager
def _pstest() -> Iterator[str]:
    """Endpoint of Google's own server for tests, built from the Go module where that is possible."""
    process = subprocess.Popen([_built_pstest()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


_built: list[Path | str] = []
"""The program, or the reason why there is none: tried once."""


def _built_pstest() -> Path:
    if not _built:
        _built.append(_build_pstest())
    found = _built[0]
    if isinstance(found, str):
        pytest.skip(found)
    return found


def _build_pstest() -> Path | str:
    go = shutil.which("go")
    if go is None:
        return "Go is not installed"
    version = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(int(part) for part in version.removeprefix("go").split(".")[:2]) < _OLDEST_GO:
        return f"{version} is older than 1.24"
    target = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "snowmelt-tests"
    work = target / "pstest-source"
    work.mkdir(parents=True, exist_ok=True)
    for name in ("main.go", "go.mod"):
        shutil.copyfile(_PSTEST / name, work / name)
    # go.sum is made anew: the checksums are asked for, and checked, where the modules come from.
    done = subprocess.run(
        [go, "build", "-mod=mod", "-o", str(target / "pstest"), "."],
        cwd=work,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "GOTOOLCHAIN": "local"},
    )
    if done.returncode:
        return f"pstest cannot be built here: {' '.join(done.stderr.split())[-200:]}"
    return target / "pstest"
