"""What the table has no room or no name for: the data goes to one JSON column, whole, and the rest of its row is as usual.

The column holds an object: the column that the data would have had → the event's data, or the list of the entities' data.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from backbone.schema_types import SCHEMA_VERSION
from loader.warehouses.protocol import Leaf, ListOf, Shape

OVERFLOW = "overflow"


class Overflow(NamedTuple):
    """Where data of one schema version goes that has no column. `column`: the one it would have had."""

    column: str
    version: str

    def item(self, data: Any) -> Any:
        """Of an entity: with its version, where there is a place for it."""
        return {**data, SCHEMA_VERSION: self.version} if type(data) is dict else data


def field_count(shapes: Iterable[Shape]) -> int:
    """Fields as BigQuery counts them: columns, and all that is nested in them; a list is no field of its own."""
    return sum(map(_fields, shapes))


def _fields(shape: Shape) -> int:
    if isinstance(shape, Leaf):
        return 1
    if isinstance(shape, ListOf):
        return _fields(shape.element)
    return 1 + sum(map(_fields, shape.fields.values()))
