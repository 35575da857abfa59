"""`snowmelt collect`, `enrich` and `load`: one service each, run in the foreground until SIGTERM or Ctrl-C."""

import gc
from collections.abc import Sequence
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from snowmelt.options import Config, Data, NoPort, Port, Schemas
from snowmelt.output import printing

if TYPE_CHECKING:
    from backbone.settings import Settings


def collect(port: Port = None, data: Data = None, config: Config = None) -> None:
    """Run the collector: HTTP requests in, raw payloads on the bus."""
    gc.disable()  # importing makes no garbage, and looking for it takes a tenth of the start; `serve` turns it on
    from collector import main
    from snowmelt import configuration

    raise typer.Exit(main.run(configuration.read(config, data, {"collector.port": port})))


def enrich(
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE", help="Offline: base64 payloads from this file, one a line; - for standard input."),
    ] = None,
    good: Annotated[
        Path | None, typer.Option("--good", metavar="FILE", help="Offline: enriched events go here, TSV lines.")
    ] = None,
    failed: Annotated[
        Path | None, typer.Option("--failed", metavar="FILE", help="Offline: failed events go here, TSV lines.")
    ] = None,
    bad: Annotated[Path | None, typer.Option("--bad", metavar="FILE", help="Offline: bad rows go here, JSON lines.")] = None,
    trace: Annotated[
        Path | None, typer.Option("--trace", metavar="FILE", help="Offline: what became of each input line, JSON lines.")
    ] = None,
    enrichments: Annotated[
        Path | None, typer.Option("--enrichments", metavar="DIR", help="Enrichment files; wins over enricher.enrichments.")
    ] = None,
    schemas: Schemas = None,
    assets: Annotated[
        Path | None,
        typer.Option("--assets", metavar="DIR", help="Data files of enrichments, by base name; nothing is downloaded."),
    ] = None,
    port: NoPort = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Run the enricher; with --from, on a file instead of the bus."""
    from enricher import main
    from snowmelt import configuration

    flags: dict[str, object] = {"collector.port": port, "enricher.enrichments": enrichments, "enricher.assets": assets}
    settings = configuration.read(config, data, flags)
    if source is not None:
        from enricher import offline

        raise typer.Exit(offline.run(settings, source, good, failed, bad, trace, enrichments, schemas or (), assets))
    if any((good, failed, bad, trace)):
        raise typer.BadParameter("--good, --failed, --bad and --trace need --from", param_hint="--from")
    raise typer.Exit(main.run(_with_schemas(settings, config, data, flags, schemas or ())))


class Target(StrEnum):
    ducklake = "ducklake"
    bigquery = "bigquery"


def load(
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE", help="Offline: enriched TSV lines from this file; - for standard input."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Offline: store nothing, only tell the row or bad row of each line.")
    ] = False,
    trace: Annotated[
        Path | None,
        typer.Option(
            "--trace", metavar="FILE", help="Offline: what became of each line, JSON lines; a dry run without it prints them."
        ),
    ] = None,
    target: Annotated[
        Target | None, typer.Option("--target", help="Offline: whose columns and rows; bigquery with --dry-run only.")
    ] = None,
    schemas: Schemas = None,
    load_tstamp: Annotated[
        str | None,
        typer.Option("--load-tstamp", metavar="T", help="Offline: load_tstamp of the rows, ISO 8601; now unless given."),
    ] = None,
    port: NoPort = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Run the loader: enriched and failed events from the bus into the warehouse; with --from, enriched lines of a file."""
    from loader import main
    from snowmelt import configuration

    flags: dict[str, object] = {"collector.port": port}
    settings = configuration.read(config, data, flags)
    if source is not None:
        from loader import offline

        with printing() if dry_run else nullcontext():
            offline.run(settings, source, dry_run, trace, (target or Target.ducklake).value, schemas or (), load_tstamp)
        return
    if any((dry_run, trace, target, load_tstamp)):
        raise typer.BadParameter("--dry-run, --trace, --target and --load-tstamp need --from", param_hint="--from")
    raise typer.Exit(main.run(_with_schemas(settings, config, data, flags, schemas or ())))


def _with_schemas(
    settings: "Settings", config: Path | None, data: Path | None, flags: dict[str, object], schemas: Sequence[Path]
) -> "Settings":
    """The settings with more registry folders, asked first."""
    from snowmelt import configuration

    if not schemas:
        return settings
    configured = [folder for folder in settings.iglu.schemas if folder.is_dir() or "schemas" in settings.iglu.model_fields_set]
    return configuration.read(config, data, {**flags, "iglu.schemas": [*schemas, *configured]})
