"""`snowmelt up`: collector, enricher and loader as processes of one supervisor, until Ctrl-C or SIGTERM.

On the way down nothing is left half done: the collector stops accepting, the enricher and then the loader catch up with what
was accepted (within a bound: what is left waits on disk for the next start), and the exit code is 0.
"""

import fcntl
import os
import shlex
import signal
import socket
import threading
import time
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from backbone.errors import SnowmeltError
from snowmelt.options import Config, Data, Port

if TYPE_CHECKING:
    from backbone.bus import Bus
    from backbone.settings import Settings
    from snowmelt.view import View

_TICK = 0.1
_CATCH_UP = 30.0
_STOP = 20.0


class BusKind(StrEnum):
    log = "log"
    pubsub = "pubsub"


def command(
    demo: Annotated[
        bool, typer.Option("--demo", help="Send a small session first, one event of it broken, and show what became of it.")
    ] = False,
    bus: Annotated[
        BusKind | None, typer.Option("--bus", help="What carries records between the services; wins over bus.kind.")
    ] = None,
    emulator: Annotated[
        bool, typer.Option("--emulator", help="With Pub/Sub: run an emulator of it, in memory; it ends with this command.")
    ] = False,
    port: Port = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Run everything on this machine: collector, enricher and loader. Ctrl-C drains and ends."""
    from collector.settings import CollectorSettings
    from snowmelt import configuration, emulation
    from snowmelt.view import View

    if bus is not None:
        os.environ["SNOWMELT_BUS_KIND"] = bus.value  # the services read it too
    settings = configuration.read(config, data, {"collector.port": port})
    if emulator:
        emulation.check(settings)
    flags = [*(["--data", str(data)] if data else []), *(["--config", str(config)] if config else [])]
    collector = settings.section("collector", CollectorSettings)
    if collector.port == 0:
        port = _free_port(collector.host)
        settings = configuration.read(config, data, {"collector.port": port})
    view = View(settings)
    emulated = emulation.bus(settings, view.say) if emulator else nullcontext()
    with emulated as counting, Run(settings, view, flags, port, counting) as run:
        raise typer.Exit(run.until_stopped(demo))


class AlreadyRunning(SnowmeltError):
    """Another `snowmelt up` uses the same data folder."""


class Run:
    """One life of the three services."""

    def __init__(
        self, settings: "Settings", view: "View", flags: list[str], port: int | None, emulated: "Bus | None" = None
    ) -> None:
        """`flags` and `port` are handed on to the services; `emulated`: in place of the bus of the settings."""
        from backbone.bus import open_bus
        from snowmelt.supervisor import Service

        self._settings = settings
        self._view = view
        self._lock = _lock(settings.data.folder)
        self._bus: Bus = emulated or open_bus(settings)
        self._stop = threading.Event()
        self._hurry = threading.Event()
        logs = settings.data.folder / "logs"
        own = ["--port", str(port)] if port is not None else []
        self.collector = Service("collector", ["collect", *own, *flags], logs / "collector.log", view.note)
        self.enricher = Service("enricher", ["enrich", *flags], logs / "enricher.log", view.note)
        self.loader = Service("loader", ["load", *flags], logs / "loader.log", view.note)
        self._services = (self.collector, self.enricher, self.loader)
        self._flags = "".join(f" {shlex.quote(flag)}" for flag in flags)

    def __enter__(self) -> "Run":
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._signalled)
        return self

    def __exit__(self, *_: object) -> None:
        for service in self._services:
            service.stop(_STOP, self._hurry, lambda: None)
        self._view.close()
        self._lock.close()

    def _signalled(self, _number: int, _frame: FrameType | None) -> None:
        (self._hurry if self._stop.is_set() else self._stop).set()

    def until_stopped(self, demo: bool) -> int:
        """0 when stopped by a signal. Raises CannotStart."""
        for service in self._services:
            service.start()
        self._view.begin(self._services, self._bus)
        if self._wait_for_collector():
            self._view.ready()
            if demo:
                self._start_demo()
        while not self._stop.is_set():
            self._tick()
        self._drain()
        return 0

    def _tick(self) -> None:
        for service in self._services:
            service.watch()
        self._view.refresh()
        self._stop.wait(_TICK)

    def _wait_for_collector(self) -> bool:
        while not self._stop.is_set():
            if self._view.collector_answers():
                return True
            self._tick()
        return False

    def _start_demo(self) -> None:
        from snowmelt.demo import Demo

        demo = Demo(self._settings, self._view, self._stop, self._flags)
        threading.Thread(target=demo.run, name="demo", daemon=True).start()

    def _drain(self) -> None:
        self._view.say("Stopping: no new requests; finishing what was accepted (Ctrl-C again: at once) …")
        self.collector.stop(_STOP, self._hurry, self._while_draining)
        self._catch_up("enricher")
        self.enricher.stop(_STOP, self._hurry, self._while_draining)
        self._catch_up("loader")
        self.loader.stop(_STOP, self._hurry, self._while_draining)
        left = self._backlog("enricher") + self._backlog("loader")
        self._view.say(
            "Stopped; nothing is waiting." if not left else f"Stopped; {left} messages wait on disk for the next start."
        )

    def _catch_up(self, name: str) -> None:
        deadline = time.monotonic() + _CATCH_UP
        while self._backlog(name) and time.monotonic() < deadline and not self._hurry.is_set():
            self._while_draining()
            time.sleep(0.05)

    def _while_draining(self) -> None:
        for service in self._services:
            if not self._hurry.is_set():
                service.watch()
        self._view.refresh()

    def _backlog(self, name: str) -> int:
        return self._bus.backlog(name, ["raw"] if name == "enricher" else ["enriched", "failed", "bad", "replayed"])


def _lock(folder: Path) -> TextIO:
    """Held as long as the returned file is open; released by the system however this process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / "up.lock").open("w", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise AlreadyRunning(
            f"another `snowmelt up` is running with {folder}; stop it, or choose another --data folder"
        ) from None
    return file


def _free_port(host: str) -> int:
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        return int(probe.getsockname()[1])
