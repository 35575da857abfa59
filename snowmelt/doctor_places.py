"""Bus and warehouse of the settings, as the doctor looks at them. Libraries of Google Cloud are imported only where needed."""

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from backbone.bus import Bus, open_bus
from backbone.errors import ConfigurationError, Fault
from backbone.settings import BusSettings, Settings
from loader.settings import WarehouseSettings
from snowmelt import doctor_here
from snowmelt.doctor_check import Check, Role
from snowmelt.doctor_event import Find, Landed

if TYPE_CHECKING:
    from loader.warehouses.bigquery_client import Session

Checks = Callable[[Collection[Role]], Iterator[Check]]


class BusPlace(NamedTuple):
    """`watched`: where the event can be seen to pass."""

    checks: Checks
    watched: Bus | None


class WarehousePlace(NamedTuple):
    checks: Checks
    find: Find


def bus(settings: Settings, watch: bool, stack: ExitStack) -> BusPlace:
    """Raises ConfigurationError, BusUnavailable."""
    if settings.bus.kind == "pubsub":
        return _pubsub(settings.bus, watch, stack)
    return BusPlace(lambda _: doctor_here.data_folder(settings), open_bus(settings) if settings.data.bus.is_dir() else None)


def warehouse(settings: Settings, stack: ExitStack) -> WarehousePlace:
    """Raises ConfigurationError."""
    keeping = settings.section("warehouse", WarehouseSettings)
    if keeping.kind == "bigquery":
        return _bigquery(keeping, stack)
    return WarehousePlace(lambda _: iter(()), partial(_in_ducklake, settings))


def _pubsub(settings: BusSettings, watch: bool, stack: ExitStack) -> BusPlace:
    try:
        from backbone.bus.pubsub import PubSubBus, names_of
        from backbone.bus.pubsub_channel import Channel
        from snowmelt import doctor_pubsub
    except ModuleNotFoundError as problem:
        raise _libraries("bus.kind", problem) from None
    endpoint = settings.endpoint or os.environ.get("PUBSUB_EMULATOR_HOST")
    names = names_of(settings, endpoint)
    channel = stack.enter_context(closing(Channel(endpoint)))
    watched = stack.enter_context(closing(PubSubBus(names, endpoint))) if watch else None
    return BusPlace(partial(doctor_pubsub.checks, channel, names), watched)


def _bigquery(settings: WarehouseSettings, stack: ExitStack) -> WarehousePlace:
    try:
        from loader.warehouses.bigquery_access import place_of
        from loader.warehouses.bigquery_client import Session
        from snowmelt import doctor_bigquery
    except ModuleNotFoundError as problem:
        raise _libraries("warehouse.kind", problem) from None
    session = stack.enter_context(closing(Session(place_of(settings))))
    return WarehousePlace(partial(doctor_bigquery.checks, session), partial(_in_bigquery, session))


def _libraries(key: str, problem: ModuleNotFoundError) -> ConfigurationError:
    text = f"needs the libraries of Google Cloud ({problem.name} is missing): install snowmelt[gcp]"
    return ConfigurationError([Fault("settings", key, text)])


def _in_ducklake(settings: Settings, event_id: str) -> Landed | None:
    from snowmelt.sql import query

    times = "epoch_us(collector_tstamp) c, epoch_us(etl_tstamp) e, epoch_us(load_tstamp) l"
    for table, why in (("events", "null"), ("failed_events", "coalesce(reason, kind, '')")):
        statement = f"select {times}, {why} w from {table} where event_id = '{event_id}'"
        for row in query(settings, statement):
            return _landed(row["c"], row["e"], row["l"], row["w"])
    return None


def _in_bigquery(session: "Session", event_id: str) -> Landed | None:
    """Of today's partition only: the query costs what it reads."""
    from loader.warehouses.bigquery_client import BigQueryRefused, BigQueryUnavailable

    times = "UNIX_MICROS(collector_tstamp), UNIX_MICROS(etl_tstamp), UNIX_MICROS(load_tstamp)"
    recent = "load_tstamp >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 DAY)"
    for table, why in (("events", "NULL"), ("failed_events", "COALESCE(reason, kind, '')")):
        statement = f"SELECT {times}, {why} FROM {session.quoted(table)} WHERE event_id = @event AND {recent}"
        try:
            for row in session.query(statement, event=event_id):
                return _landed(*row)
        except BigQueryRefused as problem:
            raise BigQueryUnavailable(f"{table}: {problem}") from problem
    return None


def _landed(collected: int | None, enriched: int | None, loaded: int | None, why: str | None) -> Landed:
    """Times in microseconds since 1970."""
    return Landed(_seconds(collected), _seconds(enriched), _seconds(loaded), why)


def _seconds(micros: int | None) -> float | None:
    return None if micros is None else micros / 1e6
