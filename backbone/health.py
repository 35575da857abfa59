"""`GET /health` of the services that serve no requests: whether they still go from step to step.

Told by the flag they look at between steps (`backbone.stopping`). A service that waits for a registry, the bus or the warehouse
looks at it too, and is well: starting it anew would help nobody.
"""

import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from backbone.errors import ConfigurationError, Fault
from backbone.settings import ServiceSettings
from backbone.stopping import Stop

log = logging.getLogger("snowmelt.service")


def serve(settings: ServiceSettings, stop: Stop) -> int | None:
    """Answers until the process ends; the port, None without one in the settings. Raises ConfigurationError."""
    if settings.health_port is None:
        return None
    handler = type("Handler", (_Handler,), {"stop": stop, "stuck_seconds": settings.stuck_seconds})
    try:
        server = ThreadingHTTPServer((settings.health_host, settings.health_port), handler)
    except OSError as problem:
        where = f"{settings.health_host}:{settings.health_port}"
        text = f"cannot listen on {where}: {problem.strerror}"
        raise ConfigurationError([Fault("", "service.health_port", text)]) from None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    log.info("health: http://%s:%d/health", settings.health_host, server.server_port)
    return server.server_port


class _Handler(BaseHTTPRequestHandler):
    stop: Stop
    stuck_seconds: float
    timeout = 5.0  # of a client that sends nothing

    def do_GET(self) -> None:
        status, text = self._state()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_HEAD = do_GET

    def _state(self) -> tuple[int, bytes]:
        if self.path.partition("?")[0] != "/health":
            return 404, b"Not found"
        return (200, b"ok") if self.stop.unasked_for() < self.stuck_seconds else (503, b"Service Unavailable")

    def version_string(self) -> str:
        return "snowmelt"

    def log_message(self, format: str, *args: object) -> None:
        """Probes come every few seconds."""
