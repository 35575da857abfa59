"""A bound on what requests may hold in memory, all together."""


class Memory:
    """Bytes of requests being read or waiting to be stored."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0

    def take(self, size: int) -> bool:
        """False where the limit would be passed; then nothing was taken. What is alone always finds room."""
        if self._used and self._used + size > self._limit:
            return False
        self._used += size
        return True

    def give_back(self, size: int) -> None:
        self._used -= size
