"""The connection to BigQuery: queries and tables over REST, a channel for the Storage Write API, and what their errors mean."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import google.auth.exceptions
import grpc
import requests
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1.services.big_query_write import BigQueryWriteClient
from google.cloud.bigquery_storage_v1.services.big_query_write.transports.grpc import BigQueryWriteGrpcTransport

from backbone.errors import ConfigurationError, Fault, TransientError

log = logging.getLogger("snowmelt.loader")

Parameter = int | str | Sequence[str] | Sequence[int]
_RETRIED_FOR = 10.0
"""Seconds a call over REST is repeated within the client, before the batch is tried again as a whole."""
_LARGEST = 64 * 1024 * 1024


class BigQueryUnavailable(TransientError):
    """BigQuery did not answer, has no quota left, or does not let this account in at the moment."""


class BigQueryRefused(Exception):
    """BigQuery will not do that, however often it is asked. Its text holds no data."""


@dataclass(frozen=True, slots=True)
class Place:
    """`endpoint` (URL) and `write_endpoint` (host:port) stand in for Google's own, without credentials: for tests."""

    project: str
    dataset: str
    location: str | None = None
    endpoint: str | None = None
    write_endpoint: str | None = None

    def __str__(self) -> str:
        return f"{self.project}.{self.dataset}"


class Session:
    """For one dataset."""

    def __init__(self, place: Place) -> None:
        """Raises ConfigurationError when no credentials are found."""
        self.place = place
        try:
            self._rest = _rest(place)
            self.write = _write(place)
        except google.auth.exceptions.DefaultCredentialsError as problem:
            fault = Fault("environment", "GOOGLE_APPLICATION_CREDENTIALS", "no credentials for Google Cloud were found")
            raise ConfigurationError([fault]) from problem
        self._retry = bigquery.DEFAULT_RETRY.with_timeout(_RETRIED_FOR)

    @property
    def rest(self) -> bigquery.Client:
        """For questions that the loader does not have, and `snowmelt doctor` has."""
        return self._rest

    def quoted(self, table: str) -> str:
        """For use in SQL."""
        return f"`{self.place.project}.{self.place.dataset}.{table}`"

    def path(self, table: str) -> str:
        """For the Storage Write API."""
        return f"projects/{self.place.project}/datasets/{self.place.dataset}/tables/{table}"

    def query(self, sql: str, **parameters: Parameter) -> list[Any]:
        """Rows (tuples that know their columns' names)."""
        config = bigquery.QueryJobConfig(query_parameters=query_parameters(parameters))
        with told("a query"):
            return list(
                self._rest.query_and_wait(sql, job_config=config, location=self.place.location, retry=self._retry, api_timeout=60)
            )

    def find_dataset(self) -> None:
        """Raises ConfigurationError if it is not there."""
        with told("reading the dataset"):
            try:
                self._rest.get_dataset(str(self.place), retry=self._retry, timeout=30)
            except exceptions.NotFound as problem:
                fault = Fault("settings", "warehouse.dataset", f"there is no dataset {self.place}: make it, or correct the name")
                raise ConfigurationError([fault]) from problem

    def table(self, name: str) -> bigquery.Table | None:
        with told(f"reading the table {name}"):
            try:
                return self._rest.get_table(f"{self.place}.{name}", retry=self._retry, timeout=30)
            except exceptions.NotFound:
                return None

    def create(self, resource: Mapping[str, Any]) -> None:
        """`resource`: as the REST interface spells a table, without reference. One that is there already stays as it is."""
        reference = {"projectId": self.place.project, "datasetId": self.place.dataset, "tableId": resource["tableId"]}
        rest = {name: value for name, value in resource.items() if name != "tableId"}
        table = bigquery.Table.from_api_repr({"tableReference": reference, **rest})
        with told(f"making the table {resource['tableId']}"):
            self._rest.create_table(table, exists_ok=True, retry=self._retry, timeout=30)

    def alter(self, table: bigquery.Table, fields: Sequence[Mapping[str, Any]]) -> bool:
        """Gives it these columns. False when somebody else has changed the table since it was read."""
        table.schema = [bigquery.SchemaField.from_api_repr(dict(field)) for field in fields]
        with told(f"changing the table {table.table_id}"):
            try:
                self._rest.update_table(table, ["schema"], retry=self._retry, timeout=30)
            except exceptions.PreconditionFailed:
                return False
        return True

    def close(self) -> None:
        self.write.transport.close()  # type: ignore[no-untyped-call]
        self._rest.close()  # type: ignore[no-untyped-call]


@contextmanager
def told(what: str) -> Iterator[None]:
    """Errors of Google's libraries become BigQueryUnavailable or BigQueryRefused."""
    try:
        yield
    except (exceptions.BadRequest, exceptions.NotFound, exceptions.Conflict) as problem:
        raise BigQueryRefused(f"{what} was refused: {reason_of(problem)}") from problem
    except exceptions.GoogleAPIError as problem:
        raise BigQueryUnavailable(f"{what} did not work: {reason_of(problem)}") from problem
    except (requests.RequestException, google.auth.exceptions.GoogleAuthError, OSError) as problem:
        raise BigQueryUnavailable(f"{what} did not work: {type(problem).__name__}") from problem


def reason_of(problem: Exception) -> str:
    """The kind of an error, and BigQuery's word for it; not the message, which may quote values."""
    errors = getattr(problem, "errors", None) or ()
    words = [error["reason"] for error in errors if isinstance(error, dict) and "reason" in error]
    return " ".join((type(problem).__name__, *words))


def query_parameters(values: Mapping[str, Parameter]) -> list[Any]:
    return [_parameter(name, value) for name, value in values.items()]


def _parameter(name: str, value: Parameter) -> Any:
    if isinstance(value, str):
        return bigquery.ScalarQueryParameter(name, "STRING", value)
    if isinstance(value, int):
        return bigquery.ScalarQueryParameter(name, "INT64", value)
    return bigquery.ArrayQueryParameter(name, "INT64" if value and isinstance(value[0], int) else "STRING", list(value))


def _rest(place: Place) -> bigquery.Client:
    if place.endpoint is None:
        return bigquery.Client(project=place.project, location=place.location)
    options = ClientOptions(api_endpoint=place.endpoint)
    return bigquery.Client(
        project=place.project,
        location=place.location,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options=options,
    )


def _write(place: Place) -> BigQueryWriteClient:
    if place.write_endpoint is None:
        return BigQueryWriteClient()
    options = [("grpc.max_receive_message_length", _LARGEST), ("grpc.max_send_message_length", _LARGEST)]
    channel = grpc.insecure_channel(place.write_endpoint, options)
    return BigQueryWriteClient(transport=BigQueryWriteGrpcTransport(channel=channel))
