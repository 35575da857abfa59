"""`snowmelt replay`: failed events sent again to the stage that refused them, after whatever was wrong is mended."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backbone.errors import ConfigurationError, Fault, SnowmeltError
from snowmelt.options import Config, Data

if TYPE_CHECKING:
    from backbone.settings import Settings
    from loader.patches import Patch
    from loader.replay_selection import Selection
    from snowmelt.replay_report import Progress

_AGO = re.compile(r"(\d{1,6})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_WHEN = "2026-11-22, 2026-11-22T09:30 (UTC), or 90m, 12h, 7d ago."


def command(
    since: Annotated[str | None, typer.Option("--since", metavar="WHEN", help=f"Failed then or later: {_WHEN}")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="WHEN", help="Failed before then; written alike.")] = None,
    schema: Annotated[
        str | None,
        typer.Option("--schema", metavar="URI", help="Failed by this schema: iglu:vendor/name/…, whole or its beginning."),
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option("--reason", metavar="TEXT", help="A kind of failure (schema_violations), or words of the reason."),
    ] = None,
    kind: Annotated[str | None, typer.Option("--kind", metavar="NAME", help="Exactly this kind of failure.")] = None,
    app: Annotated[str | None, typer.Option("--app", metavar="ID", help="Events of this app_id.")] = None,
    where: Annotated[
        str | None, typer.Option("--where", metavar="SQL", help="A condition over the columns of failed_events.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="No more than so many.")] = None,
    patch: Annotated[
        Path | None,
        typer.Option("--patch", metavar="FILE", help="Change each event first: a JSON patch (.json) or JavaScript (.js)."),
    ] = None,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="ID", help="Go on with a replay that was stopped; alone, without filters.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Send nothing; show what would be sent and changed.")] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Send failed events again; twice does no harm. Filters combine; without any: all of them."""
    from loader import patches
    from loader.replay_selection import Selection
    from snowmelt import configuration

    chosen = {"schema": schema, "reason": reason, "kind": kind, "app": app, "where": where, "limit": limit}
    now = datetime.now(UTC)
    times = {name: moment(text, now, f"--{name}") for name, text in (("since", since), ("until", until)) if text is not None}
    if resume is not None:
        _refuse_beside_resume({**chosen, **times, "patch": patch, "dry-run": dry_run or None})
        return _resume(configuration.read(config, data), resume)
    changing = None if patch is None else patches.read(patch)
    selection = Selection(**chosen, **times)  # type: ignore[arg-type]
    settings = configuration.read(config, data)
    return _preview(settings, selection, changing) if dry_run else _replay(settings, selection, changing)


def _refuse_beside_resume(given: dict[str, Any]) -> None:
    faults = [f"--{name}" for name, value in given.items() if value is not None]
    if faults:
        problem = "goes on as the replay was begun: it takes no other choice"
        raise ConfigurationError([Fault("command line", f"--resume with {', '.join(faults)}", problem)])


def _preview(settings: "Settings", selection: "Selection", patch: "Patch | None") -> None:
    from loader.replay import preview
    from snowmelt import replay_report

    found = preview(settings, selection, patch)
    replay_report.print_preview(found)
    _end(bool(found.counts.broken))


def _replay(settings: "Settings", selection: "Selection", patch: "Patch | None") -> None:
    from loader.replay import replay
    from snowmelt import replay_report

    with replay_report.Progress() as progress, _told_how_to_go_on(progress):
        counts = replay(settings, selection, patch, progress)
    print(replay_report.told(counts))
    _end(bool(counts.broken))


def _resume(settings: "Settings", replay_id: str) -> None:
    from loader.replay import resume
    from snowmelt import replay_report

    with replay_report.Progress() as progress, _told_how_to_go_on(progress):
        counts = resume(settings, replay_id, progress)
    if counts is None:
        return print(f"Replay {replay_id} is finished: there is nothing left to do.")
    print(replay_report.told(counts))
    return _end(bool(counts.broken))


def _end(broken: bool) -> None:
    if broken:
        raise typer.Exit(1)


@contextmanager
def _told_how_to_go_on(progress: "Progress") -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, SnowmeltError):
        if progress.replay_id is not None:
            print(f"Stopped. Go on with: snowmelt replay --resume {progress.replay_id}", file=sys.stderr)
        raise


def moment(text: str, now: datetime, flag: str = "--since") -> datetime:
    """A date, a time (UTC unless it says otherwise), or how long ago. Raises ConfigurationError."""
    if match := _AGO.fullmatch(text):
        return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        problem = f"{text!r} is neither a date or time such as 2026-11-22T09:30 nor a span such as 12h"
        raise ConfigurationError([Fault("command line", flag, problem)]) from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
