"""`snowmelt erase`, `maintain` and `restore` with BigQuery, and with Pub/Sub, as they are typed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bigquery_age import age
from replay_works import ID, Works, opened, violation
from typer.testing import CliRunner

from backbone import tsv
from backbone.bus import open_bus
from backbone.bus.emulator import Emulator
from backbone.errors import ConfigurationError, TransientError
from backbone.event import Event
from backbone.locks import share
from snowmelt.cli import app

WHO = "zz-somebody-zz"


def line(user: str, event_id: str = ID) -> bytes:
    made = Event()
    made.collector_tstamp, made.v_collector, made.v_etl = "2026-01-01 10:00:00.000", "ssc-3.4.0", "snowmelt-0.1.0"
    made.event_id, made.user_id = event_id, user
    return tsv.line(made).encode()


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Works]:
    with opened("bigquery", tmp_path, tmp_path) as made:
        yield made


def typed(works: Works, *arguments: str, **settings: str) -> Any:
    assert works.server is not None
    about = {"kind": "bigquery", "project": "test", "dataset": "atomic"}
    about |= {"endpoint": works.server.endpoint, "write_endpoint": works.server.write_endpoint}
    environment = {f"SNOWMELT_WAREHOUSE_{name.upper()}": value for name, value in about.items()}
    more = {f"SNOWMELT_{name.upper()}": value for name, value in settings.items()}
    folder = str(works.settings.data.folder)
    return CliRunner().invoke(app, [*arguments, "--data", folder], env={**environment, **more})


def test_everything_goes_and_it_is_told_how_long_it_can_be_brought_back(works: Works) -> None:
    works.send(("enriched", line(WHO)), ("enriched", line("anna", ID.replace("0f", "1f"))))
    works.send(("bad", violation().replace(b'"value": "pv"', f'"value": "pv"}}, {{"name": "uid", "value": "{WHO}"'.encode())))
    works.load()
    done = typed(works, "erase", "--user-id", WHO, "--yes")
    assert done.exit_code == 0, done.output
    assert [part.split() for part in done.output.splitlines()[2:6]] == [
        ["events", "1", "0"],
        ["waiting_events", "0", "0"],
        ["failed_events", "1", "0"],
        ["bus", "2", "0"],
    ]
    assert "3 records of the bus were removed" in done.output
    assert "time travel" in done.output
    assert "Snapshots and copies of tables are as they were." in done.output
    assert works.sql("SELECT user_id FROM events") == [("anna",)]


def test_what_bigquery_does_not_let_go_of_is_left_with_the_time_to_come_back(works: Works) -> None:
    works.send(("enriched", line(WHO)))
    works.load()
    assert works.server is not None
    works.server.faults.streaming_seconds = 1800.0
    done = typed(works, "erase", "--user-id", WHO, "--yes")
    assert done.exit_code == 1
    assert "Left: 1 in events, which BigQuery got too lately to let go of them. Run the command again after 20" in done.output
    assert ["events", "1", "1"] in [part.split() for part in done.output.splitlines()]


def test_within_its_patience_it_waits_for_that(works: Works) -> None:
    works.send(("enriched", line(WHO)))
    works.load()
    assert works.server is not None
    age(works.server, (31 * 60 - 3) / 86_400)
    works.server.faults.streaming_seconds = 31 * 60 - 1
    done = typed(works, "erase", "--user-id", WHO, "--yes", "--wait", "30")
    assert done.exit_code == 0, done.output
    assert "waiting until" in done.output
    assert works.sql("SELECT count(*) FROM events") == [(0,)]


def test_events_on_their_way_come_first_whoever_loads_them(works: Works) -> None:
    works.send(("enriched", line(WHO)))
    done = typed(works, "erase", "--user-id", WHO, "--yes")
    assert isinstance(done.exception, TransientError)
    assert "the loader, not running, has not read" in str(done.exception)
    share(works.settings.data.warehouse / "writer.lock")  # as the loader holds it
    done = typed(works, "erase", "--user-id", WHO, "--yes", "--wait", "1")
    assert "has not read what is on the bus within 1 s" in str(done.exception)


def test_offline_it_has_them_loaded_by_a_loader_of_its_own(works: Works) -> None:
    works.send(("enriched", line(WHO)), ("enriched", line("anna", ID.replace("0f", "1f"))))
    done = typed(works, "erase", "--user-id", WHO, "--yes", "--offline", "--wait", "60")
    assert done.exit_code == 0, done.output
    assert ["events", "1", "0"] in [part.split() for part in done.output.splitlines()]
    assert works.sql("SELECT user_id FROM events") == [("anna",)]
    assert works.sql('SELECT table_name, "rows" FROM loader_removals') == [("events", 1)]


def test_pubsub_is_not_looked_into_and_that_is_said(works: Works) -> None:
    works.send(("enriched", line(WHO)))
    works.load()
    emulator = Emulator().start()
    try:
        pubsub = {"bus_kind": "pubsub", "bus_endpoint": emulator.endpoint}
        elsewhere = Works(
            works.settings.data.folder, works.settings.data.folder, bus__kind="pubsub", bus__endpoint=emulator.endpoint
        )
        open_bus(elsewhere.settings).publisher("enricher").close()
        done = typed(works, "erase", "--user-id", WHO, "--yes", **pubsub)
        assert done.exit_code == 0, done.output
        assert "Not looked into: Pub/Sub" in done.output
        for name in ("raw-enricher", "enriched-loader", "failed-loader", "bad-loader", "dead-letter-keeper"):
            assert f"/subscriptions/{name} keeps what is unread for 7 days" in done.output
        assert "records of the bus" not in done.output
        assert "gcloud pubsub subscriptions seek" in done.output
        assert works.sql("SELECT count(*) FROM events") == [(0,)]
        refused = typed(works, "erase", "--user-id", WHO, "--yes", "--offline", **pubsub)
        assert isinstance(refused.exception, ConfigurationError)
        assert "--offline" in str(refused.exception)
    finally:
        emulator.stop()


def test_maintain_prints_its_steps_and_copies_are_refused(works: Works, tmp_path: Path) -> None:
    done = typed(works, "maintain")
    assert "nothing has been loaded" in str(done.exception)
    works.send(("enriched", line(WHO)))
    works.load()
    done = typed(works, "maintain")
    assert done.exit_code == 0, done.output
    assert [part.split()[0] for part in done.output.splitlines()] == ["retention", "compact", "ledger", "size"]
    for refused in (typed(works, "maintain", "--backup", str(tmp_path)), typed(works, "restore", "--from", str(tmp_path))):
        assert isinstance(refused.exception, ConfigurationError)
        assert "time travel and table snapshots" in str(refused.exception)


def test_replay_as_it_is_typed(works: Works) -> None:
    works.send(("bad", violation()))
    works.load()
    done = typed(works, "replay", "--where", "attempts = 1", "--dry-run")
    assert "1 failed selected; would be sent: 1 to the enricher" in done.output
    done = typed(works, "replay", "--where", "attempts::text = '1'")
    assert isinstance(done.exception, ConfigurationError)
    done = typed(works, "replay", "--where", "attempts = 1")
    assert done.exit_code == 0, done.output
    assert "1 failed selected; sent: 1 to the enricher" in done.output
    assert len(works.raw()) == 1
