"""The failed events that a replay takes from BigQuery. One query for all of them, its result fetched page by page."""

from collections.abc import Iterator
from typing import Any

from backbone import jsontext
from backbone.errors import ConfigurationError, Fault
from loader.replay_selection import Failure, Position, Selection, left
from loader.settings import WarehouseSettings
from loader.warehouses.bigquery_access import open_access
from loader.warehouses.bigquery_client import BigQueryRefused, BigQueryUnavailable
from loader.warehouses.ducklake_catalog import NoWarehouse

_COLUMNS = "failure_key, event_id, stage, kind, schema, reason, attempts, original, enriched_line"
_WHERE = ("command line", "--where")


class Selected:
    """The selected rows. Raises NoWarehouse, BigQueryUnavailable, and ConfigurationError for a condition that is none."""

    def __init__(self, settings: WarehouseSettings, selection: Selection) -> None:
        self._access = open_access(settings)
        self._selection = selection
        self._failed = self._access.quoted("failed_events")
        try:
            if not self._access.exists("failed_events"):
                raise NoWarehouse(f"no warehouse in {self._access.place} yet: nothing has been loaded")
            if selection.where is not None:
                self._check(selection.where)
        except BaseException:
            self._access.close()
            raise

    def count(self, position: Position) -> int:
        condition, values = self._condition(position)
        ((found,),) = self._rows(f"SELECT COUNT(*) FROM {self._failed} WHERE {condition}", values)
        most = left(self._selection, position)
        return int(found) if most is None else min(found, most)

    def rows(self, position: Position) -> Iterator[Failure]:
        condition, values = self._condition(position)
        most = left(self._selection, position)
        limit = "" if most is None else f" LIMIT {most}"
        query = f"SELECT {_COLUMNS} FROM {self._failed} WHERE {condition} ORDER BY failure_key{limit}"
        for row in self._rows(query, values):
            yield Failure(*row)

    def positions(self) -> dict[str, int]:
        batches = self._access.quoted("loader_batches")
        query = f"SELECT positions FROM {batches} WHERE kind = 'batch' ORDER BY change DESC LIMIT 1"
        found: dict[str, int] = {}
        for (positions,) in self._rows(query, {}):
            found, _ = jsontext.loads(positions)
        return found

    def awaiting(self) -> set[str]:
        replayed = self._access.quoted("replayed_events")
        query = (
            f"SELECT DISTINCT f.failure_key FROM {replayed} r JOIN {self._failed} f ON f.failure_key = r.failure_key"
            " WHERE r.sent_tstamp > f.load_tstamp"
        )
        return {row[0] for row in self._rows(query, {})}

    def sent_by(self, replay_id: str) -> set[str]:
        replayed = self._access.quoted("replayed_events")
        query = f"SELECT failure_key FROM {replayed} WHERE replay_id = @replay_id"
        return {row[0] for row in self._rows(query, {"replay_id": replay_id})}

    def close(self) -> None:
        self._access.close()

    def _rows(self, query: str, values: dict[str, Any]) -> Iterator[Any]:
        try:
            yield from self._access.pages(query, **values)
        except BigQueryRefused as problem:
            raise self._explained(problem) from None

    def _explained(self, problem: BigQueryRefused) -> Exception:
        """A condition that a row's data breaks, such as a cast: BigQuery would quote the data."""
        if self._selection.where is None:
            return BigQueryUnavailable(f"failed events cannot be read: {problem}")
        told = f"it fails on the data of a row, or BigQuery refuses it ({problem}); SAFE_CAST gives null instead"
        return ConfigurationError([Fault(*_WHERE, told)])

    def _check(self, condition: str) -> None:
        """BigQuery's own parser decides what the text is. A guard against accidents: whoever runs the command may read all."""
        kind = self._kind(f"(\n{condition}\n)")
        if kind not in ("BOOL", "BOOLEAN"):
            raise ConfigurationError([Fault(*_WHERE, f"it is not true or false, but {kind}")])
        self._kind(_whole(condition))

    def _kind(self, expression: str) -> str:
        """Its type, where it stands for one column of a query."""
        try:
            statement, columns = self._access.looked_at(f"SELECT {expression} AS wanted FROM {self._failed}")
        except BigQueryRefused as problem:
            raise ConfigurationError([Fault(*_WHERE, str(problem))]) from None
        if statement != "SELECT" or [name for name, _ in columns] != ["wanted"]:
            raise ConfigurationError([Fault(*_WHERE, "it is more than one expression")])
        return columns[0][1]

    def _condition(self, position: Position) -> tuple[str, dict[str, Any]]:
        """(SQL, values of its parameters)."""
        chosen, began = self._selection, position.began
        given: list[tuple[str, str, Any]] = [
            ("load_tstamp <= TIMESTAMP(@began)", "began", None if began is None else began.isoformat()),
            ("failure_key > @after", "after", position.after or None),
            (f"{_FAILED_AT} >= TIMESTAMP(@since)", "since", None if chosen.since is None else chosen.since.isoformat()),
            (f"{_FAILED_AT} < TIMESTAMP(@until)", "until", None if chosen.until is None else chosen.until.isoformat()),
            ("STARTS_WITH(schema, @schema)", "schema", chosen.schema),
            ("(kind = @reason OR STRPOS(LOWER(reason), LOWER(@reason)) > 0)", "reason", chosen.reason),
            ("kind = @kind", "kind", chosen.kind),
            ("app_id = @app", "app", chosen.app),
        ]
        parts = ["TRUE", *(sql for sql, _, value in given if value is not None)]
        if chosen.where is not None:
            parts.append(_whole(chosen.where))
        return " AND ".join(parts), {name: value for _, name, value in given if value is not None}


_FAILED_AT = "COALESCE(failed_tstamp, load_tstamp)"


def _whole(condition: str) -> str:
    """On lines of its own, so that a comment hides nothing of ours; as an argument, so that a bracket too many is an error."""
    return f"IF(\n{condition}\n, TRUE, FALSE)"
