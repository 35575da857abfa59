"""Settings: defaults, and every fault found at start."""

from pathlib import Path
from typing import Any

import pytest

from backbone.errors import ConfigurationError
from backbone.settings import load
from collector.settings import CollectorSettings


def loaded(tmp_path: Path, toml: str, **environment: str) -> CollectorSettings:
    file = tmp_path / "snowmelt.toml"
    file.write_text(toml)
    return load(file, {"collector": CollectorSettings}, environment=environment).section("collector", CollectorSettings)


def test_defaults_are_those_of_snowplow(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "")
    assert (settings.host, settings.port, settings.name) == ("127.0.0.1", 9090, None)
    assert (settings.cookie.name, settings.cookie.expiration, settings.cookie.same_site) == ("sp", 31_536_000, "None")
    assert (settings.limits.record_bytes, settings.limits.body_bytes) == (10_000_000, 20_971_520)
    assert not settings.redirects.enabled
    assert not settings.bounce.enabled


def test_file_and_environment(tmp_path: Path) -> None:
    toml = '[collector]\nport = 9091\n[collector.paths]\n"/a/b" = "/c/d"\n[collector.cookie]\nsame_site = "strict"\n'
    settings = loaded(tmp_path, toml, SNOWMELT_COLLECTOR_NAME="ssc-1", SNOWMELT_COLLECTOR_COOKIE_DOMAINS='["a.example"]')
    assert (settings.port, settings.name, settings.paths) == (9091, "ssc-1", {"/a/b": "/c/d"})
    assert (settings.cookie.same_site, settings.cookie.domains) == ("Strict", ("a.example",))


@pytest.mark.parametrize(
    ("section", "line", "key"),
    [
        ("collector", 'port = "http"', "collector.port"),
        ("collector", "port = 70000", "collector.port"),
        ("collector", "trusted_hops = -1", "collector.trusted_hops"),
        ("collector", 'nmae = "x"', "collector.nmae"),
        ("collector.cookie", 'name = "s p"', "collector.cookie.name"),
        ("collector.cookie", 'client_name = "a;b"', "collector.cookie.client_name"),
        ("collector.cookie", 'same_site = "sometimes"', "collector.cookie.same_site"),
        ("collector.cookie", 'expiration = "soon"', "collector.cookie.expiration"),
        ("collector.cookie", "expiration = -1", "collector.cookie.expiration"),
        ("collector.cookie", 'domains = "foo.bar"', "collector.cookie.domains"),
        ("collector.cookie", 'domains = ["a b"]', "collector.cookie.domains"),
        ("collector.cookie", 'fallback_domain = "a;b"', "collector.cookie.fallback_domain"),
        ("collector.do_not_track", 'enabled = true\nname = "x"\nvalue = "("', "collector.do_not_track.value"),
        ("collector.do_not_track", "enabled = true", "collector.do_not_track"),
        ("collector.bounce", 'fallback_network_user_id = "x"', "collector.bounce.fallback_network_user_id"),
        ("collector.bounce", 'name = "a&b"', "collector.bounce.name"),
        ("collector.root", "status = 42", "collector.root.status"),
        ("collector.root", 'headers = {"X A" = "1"}', "collector.root.headers"),
        ("collector.root", 'headers = {A = "x\\r\\nB: y"}', "collector.root.headers"),
        ("collector.root", 'headers = {Content-Length = "1"}', "collector.root.headers"),
        ("collector.crossdomain", "domains = ['\"/>']", "collector.crossdomain.domains"),
        ("collector.limits", "record_bytes = 0", "collector.limits.record_bytes"),
        ("collector.limits", "memory_bytes = 1000", "collector.limits"),
        ("collector.timeouts", "store = 0", "collector.timeouts.store"),
    ],
)
def test_faults_are_refused_with_file_and_key(tmp_path: Path, section: str, line: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        loaded(tmp_path, f"[{section}]\n{line}\n")
    (fault,) = refused.value.faults
    assert fault.key == key
    assert fault.file.endswith("snowmelt.toml")


def test_every_setting_says_what_it_is_for() -> None:
    def undescribed(model: Any, path: str) -> list[str]:
        found = []
        for name, field in model.model_fields.items():
            if hasattr(field.annotation, "model_fields"):
                found += undescribed(field.annotation, f"{path}.{name}")
            elif not field.description:
                found.append(f"{path}.{name}")
        return found

    assert undescribed(CollectorSettings, "collector") == []
