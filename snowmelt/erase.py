"""`snowmelt erase`: a person's events, out of everything this installation keeps; with the numbers that prove it."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from backbone.errors import ConfigurationError, Fault
from snowmelt.options import Config, Data

if TYPE_CHECKING:
    from backbone.person import Person
    from backbone.settings import Settings
    from snowmelt.erasure import Outcome

Ids = list[str] | None


def command(
    user_id: Annotated[Ids, typer.Option("--user-id", metavar="ID", help="Events with this user_id; may be repeated.")] = None,
    domain_userid: Annotated[
        Ids, typer.Option("--domain-userid", metavar="ID", help="Events with this domain_userid; may be repeated.")
    ] = None,
    network_userid: Annotated[
        Ids, typer.Option("--network-userid", metavar="ID", help="Events with this network_userid; may be repeated.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what there is now.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, on a terminal.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Run enricher and loader, where they are stopped, until they have read the bus.")
    ] = False,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=1, help="How long services get to read the bus, and to answer.")
    ] = 600.0,
    data: Data = None,
    config: Config = None,
) -> None:
    """Erase a person: rows, failed and waiting events, and the bus. Prints counts before and after; 1 if anything is left."""
    from snowmelt import configuration
    from snowmelt.erasure import Erasure

    _check(user_id, domain_userid, network_userid)
    settings = configuration.read(config, data)
    person = _person(settings, user_id or [], domain_userid or [], network_userid or [])
    erasure = Erasure(settings, person, wait, _note)
    if dry_run:
        _table(erasure.found())
        return
    flags = [*(["--data", str(data)] if data else []), *(["--config", str(config)] if config else [])]
    outcome = erasure.run(offline, flags, lambda found: _sure(found, yes))
    _report(outcome)
    raise typer.Exit(0 if outcome.clean else 1)


def _check(*given: Ids) -> None:
    from backbone.person import NOBODY

    ids = [value for values in given for value in values or ()]
    if not ids or not all(ids):
        raise typer.BadParameter("at least one id is needed, none of them empty", param_hint="--user-id")
    if NOBODY in ids:
        problem = f"{NOBODY} is what everybody has who is anonymous: it is no person's"
        raise ConfigurationError([Fault("command line", "--network-userid", problem)])


def _person(settings: "Settings", user: Sequence[str], domain: Sequence[str], network: Sequence[str]) -> "Person":
    """With the pseudonyms that the enrichment files make of the ids."""
    from backbone.person import Person
    from collector.settings import CollectorSettings
    from enricher.settings import EnricherSettings
    from snowmelt.pseudonyms import forms, hashers

    found = hashers(settings.section("enricher", EnricherSettings).enrichments)
    making = [make for _, make in found]
    cookie = settings.section("collector", CollectorSettings).cookie
    print("Looked for: the ids as given" + "".join(f", and as {path} hashes them" for path, _ in found) + ".")
    names = [name for name in (cookie.name, cookie.client_name) if name]
    return Person.of(forms(user, making), forms(domain, making), forms(network, making), names)


def _sure(found: Mapping[str, int], yes: bool) -> None:
    if not yes and sys.stdin.isatty():
        _table(found)
        typer.confirm("Erase this for ever?", abort=True)


def _table(before: Mapping[str, int], after: Mapping[str, int] | None = None) -> None:
    print(f"{'':<16}{'before':>12}{'after':>12}" if after is not None else f"{'':<16}{'now':>12}")
    for place in before:
        print(f"{place:<16}{before[place]:>12,}" + (f"{after.get(place, 0):>12,}" if after is not None else ""))


def _report(outcome: "Outcome") -> None:
    _table(outcome.before, outcome.after)
    if outcome.purged is not None:
        print(f"{outcome.purged:,} records of the bus were removed: all that enricher and loader had read, whoever's they were.")
    for line in (*outcome.told(), *outcome.remarks):
        print(line)


def _note(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)
