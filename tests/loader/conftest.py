"""A loader with real parts: an in-memory bus, schemas in a folder, the embedded warehouse in a temporary folder."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from bigquery_server import BigQueryServer
from bookkeeping import CART, Works
from empty_warehouse import copied

from backbone import tsv
from backbone.bus.memory import MemoryBus
from backbone.event import Event
from backbone.iglu.registries import FolderRegistry, Place
from backbone.iglu.resolver import Resolver
from backbone.selfdescribing import SelfDescribing, parse_key
from loader.app import Loader
from loader.settings import LoaderSettings
from loader.warehouses.ducklake import DuckLake
from loader.warehouses.ducklake_catalog import open_reader

SELF = "http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#"


@pytest.fixture(scope="session", autouse=True)
def empty_warehouses_are_copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """In this process: others, as those of journeys, make their own."""
    with pytest.MonkeyPatch.context() as patched:
        copied(tmp_path_factory.mktemp("template"), patched)
        yield


class Schemas:
    """A registry folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, uri: str, **keywords: Any) -> None:
        key = parse_key(uri)
        file = self.folder / key.path
        file.parent.mkdir(parents=True, exist_ok=True)
        about = {"vendor": key.vendor, "name": key.name, "format": key.format, "version": str(key.version)}
        file.write_text(json.dumps({"$schema": SELF, "self": about, "type": "object", **keywords}))


def self_describing(uri: str, data: Any) -> SelfDescribing:
    return SelfDescribing(parse_key(uri), data)


def make_line(
    *,
    entities: list[tuple[str, Any]] | None = None,
    derived: list[tuple[str, Any]] | None = None,
    event: tuple[str, Any] | None = None,
    **fields: Any,
) -> bytes:
    """An enriched line; `event_id` is new unless given."""
    made = Event()
    made.collector_tstamp = "2026-01-01 10:00:00.000"
    made.v_collector, made.v_etl = "ssc-3.4.0", "snowmelt-0.1.0"
    made.event_id = str(uuid.uuid4())
    made.contexts = [self_describing(*pair) for pair in entities or ()]
    made.derived_contexts = [self_describing(*pair) for pair in derived or ()]
    if event is not None:
        made.unstruct_event = self_describing(*event)
    for name, value in fields.items():
        setattr(made, name, value)
    return tsv.line(made).encode()


class Station:
    """The loader and everything around it. `load()` runs it until the bus is empty."""

    def __init__(self, folder: Path, schemas: Schemas) -> None:
        self.folder = folder
        self.schemas = schemas
        self.bus = MemoryBus()
        self.publisher = self.bus.publisher("enricher")
        self.settings = LoaderSettings(batch_seconds=0.0, known_events=1000)
        self.resolver: Any = Resolver([FolderRegistry(Place("test"), schemas.folder)])
        self.warehouse: Callable[[Path, int], DuckLake] = DuckLake
        self.max_fields = 10_000
        self.totals: Any = None
        self._reader: duckdb.DuckDBPyConnection | None = None

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def send(self, *records: tuple[Any, bytes]) -> None:
        self.publisher.commit(records)

    def load(self) -> None:
        self.run(lambda loader: True)

    def run(self, stopping: Callable[[Loader], bool]) -> None:
        """Runs it until told to stop, and then until the bus is empty."""
        warehouse = self.warehouse(self.folder / "warehouse", self.settings.known_events)
        loader = Loader(self.bus, warehouse, self.resolver, self.settings, self.max_fields)
        try:
            loader.run(lambda: stopping(loader))
        finally:
            loader.close()
        self.totals = loader.totals

    def run_until(self, done: Callable[[Loader], bool], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        self.run(lambda loader: done(loader) or time.monotonic() > deadline)

    def load_lines(self, *lines: bytes) -> None:
        self.send(*(("enriched", line) for line in lines))
        self.load()

    @property
    def reader(self) -> duckdb.DuckDBPyConnection:
        """One for the whole test: it sees what was committed by the time of each query."""
        if self._reader is None:
            self._reader = open_reader(self.folder)
        return self._reader

    def sql(self, query: str, *parameters: Any) -> list[Any]:
        return self.reader.execute(query, parameters or None).fetchall()

    def one(self, query: str, *parameters: Any) -> Any:
        (row,) = self.sql(query, *parameters)
        return row[0] if len(row) == 1 else row

    def columns(self) -> dict[str, str]:
        table = self.reader.table("events")
        return {name: str(kind) for name, kind in zip(table.columns, table.types, strict=True)}


@pytest.fixture
def schemas(tmp_path: Path) -> Schemas:
    (tmp_path / "schemas").mkdir()
    return Schemas(tmp_path / "schemas")


@pytest.fixture
def station(tmp_path: Path, schemas: Schemas) -> Iterator[Station]:
    made = Station(tmp_path, schemas)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """One for all tests of a module, loaded once."""
    folder = tmp_path_factory.mktemp("station")
    (folder / "schemas").mkdir()
    made = Station(folder, Schemas(folder / "schemas"))
    yield made
    made.close()


@pytest.fixture
def works(tmp_path: Path, schemas: Schemas, monkeypatch: pytest.MonkeyPatch) -> Iterator[Works]:
    """With the schema of carts; an audit does not wait before it looks again."""
    with _works(tmp_path, schemas, monkeypatch) as made:
        yield made


@pytest.fixture
def cloud_works(tmp_path: Path, schemas: Schemas, monkeypatch: pytest.MonkeyPatch) -> Iterator[Works]:
    """The same with the stand-in for BigQuery."""
    with _works(tmp_path, schemas, monkeypatch, BigQueryServer(tmp_path)) as made:
        yield made


@contextmanager
def _works(
    folder: Path, schemas: Schemas, monkeypatch: pytest.MonkeyPatch, server: BigQueryServer | None = None
) -> Iterator[Works]:
    monkeypatch.setattr("loader.audit._PAUSE", 0.0)
    schemas.put(CART, properties={"a": {"type": "string"}})
    made = Works(folder / "data", schemas.folder, server=server)
    yield made
    made.stop()
    if server is not None:
        server.close()


@pytest.fixture(scope="session")
def line() -> Callable[..., bytes]:
    return make_line
