"""`snowmelt load --from`: the loader without a bus, on a file of enriched lines; or only a look at what it would load."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal

from backbone.errors import ConfigurationError, Fault
from backbone.iglu import build_resolver
from backbone.settings import Settings
from loader import preview
from loader.file_load import FileLoad, Rules
from loader.line_file import opened
from loader.preview import Preview
from loader.settings import LoaderSettings, WarehouseSettings
from loader.warehouses.ducklake import EVENTS, DuckLake
from loader.warehouses.ducklake_catalog import NoWarehouse, open_reader
from loader.warehouses.ducklake_columns import read_columns
from loader.warehouses.ducklake_types import UNNAMED, shape_of
from loader.warehouses.protocol import Column

Target = Literal["ducklake", "bigquery"]


def run(
    settings: Settings,
    source: str,
    dry_run: bool = False,
    trace: Path | None = None,
    target: Target = "ducklake",
    schemas: Sequence[Path] = (),
    load_tstamp: str | None = None,
) -> None:
    """Loads `source` (`-` is standard input), or with `dry_run` only tells what would be loaded. No line is a failure of its own.

    `trace`: what became of each line; a dry run without it writes that to standard output. Raises ConfigurationError,
    and TransientError if a schema registry or the warehouse does not answer: what was loaded until then stays loaded.
    """
    own = settings.section("loader", LoaderSettings)
    now = _moment(load_tstamp)
    if target == "bigquery" and not dry_run:
        raise ConfigurationError([Fault("command line", "--target", "bigquery can only be looked at: add --dry-run")])
    with ExitStack() as stack:
        resolver = build_resolver(settings.iglu, tuple(schemas))
        stack.callback(resolver.close)
        lines = stack.enter_context(opened(source))
        warehouse = None if dry_run else stack.enter_context(_writing(settings, own))
        shown = _preview(settings, target, warehouse) if dry_run or trace else None
        tracing = stack.enter_context(_written(trace)) if trace else sys.stdout.buffer if dry_run else None
        rules = Rules(settings.section("warehouse", WarehouseSettings).max_fields, own.choices)
        load = FileLoad(resolver, warehouse, shown, now, rules)
        load.learn(lines)
        load.run(lines, own, tracing)
    print(load.summary(), file=sys.stderr if dry_run and trace is None else sys.stdout)


def _moment(text: str | None) -> str:
    """`load_tstamp` as batches have it."""
    try:
        moment = datetime.now(UTC) if text is None else datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat(" ", "milliseconds")[:23]
    except (ValueError, OverflowError):
        problem = f"{text!r} is no time such as 2026-11-22T09:30:00Z"
        raise ConfigurationError([Fault("command line", "--load-tstamp", problem)]) from None


@contextmanager
def _writing(settings: Settings, own: LoaderSettings) -> Iterator[DuckLake]:
    warehouse = DuckLake(settings.data.warehouse, own.known_events)
    try:
        yield warehouse
    finally:
        warehouse.close()


def _written(file: Path) -> BinaryIO:
    try:
        return file.open("wb")
    except OSError as problem:
        raise ConfigurationError([Fault(str(file), "--trace", problem.strerror or "cannot be written")]) from None


def _preview(settings: Settings, target: Target, warehouse: DuckLake | None) -> Preview:
    if target == "bigquery":
        return preview.bigquery()
    columns = _columns_stored(settings) if warehouse is None else warehouse.columns()
    return preview.ducklake(columns, shape_of, UNNAMED)


def _columns_stored(settings: Settings) -> dict[str, Column]:
    try:
        connection = open_reader(settings.data.folder)
    except NoWarehouse:
        return {}
    try:
        return read_columns(connection, EVENTS)
    finally:
        connection.close()
