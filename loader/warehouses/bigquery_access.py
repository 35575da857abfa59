"""BigQuery as commands use it, beside the loader: long results page by page, statements that change rows, and what they may not.

Several statements that belong together are one transaction: all of them or none, seeing one state of all tables.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from google.api_core import exceptions
from google.cloud import bigquery

from backbone.errors import ConfigurationError, Fault
from loader.settings import WarehouseSettings
from loader.warehouses.bigquery_client import BigQueryRefused, Parameter, Place, Session, query_parameters, told

_PAGE = 500
_USUAL_TRAVEL_HOURS = 168
FAIL_SAFE_DAYS = 7
"""For so long after the time travel window Google itself can bring deleted rows back."""


class TooFresh(BigQueryRefused):
    """Rows that were streamed just now cannot be changed yet."""


class Access(Session):
    def pages(self, sql: str, page: int = _PAGE, **parameters: Parameter) -> Iterator[Any]:
        """Rows, so many in memory at a time."""
        with told("a query"):
            found = self._asked(sql, page, **parameters)
            yield from found

    def change(self, sql: str, **parameters: Parameter) -> int:
        """Number of rows the statement changed. Raises TooFresh."""
        with told("a change of rows"), _fresh_rows_told():
            return self._asked(sql, None, **parameters).num_dml_affected_rows or 0

    def transaction(self, *statements: str, **parameters: Parameter) -> None:
        """All of them or none. Raises TooFresh."""
        sql = ";\n".join(("BEGIN TRANSACTION", *statements, "COMMIT TRANSACTION")) + ";"
        with told("a change of rows"), _fresh_rows_told():
            self._asked(sql, None, **parameters)

    def looked_at(self, sql: str, **parameters: Parameter) -> tuple[str, list[tuple[str, str]]]:
        """(kind of statement, its columns with their types), without running it. Raises BigQueryRefused with what is wrong."""
        config = bigquery.QueryJobConfig(query_parameters=query_parameters(parameters), dry_run=True, use_query_cache=False)
        with told("a query"):
            try:
                job = self._rest.query(sql, job_config=config, location=self.place.location, retry=self._retry, timeout=30)
            except exceptions.BadRequest as problem:  # nothing was read: its text quotes the statement only
                raise BigQueryRefused(_first_line(problem)) from None
            return job.statement_type or "", [(field.name, field.field_type) for field in job.schema or ()]

    def exists(self, table: str) -> bool:
        return self.table(table) is not None

    def recoverable(self) -> timedelta:
        """How long deleted rows can still be read by time travel."""
        with told("reading the dataset"):
            hours = self._rest.get_dataset(str(self.place), retry=self._retry, timeout=30).max_time_travel_hours
        return timedelta(hours=int(hours or _USUAL_TRAVEL_HOURS))

    def _asked(self, sql: str, page: int | None, **parameters: Parameter) -> Any:
        config = bigquery.QueryJobConfig(query_parameters=query_parameters(parameters))
        return self._rest.query_and_wait(
            sql, job_config=config, location=self.place.location, retry=self._retry, api_timeout=60, page_size=page
        )


def place_of(settings: WarehouseSettings) -> Place:
    """Raises ConfigurationError."""
    if not settings.project or not settings.dataset:
        raise ConfigurationError([Fault("settings", "warehouse", "kind bigquery needs project and dataset")])
    return Place(settings.project, settings.dataset, settings.location, settings.endpoint, settings.write_endpoint)


def open_access(settings: WarehouseSettings) -> Access:
    """Raises ConfigurationError when there is no such dataset, BigQueryUnavailable."""
    access = Access(place_of(settings))
    access.find_dataset()
    return access


@contextmanager
def _fresh_rows_told() -> Iterator[None]:
    try:
        yield
    except exceptions.BadRequest as problem:
        if "stream" in str(problem).lower():
            raise TooFresh("rows that were streamed just now cannot be changed yet") from problem
        raise


def _first_line(problem: exceptions.BadRequest) -> str:
    return message_of(problem).splitlines()[0]


def message_of(problem: exceptions.GoogleAPICallError) -> str:
    """BigQuery's own words, without where they came from."""
    said = [error["message"] for error in problem.errors or () if isinstance(error, dict) and error.get("message")]
    return str((said or [problem.message])[0])
