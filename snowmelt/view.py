"""What `snowmelt up` shows: a live table on a terminal, plain lines elsewhere (logs, CI, pipes)."""

import http.client
import ssl
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from backbone.bus.protocol import Stream
from collector.settings import CollectorSettings

if TYPE_CHECKING:
    from backbone.bus import Bus
    from backbone.settings import Settings
    from snowmelt.supervisor import Service

_COUNT_EVERY = 0.5
_LINE_EVERY = 2.0
_NOTES = 6
_WIDTH_OF_LOGS = 140
_QUEUES: tuple[tuple[str, Stream], ...] = (("enricher", "raw"), ("loader", "enriched"), ("loader", "bad"))
"""(consumer, stream) whose backlog is shown. `failed` is the twin of `bad` and would count an event twice."""
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


class View:
    """Thread-safe: the demo speaks from a thread of its own."""

    def __init__(self, settings: "Settings") -> None:
        collector = settings.section("collector", CollectorSettings)
        host = _ANY_ADDRESS.get(collector.host, collector.host)
        self._address = f"[{host}]:{collector.port}" if ":" in host else f"{host}:{collector.port}"
        self._secure = collector.tls.certificate is not None
        self.console = Console()
        if not self.console.is_terminal:
            self.console = Console(width=_WIDTH_OF_LOGS)
        self._lock = threading.RLock()
        self._notes: deque[str] = deque(maxlen=_NOTES)
        self._live: Live | None = None
        self._services: Sequence[Service] = ()
        self._bus: Bus | None = None
        self._counted = self._printed = 0.0
        self._line = self._last_line = ""
        self._done: Mapping[str, str] = {}
        self._waiting: Mapping[str, int] = {}

    @property
    def url(self) -> str:
        """The collector's, as seen from this machine."""
        return f"{'https' if self._secure else 'http'}://{self._address}"

    def collector_answers(self) -> bool:
        """Whether its health route says so. Its certificate is not checked: it is our own process."""
        connection = (
            http.client.HTTPSConnection(self._address, timeout=1, context=ssl._create_unverified_context())
            if self._secure
            else http.client.HTTPConnection(self._address, timeout=1)
        )
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def begin(self, services: "Sequence[Service]", bus: "Bus") -> None:
        self._services, self._bus = services, bus
        if self.console.is_terminal:
            self._live = Live(self._table(), console=self.console, refresh_per_second=4, transient=False)
            self._live.start()
        else:
            for service in services:
                pid = service.process.pid if service.process else "-"
                self.say(f"{service.name}: started (pid {pid}, log {service.log})")

    def ready(self) -> None:
        self.say(f"Collector: {self.url}")

    def note(self, service: str, text: str) -> None:
        """Something about a service that the user should know."""
        with self._lock:
            self._notes.append(f"{service}: {text}")
            if self._live is None:
                self.say(f"{service}: {text}")

    def say(self, text: str) -> None:
        self.show(Text(text))

    def show(self, *parts: RenderableType) -> None:
        with self._lock:
            for part in parts:
                # What is to be copied must not be broken by us: the terminal wraps it.
                unbroken = isinstance(part, Text) and (part.no_wrap or not self.console.is_terminal)
                self.console.print(part, soft_wrap=bool(unbroken))
            self.console.file.flush()

    def refresh(self) -> None:
        """Called several times a second; counts at most every half second."""
        now = time.monotonic()
        if self._bus is None or now - self._counted < _COUNT_EVERY:
            return
        self._counted = now
        self._count(self._bus)
        if self._live is not None:
            self._live.update(self._table())
        elif now - self._printed >= _LINE_EVERY and self._line != self._last_line:
            self._printed, self._last_line = now, self._line
            self.say(self._line)

    def _count(self, bus: "Bus") -> None:
        totals = bus.totals()
        raw, enriched, bad = (bus.backlog(who, [stream]) for who, stream in _QUEUES)
        self._waiting = {"enricher": raw, "loader": enriched + bad}
        self._done = {
            "collector": f"{totals['raw']} requests",
            "enricher": f"{totals['enriched']} events, {totals['bad']} failed",
            "loader": f"{totals['enriched'] - enriched} events, {totals['bad'] - bad} failed",
        }
        self._line = "; ".join(
            f"{name}: {done}" + (f" ({self._waiting[name]} waiting)" if self._waiting.get(name) else "")
            for name, done in self._done.items()
        )

    def _table(self) -> RenderableType:
        table = Table(title=f"Snowmelt at {self.url}", title_justify="left", expand=False)
        for heading in ("Stage", "State", "Done", "Waiting"):
            table.add_column(heading, justify="right" if heading == "Waiting" else "left")
        for service in self._services:
            style = "green" if service.state == "running" else "yellow"
            waiting = str(self._waiting.get(service.name, ""))
            table.add_row(service.name, Text(service.state, style), self._done.get(service.name, ""), waiting)
        hints = [] if all(service.state == "stopped" for service in self._services) else [Text("Ctrl-C stops", "dim")]
        return Group(table, *(Text(note, "yellow") for note in self._notes), *hints)

    def close(self) -> None:
        if self._live is not None:
            self._live.update(self._table())
            self._live.stop()
            self._live = None
