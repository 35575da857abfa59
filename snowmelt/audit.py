"""`snowmelt audit`: whether everything that was accepted is in the warehouse, and what differs if not."""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snowmelt.options import Config, Data
from snowmelt.output import printing

if TYPE_CHECKING:
    from loader.audit import Audit, Hour

_SHOWN = 48
_NUMBERS = ("received", "loaded", "failed", "duplicates", "waiting", "recovered", "removed")


def command(
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="WHEN", help="Collected then or later: 2026-11-22, 2026-11-22T09:30 (UTC), or 90m, 12h, 7d ago."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, with every hour.")] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Compare what was sent with what was loaded, by hour and app. Exit code 1 if anything differs."""
    from loader.audit import audit
    from snowmelt import configuration
    from snowmelt.replay import moment

    earliest = None if since is None else moment(since, datetime.now(UTC))
    found = audit(configuration.read(config, data), earliest)
    with printing():
        if as_json:
            print(json.dumps(as_object(found), indent=2))
        else:
            show(found)
    raise typer.Exit(0 if found.agrees else 1)


def as_object(found: "Audit") -> dict[str, Any]:
    return {
        "agrees": found.agrees,
        "hours": [asdict(hour) for hour in found.hours],
        "stages": [stage._asdict() for stage in found.stages],
        "differences": [difference._asdict() for difference in found.differences],
        "notes": found.notes,
    }


def show(found: "Audit") -> None:
    """Two tables, then what differs."""
    from rich.console import Console

    from snowmelt.sql import table

    console = Console()
    wide = not sys.stdout.isatty()
    if found.hours:
        console.print(table(("hour (UTC)", "app", *_NUMBERS), _rows(found.hours)), soft_wrap=wide)
    if found.stages:
        rows = [(stage.name, *map(str, stage[1:])) for stage in found.stages]
        console.print(table(("stage", "sent", "received", "on the way"), rows), soft_wrap=wide)
    for note in found.notes:
        print(note)
    print(told(found))


def _rows(hours: "list[Hour]") -> list[tuple[str, ...]]:
    rows = [(hour.hour, hour.app_id, *_numbers([hour])) for hour in hours[-_SHOWN:]]
    if len(hours) > _SHOWN:
        rows.insert(0, (f"{len(hours) - _SHOWN} earlier", "", *_numbers(hours[:-_SHOWN])))
    return [*rows, ("all", "", *_numbers(hours))] if len(hours) > 1 else rows


def _numbers(hours: "list[Hour]") -> list[str]:
    return [str(sum(getattr(hour, name) for hour in hours)) for name in _NUMBERS]


def told(found: "Audit") -> str:
    """The verdict, and every difference with what it means."""
    if found.agrees:
        return "Everything is accounted for."
    lines = [f"{len(found.differences)} difference{'s' if len(found.differences) > 1 else ''}:"]
    for one in found.differences:
        lines.append(f"  {one.place}: {one.what}: {one.expected} expected, {one.found} found.")
        lines += [f"    {one.meaning}", f"    {one.remedy}"]
    return "\n".join(lines)
