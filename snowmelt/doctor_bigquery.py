"""BigQuery: are dataset and tables there and of the right form, and may we use them?"""

import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

import google.auth.exceptions
from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.cloud import bigquery

from loader.warehouses.bigquery_atomic import EVENTS, differences
from loader.warehouses.bigquery_client import BigQueryRefused, BigQueryUnavailable, Session
from loader.warehouses.bigquery_failed import FAILED
from loader.warehouses.bigquery_removals import REMOVALS
from loader.warehouses.bigquery_replays import EVENTS as REPLAYED_EVENTS
from loader.warehouses.bigquery_replays import REPLAYS
from loader.warehouses.bigquery_state import BATCHES, LEDGER
from loader.warehouses.bigquery_table import schema_fields
from loader.warehouses.bigquery_waiting import WAITING
from snowmelt.doctor_check import Check, Role, doubtful, fine, unknown, wrong
from snowmelt.doctor_pubsub import told

ABOUT = "BigQuery"
_LOGS = (FAILED, WAITING, REPLAYS, REPLAYED_EVENTS)
TABLES = (EVENTS, *(f"{name}_log" for name in _LOGS), BATCHES, REMOVALS)
VIEWS = (*_LOGS, LEDGER)
_NEEDED = {
    "bigquery.tables.get": "see the tables",
    "bigquery.tables.getData": "read them",
    "bigquery.tables.update": "add columns to them",
    "bigquery.tables.updateData": "add rows to them",
}
_TIMEOUT = 20.0
_RETRY = Retry(predicate=if_exception_type(exceptions.ServiceUnavailable), initial=0.1, maximum=1.0, timeout=10.0)
_FAILED = (exceptions.GoogleAPICallError, exceptions.RetryError)
_UNREACHABLE = (OSError, google.auth.exceptions.GoogleAuthError, BigQueryUnavailable, BigQueryRefused)
"""OSError: those of `requests`."""
_SKEW = 1.0


def checks(session: Session, roles: Collection[Role]) -> Iterator[Check]:
    dataset = _answered(lambda: session.rest.get_dataset(str(session.place), retry=_RETRY, timeout=_TIMEOUT))
    yield (found := _dataset(session, dataset))
    if found.outcome != "fine":
        return
    tables = {name: _answered(partial(_table, session, name)) for name in (*TABLES, *VIEWS)}
    yield from _tables(session, tables)
    if "loader" in roles:
        there = [name for name in TABLES if isinstance(tables[name], bigquery.Table)]
        for permission, purpose in _NEEDED.items():
            yield _permission(session, there, permission, purpose)
        yield _jobs(session)
    yield _clock(session)


def _answered(ask: Callable[[], Any]) -> Any:
    """What was answered, or the exception of Google's libraries."""
    try:
        return ask()
    except (*_FAILED, *_UNREACHABLE) as problem:
        return problem


def _table(session: Session, name: str) -> Any:
    return session.rest.get_table(f"{session.place}.{name}", retry=_RETRY, timeout=_TIMEOUT)


def _dataset(session: Session, found: Any) -> Check:
    place = session.place
    what = f"dataset {place}"
    if isinstance(found, exceptions.NotFound):
        where = f" --location={place.location}" if place.location else ""
        return wrong(ABOUT, what, "does not exist", f"bq mk{where} --dataset {place.project}:{place.dataset}")
    if isinstance(found, exceptions.Forbidden):
        return wrong(ABOUT, what, "this account may not see it", _editor(session))
    if isinstance(found, exceptions.GoogleAPICallError | exceptions.RetryError):
        return wrong(ABOUT, what, told(found), "is the network open to BigQuery, and are credentials there?")
    if isinstance(found, Exception):
        return wrong(ABOUT, what, type(found).__name__, "is the network open to BigQuery, and are credentials there?")
    if place.location and found.location and found.location.lower() != place.location.lower():
        said = f"it is in {found.location}, the settings say {place.location}"
        return wrong(ABOUT, what, said, f'set warehouse.location = "{found.location}"')
    return fine(ABOUT, what, found.location or "")


def _tables(session: Session, tables: dict[str, Any]) -> Iterator[Check]:
    for name, found in tables.items():
        what = f"{'view' if name in VIEWS else 'table'} {name}"
        if isinstance(found, exceptions.NotFound):
            said, remedy = (
                "is not there yet",
                "start the loader, which makes it (bigquery.tables.create: roles/bigquery.dataEditor)",
            )
            yield doubtful(ABOUT, what, said, remedy)
        elif isinstance(found, exceptions.GoogleAPICallError | exceptions.RetryError):
            yield wrong(ABOUT, what, told(found), _editor(session))
        elif isinstance(found, Exception):
            yield wrong(ABOUT, what, type(found).__name__, "is the network open to BigQuery?")
        else:
            yield fine(ABOUT, what)
            if name == EVENTS:
                yield from _form(found)


def _form(table: bigquery.Table) -> Iterator[Check]:
    """Of `events`, which another loader may have made."""
    found = differences(schema_fields(table), table.time_partitioning, table.table_type)
    for column, what, fatal in found:
        about = f"table {EVENTS}: {column}" if column else f"table {EVENTS}"
        if fatal:
            yield wrong(ABOUT, about, what, "load into another dataset, or change the table; the loader does not start so")
        else:
            yield doubtful(ABOUT, about, what, "nothing has to be done: docs/google-cloud.md, Tables of another loader")
    if not found:
        yield fine(ABOUT, f"table {EVENTS}: columns and partitions")


def _permission(session: Session, tables: Collection[str], permission: str, purpose: str) -> Check:
    what = f"loader may {purpose} ({permission})"
    if not tables:
        return unknown(ABOUT, what, "there is no table to ask about yet")
    lacking = []
    for name in tables:
        answer = _answered(partial(_granted, session, name, permission))
        if isinstance(answer, exceptions.MethodNotImplemented | exceptions.MethodNotAllowed):
            return unknown(ABOUT, what, "cannot be told here")
        if isinstance(answer, Exception):
            return wrong(ABOUT, what, f"{name}: {type(answer).__name__}", _editor(session))
        if permission not in answer:
            lacking.append(name)
    return wrong(ABOUT, what, f"not on {', '.join(lacking)}", _editor(session)) if lacking else fine(ABOUT, what)


def _granted(session: Session, table: str, permission: str) -> Collection[str]:
    answer = session.rest.test_iam_permissions(f"{session.place}.{table}", [permission], retry=_RETRY, timeout=_TIMEOUT)
    granted: Collection[str] = answer.get("permissions", ())
    return granted


def _jobs(session: Session) -> Check:
    """By a query that is planned and not run: it costs nothing."""
    what = "loader may query (bigquery.jobs.create)"
    config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
    location = session.place.location
    answer = _answered(
        lambda: session.rest.query(
            "SELECT 1", job_config=config, location=location, retry=_RETRY, job_retry=None, timeout=_TIMEOUT
        )
    )
    if not isinstance(answer, Exception):
        return fine(ABOUT, what)
    project = session.place.project
    grant = f"gcloud projects add-iam-policy-binding {project} --role roles/bigquery.jobUser --member <account of the loader>"
    said = told(answer) if isinstance(answer, exceptions.GoogleAPICallError) else type(answer).__name__
    return wrong(ABOUT, what, said, grant)


def _clock(session: Session) -> Check:
    what = "clock of this machine"
    before = time.time()
    answer = _answered(lambda: session.query("SELECT UNIX_MICROS(CURRENT_TIMESTAMP())"))
    after = time.time()
    if isinstance(answer, Exception):
        return unknown(ABOUT, what, "BigQuery could not be asked")
    theirs = answer[0][0] / 1e6
    skew = max(before - theirs, theirs - after, 0.0)
    if skew <= _SKEW:
        return fine(ABOUT, what, "agrees with BigQuery's")
    return wrong(ABOUT, what, f"is {skew:.1f} s off BigQuery's", "let it be set by NTP: times of events come from clocks")


def _editor(session: Session) -> str:
    table = f"`{session.place.project}.{session.place.dataset}`"
    return f'GRANT `roles/bigquery.dataEditor` ON SCHEMA {table} TO "serviceAccount:<account of the loader>"'
