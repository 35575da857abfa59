"""The collector as a process."""

import gc
import logging
import resource
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import metadata
from types import FrameType
from typing import Any, cast

import uvicorn

from backbone.bus import open_bus
from backbone.errors import ConfigurationError, Fault
from backbone.settings import Settings
from collector.app import Collector
from collector.connection import Connection, Policy
from collector.packing import packing
from collector.settings import CollectorSettings

log = logging.getLogger("snowmelt.collector")
_BACKLOG = 2048
_SPARE_FILES = 64


def run(settings: Settings) -> int:
    """Serves until SIGTERM or SIGINT, then drains. Raises ConfigurationError, BusUnavailable before it listens."""
    options = settings.section("collector", CollectorSettings)
    bus = open_bus(settings)
    options = options.fitting(bus.largest_record)
    listener = _listen(options)
    try:
        publisher = bus.publisher("collector")
        if settings.bus.kind == "pubsub":
            publisher = packing(publisher, settings.bus.compression)
        name = options.name or f"snowmelt-{metadata.version('snowmelt')}-{settings.bus.kind}"
        serve(options, Collector(options, name, publisher, bus.commits_at_once), listener)
    finally:
        listener.close()
    return 0


def serve(options: CollectorSettings, collector: Collector, listener: socket.socket) -> None:
    """Blocks until told to stop. Closes the publisher of `collector`."""
    _warn(options)
    _allow_files(options.limits.connections)
    server = Server(options, collector)
    gc.freeze()
    gc.enable()
    server.run([listener])
    log.info("collector stopped")


def _config(options: CollectorSettings, collector: Collector) -> uvicorn.Config:
    """Raises ConfigurationError."""
    policy = Policy(options.limits, options.timeouts, collector.cors, collector.pages.always)
    config = uvicorn.Config(
        cast(Any, collector),
        http=cast(Any, partial(Connection, policy)),
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=cast(int, options.timeouts.idle),
        timeout_graceful_shutdown=cast(int, options.timeouts.drain),
        ssl_certfile=options.tls.certificate,
        ssl_keyfile=options.tls.key,
    )
    try:
        config.load()
    except OSError as problem:
        raise ConfigurationError([Fault("", "collector.tls", f"certificate or key cannot be used: {problem}")]) from None
    return config


def _listen(options: CollectorSettings) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            with suppress(OSError):
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try:
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
        return listener
    except OSError as problem:
        where = f"{options.host}:{options.port}"
        raise ConfigurationError([Fault("", "collector.port", f"cannot listen on {where}: {problem.strerror}")]) from None


def _warn(options: CollectorSettings) -> None:
    """Settings that have no effect are no faults: configurations of others hold such."""
    for path, target in options.paths.items():
        if path.count("/") != 2 or not path.startswith("/"):
            log.warning("collector.paths: %s never matches: it must be /vendor/version", path)
        if not target.startswith("/"):
            log.warning("collector.paths: %s leads to %r, which no enricher knows: it must begin with /", path, target)
    redirecting = options.redirects.enabled or any(target.startswith("/r/") for target in options.paths.values())
    if redirecting and not options.redirects.domains:
        log.warning("collector.redirects.domains is empty: every redirect is answered with 400")


def _allow_files(connections: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _SPARE_FILES
    if soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


class Server(uvicorn.Server):
    """Stops on a signal with exit code 0; until the last moment /health says so."""

    def __init__(self, options: CollectorSettings, collector: Collector) -> None:
        super().__init__(_config(options, collector))
        self._collector = collector
        self._ticks_left = round(options.timeouts.pre_stop * 10)
        self._scheme = "https" if options.tls.certificate else "http"

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            host, port, *_ = listener.getsockname()
            log.info("collector listening on %s://%s:%d", self._scheme, f"[{host}]" if ":" in host else host, port)

    async def on_tick(self, counter: int) -> bool:
        stop = await super().on_tick(counter)
        if stop and self._ticks_left > 0 and not self.force_exit:
            self._ticks_left -= 1
            return False
        return stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self._collector.pages.stopping and sig == signal.SIGINT
        self.stop()

    def stop(self) -> None:
        """What a signal does; from any thread."""
        self._collector.pages.stopping = self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
