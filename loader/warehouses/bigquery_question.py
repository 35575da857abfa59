"""One reading statement in BigQuery's SQL, as somebody typed it."""

from collections.abc import Iterator
from typing import Any

from google.api_core import exceptions
from google.cloud import bigquery

from loader.settings import WarehouseSettings
from loader.warehouses.bigquery_access import Access, message_of, place_of
from loader.warehouses.bigquery_client import BigQueryRefused, told

_PAGE = 1000


class Question(Access):
    """Its answer: `columns`, and rows of Python values; iterate once.

    Raises BigQueryRefused, whose text quotes the statement at most; BigQueryUnavailable; ConfigurationError without dataset.
    """

    def __init__(self, settings: WarehouseSettings, statement: str, most_bytes: int | None) -> None:
        """`most_bytes`: what BigQuery may bill for it."""
        super().__init__(place_of(settings))
        try:
            self.find_dataset()
            self._rows = self._answer(statement, most_bytes)
        except BaseException:
            self.close()
            raise
        self.columns = tuple(field.name for field in self._rows.schema)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        with told("the statement"):
            for row in self._rows:
                yield row.values()

    def _answer(self, statement: str, most_bytes: int | None) -> Any:
        config = bigquery.QueryJobConfig(default_dataset=str(self.place))
        if most_bytes is not None:
            config.maximum_bytes_billed = most_bytes
        with told("the statement"):
            try:
                if self._kind(statement, config) != "SELECT":
                    raise BigQueryRefused("only reading is possible here: one SELECT")
                return self._rest.query_and_wait(
                    statement, job_config=config, location=self.place.location, retry=self._retry, page_size=_PAGE
                )
            except (exceptions.BadRequest, exceptions.NotFound) as problem:
                raise BigQueryRefused(" ".join(message_of(problem).split())) from None

    def _kind(self, statement: str, config: bigquery.QueryJobConfig) -> str | None:
        """Told by a dry run, which costs nothing."""
        looking = bigquery.QueryJobConfig(default_dataset=config.default_dataset, dry_run=True, use_query_cache=False)
        kind: str | None = self._rest.query(statement, looking, location=self.place.location, retry=self._retry).statement_type
        return kind
