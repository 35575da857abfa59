"""`snowmelt check`: every fault of configuration, schemas and enrichment files in one run, or what is active."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from snowmelt.cli import app

SCHEMA = {
    "$schema": "http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#",
    "description": "One",
    "self": {"vendor": "com.acme", "name": "one", "format": "jsonschema", "version": "1-0-0"},
    "type": "object",
}
ENRICHMENT = {
    "schema": "iglu:com.snowplowanalytics.snowplow/anon_ip/jsonschema/1-0-0",
    "data": {
        "vendor": "com.snowplowanalytics.snowplow",
        "name": "anon_ip",
        "enabled": True,
        "parameters": {"anonOctets": 1},
    },
}


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "snowmelt.toml"
        self.configure("")

    def configure(self, more: str) -> None:
        places = f'[iglu]\nschemas = ["{self.path / "schemas"}"]\n[enricher]\nenrichments = "{self.path / "enrichments"}"\n'
        self.config.write_text(places + more, "utf-8")

    def write(self, name: str, content: object) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return file

    def check(self) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, ["check", "--config", str(self.config), "--data", str(self.path / "data")])
        return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path)
    made.write("schemas/com.acme/one/jsonschema/1-0-0", SCHEMA)
    made.write("enrichments/anon_ip.json", ENRICHMENT)
    return made


def test_in_order(folder: Folder) -> None:
    code, said, faults = folder.check()
    assert (code, faults) == (0, "")
    assert "1 files in" in said
    assert "anon_ip" in said


def test_everything_wrong_at_once(folder: Folder) -> None:
    folder.configure('[collector]\nport = "x"\ncolour = "red"\n')
    folder.write("schemas/com.acme/one/jsonschema/1-0-1", "{")
    folder.write("schemas/com.acme/two/jsonschema/1-0-0", SCHEMA)
    folder.write("enrichments/unknown.json", {"schema": "iglu:a/b/jsonschema/1-0-0", "data": {}})
    folder.write("enrichments/anon_ip.json", {**ENRICHMENT, "data": {**ENRICHMENT["data"], "parameters": {}}})  # type: ignore[dict-item]
    code, said, faults = folder.check()
    assert code == 1
    assert said == ""
    for part in ("collector.port", "collector.colour", "one/jsonschema/1-0-1", "self.name", "unknown.json", "anon_ip.json"):
        assert part in faults, part
    assert faults.splitlines()[-1].endswith("faults")


def test_an_enrichment_not_supported_yet_is_named(folder: Folder) -> None:
    about = "iglu:com.snowplowanalytics.snowplow/javascript_script_config/jsonschema/1-0-0"
    folder.write("enrichments/script.json", {"schema": about, "data": {"enabled": True, "parameters": {"script": ""}}})
    code, _, faults = folder.check()
    assert code == 1
    assert "script.json" in faults
    assert "javascript_script_config" in faults


def test_a_resolver_file_is_checked(folder: Folder) -> None:
    resolver = folder.write("resolver.json", {"schema": "nonsense", "data": {}})
    text = folder.config.read_text().replace("[iglu]", f'[iglu]\nresolver = "{resolver}"')
    folder.config.write_text(text)
    code, _, faults = folder.check()
    assert code == 1
    assert f"{resolver}: data.repositories" in faults


def test_gaps_between_versions_are_warnings(folder: Folder) -> None:
    document = {**SCHEMA, "self": {**SCHEMA["self"], "version": "1-0-2"}}  # type: ignore[dict-item]
    folder.write("schemas/com.acme/one/jsonschema/1-0-2", document)
    code, said, _ = folder.check()
    assert code == 0
    assert "warning" in said
    assert "1-0-1 is missing" in said
