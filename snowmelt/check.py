"""`snowmelt check`: everything wrong with configuration, schemas and enrichment files, in one go and before anything runs."""

import sys
import tomllib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from backbone.errors import ConfigurationError, Fault
from snowmelt.options import Config, Data

if TYPE_CHECKING:
    from backbone.settings import Settings

_SNOWPLOWS_OWN = "/com.snowplowanalytics.snowplow"
"""Their gaps are as published: configurations and bad rows, of which no loader makes columns."""


def command(data: Data = None, config: Config = None) -> None:
    """Check configuration, schemas and enrichments: every fault at once; exit code 1 if there are any."""
    from snowmelt import configuration

    faults: list[Fault] = []
    settings = _faults_into(faults, lambda: configuration.read(config, data))
    usable = settings or _usable(config)
    summary = [*_schemas(usable, faults), *_enrichments(usable, faults)] if usable else []
    for fault in dict.fromkeys(faults):
        print(fault, file=sys.stderr)
    if faults:
        found = len(dict.fromkeys(faults))
        print(f"{found} fault{'' if found == 1 else 's'}", file=sys.stderr)
        raise typer.Exit(1)
    print("\n".join(["Everything is in order.", *summary]))


def _faults_into(faults: list[Fault], attempt: Callable[[], Any]) -> Any:
    """The result, or None with the faults noted."""
    try:
        return attempt()
    except ConfigurationError as error:
        faults.extend(error.faults)
        return None


def _usable(config: Path | None) -> "Settings | None":
    """What of a faulty file still says where schemas and enrichments are: its sound sections, defaults for the others."""
    from backbone import settings
    from snowmelt import configuration

    file = config or Path("snowmelt.toml")
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    sections: dict[str, settings.Section] = {}
    for name, model in {**settings.SHARED, **configuration.MODELS}.items():
        try:
            sections[name] = model.model_validate(table.get(name, {}))
        except ValueError:
            sections[name] = model()
    return settings.Settings(sections)


def _schemas(settings: "Settings", faults: list[Fault]) -> list[str]:
    from backbone.iglu import build_resolver
    from registry.check import check, warnings

    resolver = _faults_into(faults, lambda: build_resolver(settings.iglu))
    if resolver is not None:
        resolver.close()
    lines = []
    for folder in settings.iglu.schemas:
        if not folder.is_dir():
            continue
        faults.extend(check(folder))
        lines.append(f"schemas      {sum(1 for path in folder.rglob('*') if path.is_file())} files in {folder}")
        lines.extend(f"warning      {warning}" for warning in warnings(folder) if _SNOWPLOWS_OWN not in warning.file)
    if settings.iglu.resolver is not None:
        lines.append(f"registries   {settings.iglu.resolver}")
    return lines


def _enrichments(settings: "Settings", faults: list[Fault]) -> list[str]:
    from backbone.iglu import build_resolver
    from backbone.iglu.validator import Validator
    from enricher.enrichments import load
    from enricher.settings import EnricherSettings

    own = settings.section("enricher", EnricherSettings)
    if not own.enrichments.is_dir() and "enrichments" not in own.model_fields_set:
        return ["enrichments  none (no folder enrichments/)"]
    resolver = _faults_into([], lambda: build_resolver(settings.iglu))
    if resolver is None:
        return []
    try:
        downloads = settings.data.folder / "assets"
        loaded = _faults_into(faults, lambda: load(own.enrichments, own.assets, Validator(resolver), downloads))
    finally:
        resolver.close()
    active = [field.name for field in fields(loaded) if getattr(loaded, field.name) is not None] if loaded else []
    return [f"enrichments  {', '.join(active) or 'none'} (in {own.enrichments})"]
