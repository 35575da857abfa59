"""`snowmelt doctor` on BigQuery: what is missing, of another form or not allowed is named, each with its remedy."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("google.cloud.bigquery_storage", reason="the libraries of Google Cloud are not installed")

from bigquery_server import DATASET, PROJECT, BigQueryServer

from loader.warehouses.bigquery import BigQuery
from loader.warehouses.bigquery_client import Place, Session
from snowmelt import doctor_bigquery
from snowmelt.doctor_check import ROLES, Check


@pytest.fixture
def server(tmp_path: Path) -> Iterator[BigQueryServer]:
    running = BigQueryServer(tmp_path)
    yield running
    running.close()


@pytest.fixture(scope="module")
def after_a_loader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BigQueryServer]:
    running = BigQueryServer(tmp_path_factory.mktemp("bigquery"))
    BigQuery(place(running), 100).close()
    yield running
    running.close()


@pytest.fixture
def loaded(after_a_loader: BigQueryServer) -> Iterator[BigQueryServer]:
    """A loader was here. What a test changes is changed back."""
    events = after_a_loader.tables["events"]
    before = dict(events.resource)
    yield after_a_loader
    events.resource = before
    after_a_loader.faults.denied = False
    after_a_loader.faults.lacking.clear()


def place(server: BigQueryServer, **different: Any) -> Place:
    stands = {"project": PROJECT, "dataset": DATASET, "endpoint": server.endpoint, "write_endpoint": server.write_endpoint}
    return Place(**{**stands, **different})


def checked(server: BigQueryServer, *roles: Any, **different: Any) -> list[Check]:
    session = Session(place(server, **different))
    try:
        return list(doctor_bigquery.checks(session, roles or ROLES))
    finally:
        session.close()


def amiss(server: BigQueryServer, *roles: Any, **different: Any) -> list[Check]:
    return [check for check in checked(server, *roles, **different) if check.outcome != "fine"]


def test_what_the_loader_makes_is_in_order(loaded: BigQueryServer) -> None:
    assert amiss(loaded) == []
    whats = [check.what for check in checked(loaded)]
    assert {f"{'view' if 'view' in table.resource else 'table'} {name}" for name, table in loaded.tables.items()} <= set(whats)
    assert "table events: columns and partitions" in whats
    assert "loader may query (bigquery.jobs.create)" in whats


def test_before_the_first_loader_nothing_is_wrong(server: BigQueryServer) -> None:
    found = amiss(server)
    assert {check.outcome for check in found} == {"doubtful", "unknown"}
    assert "table events" in {check.what for check in found}


def test_a_missing_dataset_comes_with_the_command_that_makes_it(server: BigQueryServer) -> None:
    (missing,) = amiss(server, dataset="other", location="EU")
    assert (missing.outcome, missing.said) == ("wrong", "does not exist")
    assert missing.remedy == f"bq mk --location=EU --dataset {PROJECT}:other"


@pytest.mark.parametrize(
    "permission",
    [
        "bigquery.tables.get",
        "bigquery.tables.getData",
        "bigquery.tables.update",
        "bigquery.tables.updateData",
        "bigquery.jobs.create",
    ],
)
def test_each_permission_is_named(loaded: BigQueryServer, permission: str) -> None:
    loaded.faults.lacking.add(permission)
    (lacking,) = amiss(loaded)
    assert lacking.outcome == "wrong"
    assert lacking.what.endswith(f"({permission})")
    assert "roles/bigquery." in lacking.remedy
    assert amiss(loaded, "collector", "enricher") == []


def test_an_account_that_is_not_let_in_is_told_which_role(loaded: BigQueryServer) -> None:
    loaded.faults.denied = True
    (refused,) = amiss(loaded)
    assert (refused.what, refused.outcome) == (f"dataset {PROJECT}.{DATASET}", "wrong")
    assert "roles/bigquery.dataEditor" in refused.remedy


def test_another_loaders_table_is_compared(loaded: BigQueryServer) -> None:
    table = loaded.tables["events"]
    del table.resource["timePartitioning"]
    (found,) = amiss(loaded)
    assert (found.what, found.outcome) == ("table events: load_tstamp", "doubtful")
    fields = [{**field, "type": "DATE"} if field["name"] == "event_id" else field for field in table.fields]
    table.resource["schema"] = {"fields": fields}
    assert next((check.what, check.outcome) for check in amiss(loaded)) == ("table events: event_id", "wrong")


def test_a_clock_that_is_off_is_told(loaded: BigQueryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from snowmelt.doctor_bigquery import time

    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 90)
    (found,) = amiss(loaded)
    assert (found.what, found.outcome) == ("clock of this machine", "wrong")
    assert found.said.startswith(("is 89.", "is 90."))


def test_no_network_is_one_failure(server: BigQueryServer) -> None:
    (found,) = amiss(server, endpoint="http://127.0.0.1:9")
    assert found.outcome == "wrong"
    assert "is the network open" in found.remedy
