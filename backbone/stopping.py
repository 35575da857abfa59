"""How a service learns that it shall end."""

import signal
from threading import Event


def on_signals() -> Event:
    """A flag that SIGTERM and SIGINT set from now on. For the main thread."""
    flag = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: flag.set())
    return flag
