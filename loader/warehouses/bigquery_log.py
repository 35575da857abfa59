"""Tables whose rows change, where fresh rows cannot be changed: a log of rows, and a view of the latest of each key.

Every row has the number of its change, which grows over the whole life of the warehouse. A change counts only once the batch it
belongs to is noted as stored (`loader.warehouses.bigquery_state`); what an interrupted batch has left is taken back by `undo`.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from loader.warehouses.bigquery_client import Session
from loader.warehouses.bigquery_schema import field_of
from loader.warehouses.bigquery_table import GrowingTable
from loader.warehouses.protocol import Leaf, Row, Shape

_OWN: dict[str, Shape] = {"change": Leaf("INT64"), "removed": Leaf("BOOL")}


class Log:
    """`name`: of the view that people query; the table's is `<name>_log`."""

    def __init__(self, session: Session, name: str, key: str, shapes: Mapping[str, Shape], partition: str | None = None) -> None:
        self._session = session
        self._key = key
        self.view = session.quoted(name)
        table = f"{name}_log"
        self._quoted = session.quoted(table)
        fields = [field_of(column, shape) for column, shape in {**_OWN, **shapes}.items()]
        resource: dict[str, Any] = {"tableId": table, "schema": {"fields": fields}, "clustering": {"fields": [key]}}
        if partition is not None:
            resource["timePartitioning"] = {"type": "DAY", "field": partition}
        session.create(resource)
        latest = f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY change DESC) = 1"
        query = f"SELECT * EXCEPT (change, removed) FROM {self._quoted} WHERE TRUE {latest} AND NOT removed"
        session.create({"tableId": name, "view": {"query": query, "useLegacySql": False}})
        self._latest = latest
        self.table = GrowingTable(session, table)
        self.waiting_rows: list[Row] = []

    def put(self, rows: Sequence[Row]) -> None:
        """To be appended by `flush`; a later row of the same key takes the place of an earlier one."""
        self.waiting_rows += [{**row, "removed": False} for row in rows]

    def remove(self, keys: Collection[Any], **more: Any) -> None:
        """`more`: further columns of the row that says so."""
        self.waiting_rows += [{self._key: key, "removed": True, **more} for key in sorted(keys)]

    def flush(self, change: int) -> int:
        """Appends what there is, numbered from `change`; the next free number."""
        rows, self.waiting_rows = self.waiting_rows, []
        for number, row in enumerate(rows, change):
            row["change"] = number
        self.table.append(rows)
        return change + len(rows)

    def forget(self) -> None:
        """The batch is not stored after all."""
        self.waiting_rows = []

    def undo(self, high: int, change: int) -> None:
        """Takes back what came after the change `high`, by changes of the number `change`."""
        run = self._session.query
        ((left,),) = run(f"SELECT COUNT(*) FROM {self._quoted} WHERE change > @high", high=high)
        if not left:
            return
        touched = f"(SELECT {self._key} FROM {self._quoted} WHERE change > @high)"
        before = f"FROM {self._quoted} WHERE change <= @high"
        run(
            f"INSERT INTO {self._quoted} SELECT * REPLACE (@undo AS change) {before} AND {self._key} IN {touched} {self._latest}",
            high=high,
            undo=change,
        )
        run(
            f"INSERT INTO {self._quoted} ({self._key}, change, removed) SELECT DISTINCT {self._key}, @undo, TRUE "
            f"FROM {self._quoted} WHERE change > @high AND {self._key} NOT IN (SELECT {self._key} {before})",
            high=high,
            undo=change,
        )
