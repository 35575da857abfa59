"""One TOML file and the environment become frozen settings; every fault is reported at once, with file and key.

A section of the file is a pydantic model; each service keeps its own in `<service>/settings.py`, the shared ones are here.
`SNOWMELT_<SECTION>_<KEY>` (nested keys joined by `_`) overrides the file; on Cloud Run `PORT` overrides ports; a command-line
flag overrides all.
Lists and tables in the environment are written as TOML values: `SNOWMELT_COLLECTOR_COOKIE_DOMAINS='["acme.com"]'`.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backbone import cloud_run
from backbone.errors import ConfigurationError, Fault

ENVIRONMENT_PREFIX = "SNOWMELT_"
_SECTIONLESS = {"SNOWMELT_GCP_PROJECT", "SNOWMELT_GOLDEN", "SNOWMELT_IGLU_CENTRAL", "SNOWMELT_TEST_LONG"}
_PORTS = (("collector", "port"), ("service", "health_port"))
"""Set by `PORT` on Cloud Run: each service answers there, whatever image or file say."""


class Section(BaseModel):
    """Base of every settings model: immutable, no unknown keys, each field described."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, strict=False)


Bytes = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(ge=0)]


class DataSettings(Section):
    """`[data]`: where this machine keeps what must survive."""

    folder: Path = Path("snowmelt-data")
    """Folder of the bus and the embedded warehouse."""

    @property
    def bus(self) -> Path:
        return self.folder / "bus"

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse"


class TopicSettings(Section):
    """`[bus.topics]`: names of the Pub/Sub topics, without the prefix."""

    raw: str = "raw"
    """Topic of the requests the collector accepted."""
    enriched: str = "enriched"
    """Topic of good events."""
    failed: str = "failed"
    """Topic of failed events, typed."""
    bad: str = "bad"
    """Topic of bad rows; notes of replays travel on it too, marked by the attribute `stream`."""
    dead_letter: str = "dead-letter"
    """Topic to which Pub/Sub moves what could not be delivered in a hundred attempts."""


class BusSettings(Section):
    """`[bus]`: what carries records between the services."""

    kind: Literal["log", "pubsub"] = "log"
    """`log`: the embedded durable log, refused on Cloud Run, whose disk is memory. `pubsub`: Google Pub/Sub."""
    max_bytes: Bytes = 10_000_000_000
    """Disk the log may take, all producers together; beyond it the collector answers 503."""
    segment_bytes: Bytes = 64_000_000
    """Size at which a new file is begun; a file is deleted as a whole once every consumer has read it."""
    project: str | None = None
    """Google Cloud project of the topics; by default GOOGLE_CLOUD_PROJECT, then the project of the credentials."""
    endpoint: str | None = None
    """`host:port` of a Pub/Sub emulator, spoken to without encryption and credentials; by default PUBSUB_EMULATOR_HOST."""
    prefix: str = ""
    """Put before the names of topics and subscriptions: `prod-` makes them `prod-raw`, `prod-raw-enricher`, …"""
    topics: TopicSettings = TopicSettings()
    subscriptions: dict[str, str] = Field(default={})
    """Names of subscriptions, in full, where they are not `<topic>-<consumer>`: `{ raw-enricher = "our-name" }`."""
    create: bool = False
    """Whether missing topics and subscriptions are created; with an emulator they always are."""
    deadline: Annotated[float, Field(gt=0, le=2)] = 2.0
    """Seconds a Publish may take, repetitions included; then the collector answers 503."""
    held_bytes: Bytes = 100_000_000
    """Bytes of messages that a consumer holds at a time, pulled and not acknowledged yet."""
    compression: Literal["none", "zstd", "gzip"] = "none"
    """On Pub/Sub: how the collector packs the requests of one Publish together. Snowplow's enricher reads it from 6.1 on."""


class IgluSettings(Section):
    """`[iglu]`: where schemas come from."""

    schemas: tuple[Path, ...] = (Path("schemas"),)
    """Registry folders (`vendor/name/format/version` below each), asked in this order, before any HTTP registry."""
    resolver: Path | None = None
    """A `resolver.json` in Snowplow's format, for HTTP registries and further folders."""


class ServiceSettings(Section):
    """`[service]`: enricher and loader as processes that something else starts, watches and stops."""

    health_host: str = "127.0.0.1"
    """Address on which `/health` is answered; `0.0.0.0` or `::` for all. The collector answers it on its own port."""
    health_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Port for it; 0 picks a free one and logs it; unset: none. Not with `snowmelt up`, which runs several services."""
    stuck_seconds: Annotated[float, Field(gt=0)] = 900.0
    """How long one step may take before `/health` says 503."""
    stop_seconds: Annotated[float, Field(gt=0)] | None = None
    """Longest time from SIGTERM to the end; what is in hand by then comes again. Unset: as long as the step under way takes."""


SHARED: dict[str, type[Section]] = {
    "data": DataSettings,
    "bus": BusSettings,
    "iglu": IgluSettings,
    "service": ServiceSettings,
}

S = TypeVar("S", bound=Section)


class Settings:
    """Sections by name: `settings.section("collector", CollectorSettings)`."""

    def __init__(self, sections: Mapping[str, Section]) -> None:
        self._sections = dict(sections)

    def section(self, name: str, model: type[S]) -> S:
        found = self._sections[name]
        if not isinstance(found, model):
            raise TypeError(f"section {name} is {type(found).__name__}, not {model.__name__}")
        return found

    @property
    def data(self) -> DataSettings:
        return self.section("data", DataSettings)

    @property
    def bus(self) -> BusSettings:
        return self.section("bus", BusSettings)

    @property
    def iglu(self) -> IgluSettings:
        return self.section("iglu", IgluSettings)

    @property
    def service(self) -> ServiceSettings:
        return self.section("service", ServiceSettings)


def load(
    file: Path | None,
    models: Mapping[str, type[Section]],
    *,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """Settings of the given sections plus the shared ones.

    `flags` are dotted keys from the command line (`{"collector.port": 9091}`), `None` meaning "not given". Raises
    ConfigurationError holding every fault of file, environment and flags.
    """
    environment = os.environ if environment is None else environment
    models = {**SHARED, **models}
    faults: list[Fault] = []
    table, name = _read(file, faults)
    origin: dict[str, str] = {}
    for key in sorted(set(table) - set(models)):
        faults.append(Fault(name, key, f"unknown section; known are {', '.join(sorted(models))}"))
    for variable, text in sorted(environment.items()):
        if variable.startswith(ENVIRONMENT_PREFIX) and variable not in _SECTIONLESS:
            path = _path_of(variable, models)
            if path is None:
                faults.append(Fault("environment", variable, "names no setting"))
            else:
                _put(table, path, _value(text), origin, variable)
    if (port := cloud_run.port(environment)) is not None:
        for path in (path for path in _PORTS if path[0] in models):
            _put(table, path, port, origin, "PORT")
    for dotted, value in (flags or {}).items():
        if value is not None:
            _put(table, tuple(dotted.split(".")), value, origin, "command line")
    sections: dict[str, Section] = {}
    for section, model in models.items():
        try:
            sections[section] = model.model_validate(table.get(section, {}))
        except ValidationError as problem:
            faults.extend(_faults(problem, section, name, origin))
    if faults:
        raise ConfigurationError(faults)
    return Settings(sections)


def _read(file: Path | None, faults: list[Fault]) -> tuple[dict[str, Any], str]:
    if file is None:
        file = Path("snowmelt.toml")
        if not file.exists():
            return {}, str(file)
    try:
        return tomllib.loads(file.read_text("utf-8")), str(file)
    except OSError as problem:
        faults.append(Fault(str(file), "", f"cannot be read: {problem.strerror}"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        faults.append(Fault(str(file), "", f"is not TOML: {problem}"))
    return {}, str(file)


def _faults(problem: ValidationError, section: str, file: str, origin: Mapping[str, str]) -> Iterator[Fault]:
    for error in problem.errors(include_url=False, include_input=False):
        key = ".".join(str(part) for part in (section, *error["loc"]))
        text = "unknown key" if error["type"] == "extra_forbidden" else error["msg"].removeprefix("Value error, ")
        source = next((where for prefix, where in origin.items() if key == prefix or key.startswith(prefix + ".")), file)
        yield Fault(source, key, text)


def _put(table: dict[str, Any], path: tuple[str, ...], value: Any, origin: dict[str, str], where: str) -> None:
    origin[".".join(path)] = where
    for part in path[:-1]:
        inner = table.get(part)
        table[part] = inner = dict(inner) if isinstance(inner, dict) else {}
        table = inner
    table[path[-1]] = value


def _value(text: str) -> Any:
    """A TOML value where the text is one of list or table form, else the text itself (pydantic reads numbers and booleans)."""
    if text[:1] in ("[", "{"):
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text
    return text


def _path_of(variable: str, models: Mapping[str, type[Section]]) -> tuple[str, ...] | None:
    wanted = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
    return next((path for path in keys(models) if "_".join(path) == wanted), None)


def keys(models: Mapping[str, type[Section]]) -> Iterator[tuple[str, ...]]:
    """Every setting as its path, nested sections walked: `("collector", "cookie", "name")`."""
    for section, model in models.items():
        for path, _ in fields(model):
            yield (section, *path)


def fields(model: type[BaseModel]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(path within the section, pydantic field) for every leaf setting."""
    for name, info in model.model_fields.items():
        nested = _nested(info.annotation)
        if nested is None:
            yield (name,), info
        else:
            for path, inner in fields(nested):
                yield (name, *path), inner


def _nested(annotation: Any) -> type[BaseModel] | None:
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
