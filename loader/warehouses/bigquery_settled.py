"""Up to where the tables are settled: what came later may belong to a batch that was interrupted, and that comes again."""

from datetime import datetime
from typing import NamedTuple

from loader.warehouses.bigquery_access import Access
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
        return Settled(change, _micros(text))
    return Settled(0, 0)


def _micros(text: str | None) -> int:
    """Of `yyyy-MM-dd HH:mm:ss.SSS`, UTC."""
    return round(datetime.fromisoformat(f"{text}+00:00").timestamp() * 1_000_000) if text else 0
