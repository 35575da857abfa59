"""`snowmelt audit`: whether everything that was accepted is in the warehouse, and what differs if not."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snowmelt.options import Config, Data
from snowmelt.output import printing

if TYPE_CHECKING:
    from loader.audit import Audit, Hour

_SHOWN = 48
_ALWAYS = ("received", "loaded", "failed", "duplicates")
_NUMBERS = (*_ALWAYS, "waiting", "recovered", "removed")


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
    if found.hours:
        print(table(*_hours(found.hours)), end="\n\n")
    if found.stages:
        rows = [[stage.name, *map(str, stage[1:])] for stage in found.stages]
        print(table(["stage", "sent", "received", "on the way"], rows, texts=1), end="\n\n")
    for note in found.notes:
        print(note)
    print(told(found))


def table(header: list[str], rows: list[list[str]], texts: int = 2) -> str:
    """Columns as wide as they need; the first `texts` begin left, numbers end right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if at < texts else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (header, *rows)
    ]
    return "\n".join(lines)


def _hours(hours: "list[Hour]") -> tuple[list[str], list[list[str]]]:
    """Header and rows: the latest hours, the earlier ones as one, their sum. What never happened has no column."""
    names = [name for name in _NUMBERS if name in _ALWAYS or any(getattr(hour, name) for hour in hours)]

    def summed(title: str, app_id: str, some: "list[Hour]") -> list[str]:
        return [title, app_id, *(str(sum(getattr(hour, name) for hour in some)) for name in names)]

    rows = [summed(hour.hour, hour.app_id, [hour]) for hour in hours[-_SHOWN:]]
    if len(hours) > _SHOWN:
        rows.insert(0, summed(f"{len(hours) - _SHOWN} earlier", "", hours[:-_SHOWN]))
    if len(hours) > 1:
        rows.append(summed("all", "", hours))
    return ["hour (UTC)", "app", *names], rows


def told(found: "Audit") -> str:
    """The verdict, and every difference with what it means."""
    if found.agrees:
        return "Everything is accounted for."
    lines = [f"{len(found.differences)} difference{'s' if len(found.differences) > 1 else ''}:"]
    for one in found.differences:
        lines.append(f"  {one.place}: {one.what}: {one.expected} expected, {one.found} found.")
        lines += [f"    {one.meaning}", f"    {one.remedy}"]
    return "\n".join(lines)
