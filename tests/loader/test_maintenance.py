"""Maintenance of the warehouse, its copies, and asking the process that writes it."""

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backbone.errors import ConfigurationError
from loader import maintenance
from loader.app import Loader
from loader.maintenance import ERASE, MAINTAIN, Maintenance, Unserved, commission
from loader.requests import Requests
from loader.settings import WarehouseSettings
from loader.warehouses import ducklake_backup
from loader.warehouses.ducklake import DuckLake
from loader.warehouses.ducklake_backup import copies, restore
from loader.warehouses.ducklake_catalog import open_writer
from loader.warehouses.ducklake_expiry import delete_old_files, expire_snapshots

SETTINGS = WarehouseSettings()


def quiet(_text: str) -> None:
    pass


def maintained(folder: Path, settings: WarehouseSettings = SETTINGS, backup: Path | None = None) -> dict[str, str]:
    arguments = {"backup": str(backup) if backup else None}
    said = commission(folder / "warehouse", settings, MAINTAIN, arguments, 30, quiet)
    return dict(said["steps"])


def data_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.parquet"))


def nothing() -> None:
    pass


def age(folder: Path, table: str, days: float, condition: str) -> None:
    connection, lock = open_writer(folder / "warehouse")
    connection.execute(f"UPDATE {table} SET load_tstamp = load_tstamp - to_seconds({days * 86400}) WHERE {condition}")
    connection.close()
    os.close(lock)


def test_each_step_says_what_it_did(station: Any, line: Any) -> None:
    for number in range(6):
        station.load_lines(line(user_id=str(number)))
    before = station.sql("SELECT user_id FROM events ORDER BY 1")
    said = maintained(station.folder)
    assert list(said) == ["retention", "rewrite", "merge", "flush", "expire", "delete", "size"]
    assert int(said["merge"].split()[0]) >= 6
    assert "bytes before" in said["size"]
    assert station.sql("SELECT user_id FROM events ORDER BY 1") == before
    assert maintained(station.folder)["merge"] == "0 small files to 0"


def test_rows_older_than_allowed_are_deleted_and_accounted_for(station: Any, line: Any) -> None:
    station.load_lines(line(user_id="old", app_id="shop"), line(user_id="young"), b"no line", b"neither")
    age(station.folder, "events", 11, "user_id = 'old'")
    age(station.folder, "failed_events", 400, "enriched_line = 'no line'")
    settings = WarehouseSettings(event_days=10)
    assert maintained(station.folder, settings)["retention"] == "1 rows of events, 1 rows of failed_events"
    assert station.sql("SELECT user_id FROM events") == [("young",)]
    assert station.sql("SELECT enriched_line FROM failed_events") == [("neither",)]
    rows = station.sql('SELECT why, table_name, app_id, "rows" FROM loader_removals ORDER BY ALL')
    assert rows == [("expired", "events", "shop", 1), ("expired", "failed_events", None, 1)]
    assert maintained(station.folder, settings)["retention"] == "0 rows of events, 0 rows of failed_events"


def test_a_reader_sees_all_rows_at_any_moment(station: Any, line: Any) -> None:
    for number in range(5):
        station.load_lines(line(user_id=str(number)))
    reader = station.reader
    seen: list[Any] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.extend(reader.execute("SELECT count(*), count(DISTINCT user_id) FROM events").fetchall())

    thread = threading.Thread(target=read)
    thread.start()
    try:
        maintained(station.folder)
        maintained(station.folder)
    finally:
        stop.set()
        thread.join()
    assert set(seen) == {(5, 5)}


def test_files_a_reader_may_still_need_stay_a_while(station: Any, line: Any) -> None:
    for _ in range(4):
        station.load_lines(line())
    before = data_files(station.folder / "warehouse")
    said = maintained(station.folder)
    assert said["expire"].startswith("0 ")
    assert said["delete"].startswith("0 ")
    assert set(before) <= set(data_files(station.folder / "warehouse"))
    connection, lock = open_writer(station.folder / "warehouse")
    assert expire_snapshots(connection, "0 seconds") > 4
    assert delete_old_files(connection, station.folder / "warehouse/data", "0 seconds") >= 4
    assert len(data_files(station.folder / "warehouse/data/main/events")) == 1
    assert connection.execute("SELECT count(*) FROM events").fetchone() == (4,)
    connection.close()
    os.close(lock)


def test_a_copy_brings_everything_back_and_the_loader_goes_on(station: Any, line: Any, tmp_path: Path) -> None:
    station.load_lines(line(user_id="a"), line(user_id="b"), b"no line")
    target = tmp_path / "elsewhere"
    said = maintained(station.folder, backup=target)
    ((taken, catalog),) = copies(target)
    assert said["back-up"].startswith(str(catalog))
    assert abs(datetime.now(UTC) - taken) < timedelta(minutes=1)
    station.load_lines(line(user_id="later, and still on the bus"))
    counts = station.sql("SELECT * FROM (SELECT count(*) FROM events), (SELECT count(*) FROM failed_events)")
    station.close()
    station._reader = None
    os.rename(station.folder / "warehouse", station.folder / "lost")
    restored = restore(target, station.folder / "warehouse", None, nothing)
    assert restored.catalog == catalog
    assert station.one("SELECT count(*) FROM events") == 2
    station.load()
    assert station.sql("SELECT * FROM (SELECT count(*) FROM events), (SELECT count(*) FROM failed_events)") == counts
    station.load_lines(line(user_id="c"))
    maintained(station.folder)
    assert station.one("SELECT count(*) FROM events") == 4


def test_copies_share_their_files_and_old_ones_go(station: Any, line: Any, tmp_path: Path) -> None:
    target = tmp_path / "copies"
    settings = WarehouseSettings(backup=target, backups_kept=2)
    for number in range(4):
        station.load_lines(line(user_id=str(number)))
        said = maintained(station.folder, settings)["back-up"]
        newest = copies(target)[-1][1]
        newest.rename(newest.with_name(f"catalog-2024112{number}T120000Z.sqlite"))
    assert "1 old copies removed" in said
    found = copies(target)
    assert [when.day for when, _ in found] == [22, 23]
    needed = set().union(*(ducklake_backup.needed(catalog) for _, catalog in found))
    assert {str(path.relative_to(target / "data")) for path in (target / "data").rglob("*.parquet")} == needed
    for day, count in ((22, 3), (23, 4)):
        restore(target, tmp_path / f"back-{day}" / "warehouse", datetime(2024, 11, day, 23, 59, tzinfo=UTC), nothing)
        connection, lock = open_writer(tmp_path / f"back-{day}" / "warehouse")
        assert connection.execute("SELECT count(user_id) FROM events").fetchone() == (count,)
        connection.close()
        os.close(lock)


def test_a_restore_never_overwrites_and_says_what_it_lacks(station: Any, line: Any, tmp_path: Path) -> None:
    station.load_lines(line())
    maintained(station.folder, backup=tmp_path / "copies")
    with pytest.raises(ConfigurationError, match="there is a warehouse already"):
        restore(tmp_path / "copies", station.folder / "warehouse", None, nothing)
    with pytest.raises(ConfigurationError, match="holds no copy"):
        restore(tmp_path, tmp_path / "new", None, nothing)
    with pytest.raises(ConfigurationError, match="of that time"):
        restore(tmp_path / "copies", tmp_path / "new", datetime(2020, 1, 1, tzinfo=UTC), nothing)


def test_an_interrupted_restore_may_be_run_again(station: Any, line: Any, tmp_path: Path) -> None:
    station.load_lines(line())
    maintained(station.folder, backup=tmp_path / "copies")

    def killed() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(tmp_path / "copies", tmp_path / "new", None, killed)
    (tmp_path / "new/catalog.sqlite-wal").write_bytes(b"of a warehouse that is no more")
    restore(tmp_path / "copies", tmp_path / "new", None, nothing)
    connection, lock = open_writer(tmp_path / "new")
    assert connection.execute("SELECT count(*) FROM events").fetchone() == (1,)
    connection.close()
    os.close(lock)


def test_a_copy_inside_the_warehouse_is_refused(station: Any, line: Any) -> None:
    station.load_lines(line())
    with pytest.raises(Unserved, match="cannot lie in the warehouse"):
        maintained(station.folder, backup=station.folder / "warehouse" / "copies")
    assert station.one("SELECT count(*) FROM events") == 1


class Running:
    """A loader with its duties, in a thread."""

    def __init__(self, station: Any, settings: WarehouseSettings = SETTINGS) -> None:
        warehouse = DuckLake(station.folder / "warehouse", 1000)
        self.duties = Maintenance(warehouse, station.folder / "warehouse", settings)
        self.loader = Loader(
            station.bus, warehouse, station.resolver, station.settings, between_batches=self.duties.between_batches
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.loader.run, args=[self._stop.is_set])

    def __enter__(self) -> "Running":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.loader.close()


def test_a_running_loader_does_it_between_batches(station: Any, line: Any, tmp_path: Path) -> None:
    station.load_lines(line(user_id="1"), line(user_id="10"))
    told: list[str] = []
    with Running(station) as running:
        arguments: dict[str, Any] = {"backup": str(tmp_path / "copies")}
        said = commission(station.folder / "warehouse", SETTINGS, MAINTAIN, arguments, 30, told.append)
        assert [name for name, _ in said["steps"]][-1] == "back-up"
        assert told == ["asking the running loader, which does it between batches"]
        person = {"user_id": ["1"], "domain_userid": [], "network_userid": [], "cookies": []}
        assert commission(station.folder / "warehouse", SETTINGS, ERASE, person, 30, quiet) == {"left": []}
        station.send(("enriched", line(user_id="11")))
        deadline = time.monotonic() + 20
        while running.loader.totals.loaded < 1 and time.monotonic() < deadline:
            time.sleep(0.05)
    assert sorted(station.sql("SELECT user_id FROM events")) == [("10",), ("11",)]
    assert list((station.folder / "warehouse/requests").iterdir()) == [], "answered requests are gone"
    assert len(copies(tmp_path / "copies")) == 1


def test_a_request_that_fails_is_answered_and_the_loader_goes_on(station: Any, line: Any) -> None:
    station.load_lines(line())
    with Running(station):
        warehouse = station.folder / "warehouse"
        with pytest.raises(Unserved, match="cannot dance"):
            commission(warehouse, SETTINGS, "dance", {}, 30, quiet)
        with pytest.raises(Unserved, match="unexpected KeyError"):
            commission(warehouse, SETTINGS, ERASE, {}, 30, quiet)
        with pytest.raises(Unserved, match="cannot lie in the warehouse"):
            commission(warehouse, SETTINGS, MAINTAIN, {"backup": str(warehouse / "x")}, 30, quiet)
        assert commission(warehouse, SETTINGS, MAINTAIN, {}, 30, quiet)["steps"]
        station.send(("enriched", line()))
    assert station.one("SELECT count(*) FROM events") == 2


def test_who_waits_in_vain_is_told_and_leaves_no_request(station: Any, line: Any) -> None:
    station.load_lines(line())
    warehouse = DuckLake(station.folder / "warehouse", 10)
    try:
        with pytest.raises(Unserved, match="did not answer within 0 s"):
            commission(station.folder / "warehouse", SETTINGS, MAINTAIN, {}, 0.3, quiet)
        assert not Requests(station.folder / "warehouse").waiting()
    finally:
        warehouse.close()


def test_when_the_loader_ends_for_good_the_command_does_it_itself(station: Any, line: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(maintenance, "_RETURN", 0.2)
    station.load_lines(line())
    warehouse = DuckLake(station.folder / "warehouse", 10)
    threading.Timer(0.5, warehouse.close).start()
    assert commission(station.folder / "warehouse", SETTINGS, MAINTAIN, {}, 30, quiet)["steps"]
    assert not Requests(station.folder / "warehouse").waiting()


def test_maintenance_runs_by_itself_when_it_is_due_also_across_restarts(station: Any, line: Any) -> None:
    station.load_lines(line())
    mark = station.folder / "warehouse/maintained"
    with Running(station):
        began = mark.stat().st_mtime
    os.utime(mark, (began - 90_000, began - 90_000))
    with Running(station):
        deadline = time.monotonic() + 20
        while mark.stat().st_mtime < began and time.monotonic() < deadline:
            time.sleep(0.05)
        assert mark.stat().st_mtime >= began
