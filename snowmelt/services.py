"""`snowmelt collect`, `enrich` and `load`: one service each, run in the foreground until SIGTERM or Ctrl-C."""

from pathlib import Path
from typing import Annotated

import typer

from snowmelt.options import Config, Data, NoPort, Port


def collect(port: Port = None, data: Data = None, config: Config = None) -> None:
    """Run the collector: HTTP requests in, raw payloads on the bus."""
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
    schemas: Annotated[
        list[Path] | None, typer.Option("--schemas", metavar="DIR", help="Registry folder asked first; may be repeated.")
    ] = None,
    assets: Annotated[
        Path | None,
        typer.Option("--assets", metavar="DIR", help="Data files of enrichments, by base name; nothing is downloaded."),
    ] = None,
    port: NoPort = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Run the enricher; with --from, on a file instead of the bus."""
    from enricher import main, offline
    from snowmelt import configuration

    flags: dict[str, object] = {"collector.port": port, "enricher.enrichments": enrichments, "enricher.assets": assets}
    settings = configuration.read(config, data, flags)
    if source is not None:
        raise typer.Exit(offline.run(settings, source, good, failed, bad, trace, enrichments, schemas or (), assets))
    if any((good, failed, bad, trace)):
        raise typer.BadParameter("--good, --failed, --bad and --trace need --from", param_hint="--from")
    if schemas:
        configured = [
            folder for folder in settings.iglu.schemas if folder.is_dir() or "schemas" in settings.iglu.model_fields_set
        ]
        settings = configuration.read(config, data, {**flags, "iglu.schemas": [*schemas, *configured]})
    raise typer.Exit(main.run(settings))


def load(port: NoPort = None, data: Data = None, config: Config = None) -> None:
    """Run the loader: enriched and failed events from the bus into the warehouse."""
    from loader import main
    from snowmelt import configuration

    raise typer.Exit(main.run(configuration.read(config, data, {"collector.port": port})))
