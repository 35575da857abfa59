"""`snowmelt maintain` and `snowmelt restore`: the warehouse kept small and copied, and brought back from a copy."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backbone.errors import ConfigurationError, Fault, TransientError
from snowmelt.options import Config, Data

if TYPE_CHECKING:
    from backbone.settings import Settings


def command(
    backup: Annotated[
        Path | None, typer.Option("--backup", metavar="DIR", help="Make a copy here; wins over warehouse.backup.")
    ] = None,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=1, help="How long a running loader gets to answer.")
    ] = 3600.0,
    data: Data = None,
    config: Config = None,
) -> None:
    """Maintain the warehouse now: delete what is too old, merge files, drop old ones, make a copy. Says what each step did."""
    from loader.maintenance import MAINTAIN, commission
    from loader.settings import WarehouseSettings
    from loader.warehouses.ducklake_catalog import NoWarehouse
    from snowmelt import configuration

    settings = configuration.read(config, data)
    if _in_bigquery(settings):
        return _maintain_bigquery(settings, backup)
    folder = settings.data.warehouse
    if not (folder / "catalog.sqlite").exists():
        raise NoWarehouse(f"no warehouse in {settings.data.folder} yet: nothing has been loaded")
    arguments = {"backup": str(backup.absolute()) if backup else None}
    said = commission(folder, settings.section("warehouse", WarehouseSettings), MAINTAIN, arguments, wait, _note)
    for name, did in said["steps"]:
        print(f"{name:<10} {did}")
    return None


def _in_bigquery(settings: "Settings") -> bool:
    from loader.settings import WarehouseSettings

    return settings.section("warehouse", WarehouseSettings).kind == "bigquery"


def _maintain_bigquery(settings: "Settings", backup: Path | None) -> None:
    """From here: nobody else needs to be asked."""
    from contextlib import closing

    from loader.settings import WarehouseSettings
    from loader.warehouses.ducklake_catalog import NoWarehouse
    from loader.warehouses.gcp_extra import needing_gcp

    with needing_gcp():
        from loader.warehouses.bigquery_access import open_access
        from loader.warehouses.bigquery_client import BigQueryRefused
        from loader.warehouses.bigquery_maintenance import maintain

    if backup is not None:
        raise _no_copies("--backup")
    keeping = settings.section("warehouse", WarehouseSettings)
    with closing(open_access(keeping)) as access:
        if not access.exists("loader_batches"):
            raise NoWarehouse(f"no warehouse in {access.place} yet: nothing has been loaded")
        try:
            for name, did in maintain(access, keeping):
                print(f"{name:<10} {did}")
        except BigQueryRefused as problem:
            raise TransientError(f"{problem}; what was printed is done, run the command again for the rest") from None


def _no_copies(flag: str) -> ConfigurationError:
    problem = "is of the embedded warehouse; BigQuery keeps earlier states by itself, see time travel and table snapshots there"
    return ConfigurationError([Fault("command line", flag, problem)])


def restore(
    source: Annotated[Path, typer.Option("--from", metavar="DIR", help="Folder of copies, as of snowmelt maintain --backup.")],
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="WHEN", help="The newest copy not after this time (UTC): 2026-11-22T10:30; unset: the newest."
        ),
    ] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Bring the warehouse back from a copy. Refused while there is one, or a loader runs."""
    from datetime import UTC, datetime

    from loader.warehouses.ducklake_backup import restore as bring_back
    from loader.warehouses.ducklake_catalog import writer_lock
    from snowmelt import configuration
    from snowmelt.replay import moment

    settings = configuration.read(config, data)
    if _in_bigquery(settings):
        raise _no_copies("restore")
    latest = None if at is None else moment(at, datetime.now(UTC))
    lock = writer_lock(settings.data.warehouse)
    try:
        restored = bring_back(source, settings.data.warehouse, latest, lambda: _read_anew(settings.data.bus))
    finally:
        os.close(lock)
    print(f"Restored the copy of {restored.taken:%Y-%m-%d %H:%M:%S} UTC with {restored.files} data files.")
    print(
        "The loader goes on from there: what is still on the bus is loaded again, later rows whose bus files are gone are lost."
    )


def _read_anew(bus: Path) -> None:
    """Nothing more is deleted from the bus before the loader, which begins at the copy's positions, has read it again."""
    from backbone.bus.cursors import Cursors

    if not (bus / Cursors.FILE).exists():
        return
    cursors = Cursors(bus)
    try:
        cursors.save("loader", dict.fromkeys(cursors.of("loader"), 0))
    finally:
        cursors.close()


def _note(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)
