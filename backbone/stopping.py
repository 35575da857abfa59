"""How a service learns that it shall end, and by when."""

import logging
import os
import signal
import sys
import threading
import time
from types import FrameType

log = logging.getLogger("snowmelt.service")


class Stop(threading.Event):
    """Set once the service shall end. Services look at it between steps, so it also knows when the last step ended."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = time.monotonic()

    def is_set(self) -> bool:
        self._asked = time.monotonic()
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        self._asked = time.monotonic()
        try:
            return super().wait(timeout)
        finally:
            self._asked = time.monotonic()

    def unasked_for(self) -> float:
        """Seconds since the service looked."""
        return time.monotonic() - self._asked


def on_signals(longest: float | None = None) -> Stop:
    """A flag that SIGTERM and SIGINT set from now on. For the main thread.

    `longest`: seconds after which the process ends whatever it is doing. That is no failure, nor worse than a kill: what was in
    hand was not acknowledged, and comes again.
    """
    stop = Stop()
    told, tell = os.pipe()

    def hand_on(_number: int, _frame: FrameType | None) -> None:
        """Runs between any two steps of the main thread, which may hold the very lock that `set` needs: another thread sets."""
        os.write(tell, b".")

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, hand_on)
    threading.Thread(target=_follow, args=(told, stop, longest), name="stopping", daemon=True).start()
    return stop


def _follow(told: int, stop: Stop, longest: float | None) -> None:
    os.read(told, 1)
    stop.set()
    if longest is None:
        return
    time.sleep(longest)
    log.warning("not done %.1f s after it was told to stop: it ends now, and what was in hand comes again", longest)
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)
