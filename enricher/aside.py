"""Work done aside, one piece after the other, while who gave it goes on."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class Aside:
    """A thread that does one thing at a time; `at_once`: no thread, who gives the work does it."""

    def __init__(self, at_once: bool) -> None:
        self._pool = None if at_once else ThreadPoolExecutor(1, "store")
        self._under_way: Future[None] | None = None

    def do(self, work: Callable[[], None]) -> None:
        """Begins it once what was given before is done. Raises what that raised."""
        if self._pool is None:
            work()
            return
        self.finish()
        self._under_way = self._pool.submit(work)

    def finish(self) -> None:
        """Waits for what is under way. Raises what it raised."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()

    def close(self) -> None:
        """Waits, whatever comes of it."""
        if self._pool is not None:
            self._pool.shutdown()
