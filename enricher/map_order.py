"""The order in which Snowplow Enrich walks a request's parameters: that of an immutable Scala 2.12 map.

Up to four entries keep their order; more lie in a trie by five bits of a mixed hash at a time. It shows in what failed events
carry, and matters to those who compare them.
"""

from collections.abc import Collection

_MASK = 0xFFFFFFFF
_SMALL = 4


def map_order(names: Collection[str]) -> list[str]:
    """The names, distinct, as such a map holding exactly them lists them."""
    return list(names) if len(names) <= _SMALL else sorted(names, key=_place)


def _place(name: str) -> tuple[int, ...]:
    mixed = _mixed(_hash(name))
    return tuple((mixed >> bits) & 31 for bits in range(0, 35, 5))


def _hash(name: str) -> int:
    """java.lang.String.hashCode, unsigned."""
    units = name.encode("utf-16-be", "surrogatepass")
    value = 0
    for high, low in zip(units[::2], units[1::2], strict=True):
        value = (31 * value + (high << 8 | low)) & _MASK
    return value


def _mixed(value: int) -> int:
    value = (value + (~(value << 9) & _MASK)) & _MASK
    value ^= value >> 14
    value = (value + (value << 4)) & _MASK
    return value ^ (value >> 10)
