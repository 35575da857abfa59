"""The folder of the embedded log: which logs and files there are, how large, and where its consumers stand."""

from collections.abc import Collection
from pathlib import Path

from backbone.bus import segment
from backbone.bus.cursors import Cursors

_HEAD_SHARE = 0.8


class LogFolder:
    """`max_bytes` bounds all logs together; `segment_bytes` is when a new file is begun (at most a twentieth of the bound).

    `consumers` will come: nothing is deleted before each of them has read it, even if it never was here yet.
    """

    def __init__(self, path: Path, max_bytes: int, segment_bytes: int, consumers: Collection[str]) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.segment_bytes = max(1, min(segment_bytes, max_bytes // 20))
        self.consumers = frozenset(consumers)

    @property
    def head_bytes(self) -> int:
        """What producers without input (collector, replay) may fill: the rest stays for those that drain them."""
        return int(self.max_bytes * _HEAD_SHARE)

    def logs(self) -> list[str]:
        try:
            return sorted(entry.name for entry in self.path.iterdir() if entry.is_dir())
        except FileNotFoundError:
            return []

    def acknowledged(self) -> dict[str, dict[str, int]]:
        """Consumer → log → offset up to which it is done."""
        if not (self.path / Cursors.FILE).exists():
            return {}
        cursors = Cursors(self.path)
        try:
            return cursors.all()
        finally:
            cursors.close()

    def used_bytes(self) -> int:
        return sum(segment.size(path) for log in self.logs() for path in segment.listed(self.path / log))
