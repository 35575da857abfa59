"""Where a consumer's count of a log begins: what was there before it counted, so that its numbers can be held against the bus's.

Counting begins in the middle of a log when the program that reads it did not count before, or when the log was made anew.
"""

from collections.abc import Collection, Mapping

from backbone.bus.protocol import Bus, Positions, Stream

EVENTS, PAYLOADS = "events", "payloads "
"""Counters of a producer that makes events of payloads; the second is followed by the log they were read from."""


def openings(bus: Bus, positions: Positions, counting: Collection[str]) -> dict[str, Mapping[Stream, int]]:
    """Log → records of each stream that a consumer at `positions` has left behind, for logs to be counted from now on.

    `counting`: logs whose count goes on. One of them that now begins after the consumer's position is another log of that name.
    """
    result: dict[str, Mapping[Stream, int]] = {}
    for log, extent in bus.extents().items():
        at = positions.get(log, 0)
        if log in counting and at >= extent.begun - 1:
            continue
        before = bus.counted(log, max(at, extent.kept - 1))
        if before is not None:
            result[log] = before
    return result
