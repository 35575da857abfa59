"""What `snowmelt sql` asks where BigQuery is the warehouse."""

from collections.abc import Callable, Iterator
from typing import Any

from loader.settings import WarehouseSettings
from snowmelt.sql import Refused, as_json


class FromBigQuery:
    """As `snowmelt.sql.Answer`. JSON is parsed by Google's client already."""

    def __init__(self, settings: WarehouseSettings, statement: str, max_bytes: int | None) -> None:
        from loader.warehouses.bigquery_client import BigQueryRefused
        from loader.warehouses.bigquery_question import Question

        if not statement.strip():
            raise Refused("the statement is empty")
        self._refusal = BigQueryRefused
        try:
            self._question = Question(settings, statement, max_bytes)
        except BigQueryRefused as problem:
            raise Refused(str(problem)) from None
        self.columns = self._question.columns
        self.forms: tuple[Callable[[Any], Any], ...] = (as_json,) * len(self.columns)

    def __enter__(self) -> "FromBigQuery":
        return self

    def __exit__(self, *_: object) -> None:
        self._question.close()

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._question
        except self._refusal as problem:
            raise Refused(str(problem)) from None
