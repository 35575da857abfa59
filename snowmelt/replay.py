"""`snowmelt replay`: failed events sent again to the stage that refused them, after whatever was wrong is mended."""

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from backbone.errors import ConfigurationError, Fault
from snowmelt.options import Config, Data

if TYPE_CHECKING:
    from loader.replay import Summary

_AGO = re.compile(r"(\d{1,6})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def command(
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="WHEN", help="Failed then or later: 2026-11-22, 2026-11-22T09:30 (UTC), or 90m, 12h, 7d ago."
        ),
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option("--schema", metavar="URI", help="Failed by this schema: iglu:vendor/name/…, whole or its beginning."),
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option("--reason", metavar="TEXT", help="A kind of failure (schema_violations), or words of the reason."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Send failed events again; twice does no harm. Without filters: all of them."""
    from loader.replay import replay
    from snowmelt import configuration

    earliest = None if since is None else moment(since, datetime.now(UTC))
    print(told(replay(configuration.read(config, data), earliest, schema, reason, dry_run)))


def moment(text: str, now: datetime) -> datetime:
    """A date, a time (UTC unless it says otherwise), or how long ago. Raises ConfigurationError."""
    if match := _AGO.fullmatch(text):
        return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        problem = f"{text!r} is neither a date or time such as 2026-11-22T09:30 nor a span such as 12h"
        raise ConfigurationError([Fault("command line", "--since", problem)]) from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def told(summary: "Summary") -> str:
    """What happened, one line each."""
    if not summary.selected:
        return "No failed event matches."
    verb = "would be sent" if summary.dry_run else "sent"
    lines = [
        f"{summary.selected} failed selected; {verb}: {summary.to_enricher} to the enricher, {summary.to_loader} to the loader."
    ]
    if summary.in_flight:
        lines.append(f"{summary.in_flight} were sent before and are still on their way.")
    lines += [f"{count} cannot be sent: {why}." for why, count in sorted(summary.not_replayable.items())]
    if summary.sent and not summary.dry_run:
        lines.append("What passes now moves to `events`; what fails again stays in `failed_events`.")
    return "\n".join(lines)
