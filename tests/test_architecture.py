"""The shape of the code: who may import whom, how long a file may be, what a module may be called."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SERVICES = ("collector", "enricher", "loader", "registry")
PACKAGES = ("backbone", *SERVICES, "snowmelt")
ALLOWED = {
    "backbone": {"backbone"},
    **{name: {"backbone", name} for name in SERVICES},
    "snowmelt": set(PACKAGES),
}
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers", "shared", "base"}
LONGEST = 300
OUTSIDE_WORLD = {"socket", "subprocess", "urllib.request", "http.client", "requests", "sqlite3", "duckdb"}
MAY_TOUCH_IT = {
    "backbone/bus": {"sqlite3"},
    "backbone/iglu": {"urllib.request", "http.client", "socket"},
    "enricher/assets.py": {"urllib.request", "http.client", "socket"},
    "loader": {"duckdb", "sqlite3"},
    "loader/warehouses/bigquery_client.py": {"requests"},
    "collector": {"socket"},
    "snowmelt": {"http.client", "subprocess", "duckdb", "socket"},
}


def modules(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> Iterator[str]:
    """Every module named in an import, wherever it stands in the file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", modules(*PACKAGES), ids=name_of)
def test_imports_point_one_way(path: Path) -> None:
    allowed = ALLOWED[path.relative_to(ROOT).parts[0]]
    ours = {name for name in imports(path) if name.split(".")[0] in PACKAGES}
    assert {name for name in ours if name.split(".")[0] not in allowed} == set()


@pytest.mark.parametrize("path", modules(*PACKAGES), ids=name_of)
def test_only_named_places_touch_the_outside_world(path: Path) -> None:
    place = name_of(path)
    allowed = {module for prefix, modules_ in MAY_TOUCH_IT.items() if place.startswith(prefix) for module in modules_}
    assert set(imports(path)) & OUTSIDE_WORLD <= allowed


@pytest.mark.parametrize("path", modules(*PACKAGES, "tests", "benchmarks", "terraform"), ids=name_of)
def test_files_stay_short(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= LONGEST, f"{lines} lines: split it by idea"


@pytest.mark.parametrize("path", modules(*PACKAGES), ids=name_of)
def test_modules_are_nouns_of_the_domain(path: Path) -> None:
    assert path.stem not in VAGUE
    assert not VAGUE & set(path.stem.split("_"))


@pytest.mark.parametrize("path", modules(*PACKAGES), ids=name_of)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text("utf-8"))) or not path.read_text("utf-8").strip()


def imported_by(module: str) -> set[str]:
    """Top-level packages that importing a module loads, in a fresh interpreter."""
    program = f"import sys, {module}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True, timeout=60)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_collector_starts_without_what_it_does_not_need() -> None:
    needless = {"duckdb", "jsonschema", "jsonschema_rs", "maxminddb", "geoip2", "ua_parser", "jsonpath_ng", "aiohttp", "rich"}
    assert imported_by("collector.main") & (needless | {"google", "grpc"}) == set()


def test_collector_on_pubsub_imports_no_warehouse() -> None:
    pytest.importorskip("google.pubsub_v1", reason="the libraries of Google Cloud are not installed")
    program = "import sys, collector.main, backbone.bus.pubsub; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True, timeout=60)
    loaded = done.stdout.split()
    assert "google.pubsub_v1" in loaded
    warehouses = ("duckdb", "google.cloud.bigquery", "google.cloud.bigquery_storage", "pyarrow", "pandas", "numpy")
    assert [name for name in loaded if name.startswith(warehouses)] == []
    assert not {"google.cloud.pubsub_v1", "jsonschema", "jsonschema_rs", "maxminddb", "rich", "aiohttp"} & set(loaded)


def test_reading_the_settings_loads_no_service() -> None:
    heavy = {"duckdb", "jsonschema", "jsonschema_rs", "maxminddb", "geoip2", "ua_parser", "starlette", "uvicorn", "aiohttp"}
    assert imported_by("snowmelt.configuration") & heavy == set()


def test_command_line_starts_without_the_services() -> None:
    heavy = {"duckdb", "jsonschema", "jsonschema_rs", "maxminddb", "geoip2", "ua_parser", "starlette", "uvicorn", "pydantic"}
    assert imported_by("snowmelt.cli") & heavy == set()


def test_a_loader_loads_the_libraries_of_its_own_warehouse_only() -> None:
    assert imported_by("loader.main") & {"duckdb", "google", "grpc"} == set()
    assert "duckdb" not in imported_by("loader.warehouses.bigquery")
    assert imported_by("loader.warehouses.ducklake") & {"google", "grpc"} == set()


def test_packages_named_by_the_project_exist_and_are_all_listed() -> None:
    import tomllib

    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in modules(*PACKAGES) if path.name == "__init__.py"}
    assert listed - {"schemas"} == found
