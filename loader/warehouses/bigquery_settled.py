"""Up to where the tables are settled: what came later may belong to a batch that was interrupted, and that comes again."""

from typing import NamedTuple

from loader.warehouses.bigquery_access import Access
from loader.warehouses.bigquery_proto import micros_of
from loader.warehouses.bigquery_state import BATCHES


class Settled(NamedTuple):
    """Microseconds since 1970. `change`: of logs, the last that counts. `loaded`: of `events`, rows loaded until then count."""

    change: int
    loaded: int


def settled(access: Access) -> Settled:
    """As of the last batch that was noted."""
    table = access.table(BATCHES)
    columns = set() if table is None else {field.name for field in table.schema}
    if not columns:
        return Settled(0, 0)
    until = "COALESCE(settled, load_tstamp)" if "settled" in columns else "load_tstamp"
    query = f"SELECT change, {until} FROM {access.quoted(BATCHES)} WHERE kind = 'batch' ORDER BY change DESC LIMIT 1"
    for change, text in access.pages(query):
        return Settled(change, micros_of(text) if text else 0)
    return Settled(0, 0)
