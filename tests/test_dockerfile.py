"""The Dockerfile: what can be told of it without a container engine. What it makes is run in journeys/test_image.py."""

import re
import tomllib
from pathlib import Path

import image
import pytest

from backbone.settings import load
from snowmelt.configuration import MODELS

LAST = image.last_stage()
TEXT = image.DOCKERFILE.read_text("utf-8")


def test_it_builds_in_one_stage_and_ships_another_on_the_same_base() -> None:
    assert image.of("FROM") == ["${BASE} AS build", "${BASE}"]
    (base,) = image.of("ARG", 0)
    assert re.fullmatch(r"BASE=[a-z]+:3\.\d+-slim", base)


def test_nothing_is_pinned_that_nobody_looked_at() -> None:
    """A digest made up would not build; `latest` would build something else tomorrow."""
    said = "\n".join(f"{each.word} {each.text}" for each in image.instructions())
    assert "sha256" not in said
    assert "latest" not in said


def test_every_dependency_is_installed_by_hash_and_none_is_compiled() -> None:
    (install,) = [text for text in image.of("RUN", 1) if "--requirement" in text]
    assert {"--require-hashes", "--only-binary", "requirements/gcp.txt"} <= set(install.split())
    others = [text for text in image.of("RUN") if re.search(r"pip (install|wheel)", text) and text != install]
    assert all("--no-index" in text and "--no-deps" in text for text in others)
    assert not re.search(r"apt-get|apk |gcc|curl|wget", TEXT)


def test_what_builds_is_not_shipped() -> None:
    assert any(re.search(r"pip uninstall .*\bsetuptools\b.*\bpip\b", text) for text in image.of("RUN", 1))
    assert image.of("RUN", LAST) == ["python -m pip uninstall --yes --root-user-action=ignore setuptools wheel pip"]
    assert [text for text in image.of("COPY", LAST) if text.startswith("--from")] == ["--from=build /opt/snowmelt /opt/snowmelt"]


@pytest.mark.parametrize("source", [*image.copied(1), *image.copied(LAST)])
def test_what_is_copied_is_there_and_not_ignored(source: str) -> None:
    assert (image.ROOT / source).exists()
    assert f"!{source}" in (image.ROOT / ".dockerignore").read_text("utf-8").splitlines()


def test_everything_else_is_ignored() -> None:
    lines = (image.ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == {*image.copied(1), *image.copied(LAST)}


def test_every_package_of_the_wheel_is_copied() -> None:
    packages = tomllib.loads((image.ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]
    assert {name.split(".")[0] for name in packages} <= set(image.copied(1))


def test_it_runs_as_a_numbered_user_that_owns_nothing() -> None:
    assert image.of("USER", LAST) == [f"{image.USER}:{image.USER}"]
    assert not any("--chown" in text for text in image.of("COPY", LAST))
    words = [each.word for each in image.instructions() if each.stage == LAST]
    assert words.index("USER") > max(at for at, word in enumerate(words) if word in ("RUN", "COPY"))


def test_roles_are_commands() -> None:
    assert image.of("ENTRYPOINT", LAST) == ['["snowmelt"]']
    assert image.of("CMD", LAST) == ['["--help"]']


def test_no_secret_is_in_it() -> None:
    assert not re.search(r"(?i)secret\s*=|password|token|credential|api_?key|--mount=type=secret", TEXT)


def test_its_environment_names_settings_that_exist(tmp_path: Path) -> None:
    (tmp_path / "empty.toml").touch()
    settings = load(tmp_path / "empty.toml", MODELS, environment=image.environment())
    assert (settings.bus.kind, settings.service.health_port, settings.service.health_host) == ("pubsub", 8080, "0.0.0.0")


def test_its_bounds_leave_cloud_run_no_reason_to_kill() -> None:
    """Ten seconds after SIGTERM Cloud Run sends SIGKILL."""
    environment = image.environment()
    assert float(environment["SNOWMELT_SERVICE_STOP_SECONDS"]) < 10
    store = 4.0  # `collector.timeouts.store`: a commit under way when the last request was answered
    assert float(environment["SNOWMELT_COLLECTOR_TIMEOUTS_DRAIN"]) + store < 10
    assert float(environment["SNOWMELT_LOADER_DRAIN_SECONDS"]) < float(environment["SNOWMELT_SERVICE_STOP_SECONDS"])


def test_its_probe_asks_where_its_services_answer() -> None:
    (probe,) = image.of("HEALTHCHECK", LAST)
    environment = image.environment()
    for name in ("SNOWMELT_COLLECTOR_PORT", "SNOWMELT_SERVICE_HEALTH_PORT"):
        assert f"127.0.0.1:{environment[name]}/health" in probe
    assert image.of("EXPOSE", LAST) == [environment["SNOWMELT_COLLECTOR_PORT"]]
