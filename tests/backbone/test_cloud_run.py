"""On Cloud Run ports are given, and nothing is kept on a disk that is memory."""

from pathlib import Path

import pytest

from backbone import settings
from backbone.bus import open_bus
from backbone.errors import ConfigurationError
from backbone.settings import Settings
from collector.settings import CollectorSettings
from loader import main as loader
from loader.settings import LoaderSettings, WarehouseSettings

MODELS = {"collector": CollectorSettings, "loader": LoaderSettings, "warehouse": WarehouseSettings}
MARKS = ("K_SERVICE", "CLOUD_RUN_WORKER_POOL", "CLOUD_RUN_JOB")


def read(folder: Path, environment: dict[str, str], **flags: object) -> Settings:
    file = folder / "snowmelt.toml"
    file.write_text("[collector]\nport = 7000\n", "utf-8")
    given = {"data.folder": folder / "data", **{name.replace("_", "."): value for name, value in flags.items()}}
    return settings.load(file, MODELS, environment=environment, flags=given)


def ports(read: Settings) -> tuple[int, int | None]:
    return read.section("collector", CollectorSettings).port, read.service.health_port


@pytest.mark.parametrize("mark", MARKS)
def test_port_wins_over_file_and_environment(tmp_path: Path, mark: str) -> None:
    environment = {mark: "x", "PORT": "8123", "SNOWMELT_COLLECTOR_PORT": "1", "SNOWMELT_SERVICE_HEALTH_PORT": "2"}
    assert ports(read(tmp_path, environment)) == (8123, 8123)
    assert ports(read(tmp_path, environment, collector_port=5)) == (5, 8123)


def test_elsewhere_port_is_somebody_elses(tmp_path: Path) -> None:
    assert ports(read(tmp_path, {"PORT": "3000"})) == (7000, None)


def test_a_port_that_is_none_is_a_fault_of_the_environment(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"(?m)^PORT: collector\.port: "):
        read(tmp_path, {"K_SERVICE": "x", "PORT": "http"})


@pytest.mark.parametrize("mark", MARKS)
def test_the_embedded_log_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str) -> None:
    monkeypatch.setenv(mark, "x")
    with pytest.raises(ConfigurationError, match=r"bus\.kind.*disk is memory"):
        open_bus(read(tmp_path, {}))


@pytest.mark.parametrize("mark", MARKS)
def test_the_embedded_warehouse_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str) -> None:
    monkeypatch.setenv(mark, "x")
    with pytest.raises(ConfigurationError, match=r"warehouse\.kind.*disk is memory"):
        loader.run(read(tmp_path, {}))
    assert not (tmp_path / "data/warehouse").exists()
