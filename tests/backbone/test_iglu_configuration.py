import json
from pathlib import Path
from typing import Any

import pytest

from backbone.errors import ConfigurationError
from backbone.iglu import build_resolver
from backbone.iglu.configuration import BUNDLED
from backbone.iglu.http_registry import HttpRegistry
from backbone.iglu.registries import FolderRegistry
from backbone.iglu.resolver import Schema
from backbone.selfdescribing import parse_key
from backbone.settings import IgluSettings

WEB_PAGE = parse_key("iglu:com.snowplowanalytics.snowplow/web_page/jsonschema/1-0-0")
NO_FOLDERS: dict[str, Any] = {"schemas": ()}


def repository(name: str = "r", **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "priority": 0,
        "vendorPrefixes": ["com.acme"],
        "connection": {"http": {"uri": "http://127.0.0.1:9/api"}},
        **changes,
    }


def resolver_file(folder: Path, *repositories: Any, version: str = "1-0-3", **data: Any) -> Path:
    file = folder / "resolver.json"
    schema = f"iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/{version}"
    file.write_text(json.dumps({"schema": schema, "data": {"cacheSize": 500, "repositories": list(repositories), **data}}))
    return file


def names(settings: IgluSettings, *extra: Path) -> list[str]:
    return [registry.place.name for registry in build_resolver(settings, extra).registries]


def faults(settings: IgluSettings, *extra: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as problem:
        build_resolver(settings, extra)
    return [str(fault) for fault in problem.value.faults]


def test_the_bundled_schemas_are_found_from_any_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = build_resolver(IgluSettings()).lookup(WEB_PAGE)
    assert isinstance(answer, Schema)
    assert answer.registry == "Snowmelt bundled schemas"


def test_folders_given_first_win_over_configured_ones_and_these_over_bundled_ones(tmp_path: Path) -> None:
    for name in ("extra", "own"):
        file = tmp_path / name / WEB_PAGE.path
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"title": name}))
    settings = IgluSettings(schemas=(tmp_path / "own",))
    answers = [build_resolver(settings, extra).lookup(WEB_PAGE) for extra in ((tmp_path / "extra",), ())]
    assert [answer.document["title"] for answer in answers if isinstance(answer, Schema)] == ["extra", "own"]


def test_own_folders_come_before_remote_registries_that_match_the_vendor(tmp_path: Path) -> None:
    file = tmp_path / "own" / "com.acme/thing/jsonschema/1-0-0"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    settings = IgluSettings(schemas=(tmp_path / "own",), resolver=resolver_file(tmp_path, repository()))
    answer = build_resolver(settings).lookup(parse_key("iglu:com.acme/thing/jsonschema/1-0-0"))
    assert isinstance(answer, Schema)


def test_one_folder_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BUNDLED.parent)
    assert names(IgluSettings(), BUNDLED) == [f"Schemas in {BUNDLED}"]


def test_a_folder_somebody_asked_for_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = faults(IgluSettings(schemas=(tmp_path / "a",)), tmp_path / "b")
    assert found == [f"{tmp_path / 'b'}: --schemas: is no folder", f"{tmp_path / 'a'}: iglu.schemas: is no folder"]
    assert names(IgluSettings()) == ["Schemas in schemas", "Snowmelt bundled schemas"]


@pytest.mark.parametrize("version", ["1-0-0", "1-0-1", "1-0-2", "1-0-3"])
def test_each_version_of_the_resolver_configuration_is_read(tmp_path: Path, version: str) -> None:
    (tmp_path / "local").mkdir()
    local = repository("Local", connection={"embedded": {"path": "local"}})
    settings = IgluSettings(
        **NO_FOLDERS, resolver=resolver_file(tmp_path, repository("Remote"), local, version=version, cacheTtl=60)
    )
    remote, folder, bundled = build_resolver(settings).registries
    assert isinstance(remote, HttpRegistry)
    assert isinstance(folder, FolderRegistry)
    assert (remote.place.name, folder.place.name, folder.folder) == ("Remote", "Local", tmp_path / "local")
    assert bundled.place.name == "Snowmelt bundled schemas"


def test_unknown_keys_are_accepted(tmp_path: Path) -> None:
    file = resolver_file(tmp_path, repository(color="red"), futureSetting=1)
    assert names(IgluSettings(**NO_FOLDERS, resolver=file))[0] == "r"


def test_the_embedded_path_of_snowplows_images_means_the_bundled_schemas(tmp_path: Path) -> None:
    embedded = repository("Embedded", connection={"embedded": {"path": "/iglu-client-embedded"}})
    assert names(IgluSettings(**NO_FOLDERS, resolver=resolver_file(tmp_path, embedded))) == ["Embedded"]


def test_every_fault_of_a_resolver_file_is_reported(tmp_path: Path) -> None:
    file = resolver_file(
        tmp_path,
        repository("a"),
        repository("a"),
        5,
        repository("b", priority="1", vendorPrefixes="x", connection={}),
        repository("c", connection={"http": {"uri": "ftp://x", "apikey": 5}}),
        repository("d", connection={"embedded": {"path": "nowhere"}}),
        version="2-0-0",
        cacheSize="5",
        cacheTtl="x",
    )
    found = faults(IgluSettings(**NO_FOLDERS, resolver=file))
    at = [text.removeprefix(f"{file}: ").split(": ")[0] for text in found]
    assert at == [
        "schema",
        "data.cacheSize",
        "data.cacheTtl",
        "data.repositories[2]",
        "data.repositories[3].priority",
        "data.repositories[3].vendorPrefixes",
        "data.repositories[3].connection",
        "data.repositories[4].connection.http.apikey",
        "data.repositories[4].connection.http.uri",
        "data.repositories[5].connection.embedded.path",
        "data.repositories[1].name",
    ]


@pytest.mark.parametrize("content", ["", "[", "[]", '{"schema":"x"}', '{"schema":"x","data":[]}'])
def test_what_is_no_resolver_file_is_a_fault(tmp_path: Path, content: str) -> None:
    file = tmp_path / "resolver.json"
    file.write_text(content)
    assert faults(IgluSettings(**NO_FOLDERS, resolver=file))


def test_a_missing_resolver_file_is_a_fault(tmp_path: Path) -> None:
    assert "cannot be read" in faults(IgluSettings(**NO_FOLDERS, resolver=tmp_path / "resolver.json"))[0]
