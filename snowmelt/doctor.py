"""`snowmelt doctor`: one event sent and followed to its row, and everything on its way looked at."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from backbone import jsontext
from snowmelt.doctor_check import ROLES, Check, Role, fine, wrong
from snowmelt.options import Config, Data

if TYPE_CHECKING:
    from backbone.settings import Settings
    from snowmelt.doctor_event import Journey
    from snowmelt.doctor_places import BusPlace, WarehousePlace

_SIGNS = {"fine": "✓", "doubtful": "!", "wrong": "✗", "unknown": "?"}
_KINDS = {"local": ("log", "ducklake"), "gcp": ("pubsub", "bigquery")}


class Target(StrEnum):
    local = "local"
    gcp = "gcp"


class RoleName(StrEnum):
    collector = "collector"
    enricher = "enricher"
    loader = "loader"
    none = "none"


def command(
    target: Annotated[
        Target | None,
        typer.Option("--target", help="Where all of it is meant to run; by default wherever the configuration says."),
    ] = None,
    collector_url: Annotated[
        str | None, typer.Option("--collector-url", metavar="URL", help="The collector; by default that of the configuration.")
    ] = None,
    role: Annotated[
        list[RoleName] | None,
        typer.Option(
            "--role",
            help="Check only what this service needs, when run as its account; may be repeated. `none`: no service's rights.",
        ),
    ] = None,
    wait: Annotated[float, typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for the event's row.")] = 60,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="On Pub/Sub: see the event pass, by subscriptions that are deleted again (pubsub.editor)."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Send a marked event, wait for its row, time each stage; check permissions and set-up. Exit code 1 if anything is wrong."""
    from snowmelt import configuration, doctor_places
    from snowmelt.doctor_event import Journey

    settings = configuration.read(config, data)
    wanted = {one.value for one in role or ()}
    roles = [each for each in ROLES if not wanted or each in wanted]
    url = _checked(collector_url) if collector_url else _usual_url(settings)
    with ExitStack() as stack:
        bus = doctor_places.bus(settings, watch, stack)
        warehouse = doctor_places.warehouse(settings, stack)
        journey = Journey(url, warehouse.find, bus.watched)
        found: list[Check] = []
        for check in _checks(settings, target, roles, bus, warehouse, url, journey, wait):
            if not as_json:
                _tell(check, new=not found or found[-1].about != check.about)
            found.append(check)
    wrongs = sum(check.outcome == "wrong" for check in found)
    if as_json:
        print(jsontext.dumps(_report(found, journey), False))
    else:
        print(f"\n{wrongs} of {len(found)} checks failed" if wrongs else f"\nAll is well: {len(found)} checks.")
    if wrongs:
        raise typer.Exit(1)


def _checks(
    settings: "Settings",
    target: Target | None,
    roles: Collection[Role],
    bus: "BusPlace",
    warehouse: "WarehousePlace",
    url: str,
    journey: "Journey",
    wait: float,
) -> Iterator[Check]:
    """The event last: when it gets lost, what was said before tells why."""
    from snowmelt import doctor_here

    if target is not None:
        yield from _as_meant(settings, target)
    yield from bus.checks(roles)
    yield from warehouse.checks(roles)
    yield from doctor_here.registries(settings)
    yield from doctor_here.collector(url)
    yield from journey.checks(wait)


def _as_meant(settings: "Settings", target: Target) -> Iterator[Check]:
    from loader.settings import WarehouseSettings

    kinds = (settings.bus.kind, settings.section("warehouse", WarehouseSettings).kind)
    for key, kind, meant in zip(("bus.kind", "warehouse.kind"), kinds, _KINDS[target.value], strict=True):
        remedy = f'set {key} = "{meant}", or name the configuration of the services by --config'
        what = f"{key} is {meant}"
        yield fine("Settings", what) if kind == meant else wrong("Settings", what, f"it is {kind}", remedy)


def _usual_url(settings: "Settings") -> str:
    from collector.settings import CollectorSettings

    own = settings.section("collector", CollectorSettings)
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(own.host, own.host)
    return f"{'https' if own.tls.certificate else 'http'}://{host}:{own.port}"


def _checked(url: str) -> str:
    """Raises ConfigurationError."""
    from backbone.errors import ConfigurationError, Fault
    from snowmelt.delivery import target

    try:
        target(url)
    except ConfigurationError as error:
        raise ConfigurationError([Fault("command line", "--collector-url", error.faults[0].problem)]) from None
    return url.rstrip("/")


def _tell(check: Check, new: bool) -> None:
    if new:
        print(f"\n{check.about}")
    said = f": {check.said}" if check.said else ""
    print(f"  {_SIGNS[check.outcome]} {check.what}{said}", flush=True)
    if check.remedy:
        print(f"      → {check.remedy}", flush=True)


def _report(found: Collection[Check], journey: "Journey") -> object:
    return {
        "ok": all(check.outcome != "wrong" for check in found),
        "checks": [check._asdict() for check in found],
        "event": {"event_id": journey.event_id, "seconds": {name: round(value, 4) for name, value in journey.stages.items()}},
    }
