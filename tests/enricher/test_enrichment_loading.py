"""Loading a folder of enrichments: what counts, what is refused, and that everything wrong is said at once."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backbone.errors import ConfigurationError
from backbone.event import Event
from backbone.iglu import build_resolver
from backbone.iglu.validator import Validator
from backbone.settings import IgluSettings
from enricher.enrichments import Enrichments, load
from enricher.enrichments.loading import KINDS
from enricher.enrichments.protocol import Working

ROOT = Path(__file__).parents[2]
GOLDEN = Path(os.environ.get("SNOWMELT_GOLDEN", ROOT / "../shared/data/golden"))
SNOWPLOW = "com.snowplowanalytics.snowplow"


@pytest.fixture(scope="module")
def validator() -> Iterator[Validator]:
    resolver = build_resolver(IgluSettings(schemas=(ROOT / "schemas",)))
    yield Validator(resolver)
    resolver.close()


def write(folder: Path, file: str, name: str, version: str, parameters: Any, vendor: str = SNOWPLOW, **data: Any) -> None:
    """One file in the envelope; `data` overrides or adds keys beside `parameters`."""
    data = {"vendor": vendor, "name": name, "enabled": True, "parameters": parameters} | data
    document = {"schema": f"iglu:{vendor}/{name}/jsonschema/{version}", "data": data}
    (folder / file).write_text(json.dumps(document))


def faults(folder: Path, validator: Validator, assets: Path | None = None) -> list[tuple[str, str, str]]:
    with pytest.raises(ConfigurationError) as caught:
        load(folder, assets, validator)
    return [(Path(fault.file).name, fault.key, fault.problem) for fault in caught.value.faults]


def anonymised(enrichments: Enrichments, address: str) -> str | None:
    working = Working(Event(), {}, [])
    working.event.user_ipaddress = address
    assert enrichments.anon_ip is not None
    enrichments.anon_ip.enrich(working)
    return working.event.user_ipaddress


def test_an_empty_folder_switches_nothing_on(tmp_path: Path, validator: Validator) -> None:
    assert load(tmp_path, None, validator) == Enrichments()


def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path, validator: Validator) -> None:
    assert faults(tmp_path / "none", validator)[0][0] == "none"


def test_files_with_other_names_are_ignored(tmp_path: Path, validator: Validator) -> None:
    (tmp_path / "README.md").write_text("not JSON")
    (tmp_path / "anon_ip.json.off").write_text("not JSON")
    write(tmp_path, "anything.json", "anon_ip", "1-0-0", {"anonOctets": 2})
    assert anonymised(load(tmp_path, None, validator), "1.2.3.4") == "1.2.x.x"


def test_the_later_file_of_a_kind_wins(tmp_path: Path, validator: Validator) -> None:
    write(tmp_path, "b.json", "anon_ip", "1-0-0", {"anonOctets": 3})
    write(tmp_path, "a.json", "anon_ip", "1-0-0", {"anonOctets": 1})
    write(tmp_path, "c.json", "anon_ip", "1-0-0", {"anonOctets": 4}, enabled=False)
    assert anonymised(load(tmp_path, None, validator), "1.2.3.4") == "1.x.x.x"


@pytest.mark.parametrize("version", ["1-0-0", "1-0-1", "1-0-7"])
def test_any_addition_is_accepted(tmp_path: Path, validator: Validator, version: str) -> None:
    write(tmp_path, "a.json", "anon_ip", version, {"anonOctets": 2, "anonSegments": 3})
    enrichments = load(tmp_path, None, validator)
    assert anonymised(enrichments, "1:2:3:4:5:6:7:8") == "1:2:3:4:5:x:x:x"
    assert enrichments.anon_ip is not None
    assert str(enrichments.anon_ip.schema_key.version) == version


@pytest.mark.parametrize("version", ["1-1-0", "2-0-0"])
def test_another_model_or_revision_is_refused(tmp_path: Path, validator: Validator, version: str) -> None:
    write(tmp_path, "a.json", "anon_ip", version, {"anonOctets": 2})
    accepted = f"iglu:{SNOWPLOW}/anon_ip/jsonschema/1-0-*"
    address = f"iglu:{SNOWPLOW}/anon_ip/jsonschema/{version}"
    assert faults(tmp_path, validator) == [("a.json", "schema", f"{address} is not accepted; {accepted} is")]


def test_its_own_schema_decides_where_a_registry_has_it(tmp_path: Path) -> None:
    schemas = tmp_path / "schemas"
    place = schemas / SNOWPLOW / "anon_ip" / "jsonschema"
    place.mkdir(parents=True)
    schema = json.loads((ROOT / "schemas" / SNOWPLOW / "anon_ip" / "jsonschema" / "1-0-1").read_text())
    schema["self"]["version"] = "1-0-5"
    schema["properties"]["parameters"]["properties"]["extra"] = {"type": "boolean"}
    (place / "1-0-5").write_text(json.dumps(schema))
    folder = tmp_path / "enrichments"
    folder.mkdir()
    write(folder, "a.json", "anon_ip", "1-0-5", {"anonOctets": 2, "extra": True})
    resolver = build_resolver(IgluSettings(schemas=(schemas, ROOT / "schemas")))
    assert anonymised(load(folder, None, Validator(resolver)), "1.2.3.4") == "1.2.x.x"
    resolver.close()


def test_a_laxer_schema_of_ones_own_does_not_end_in_a_traceback(tmp_path: Path) -> None:
    place = tmp_path / "schemas" / SNOWPLOW / "anon_ip" / "jsonschema"
    place.mkdir(parents=True)
    self_description = {"vendor": SNOWPLOW, "name": "anon_ip", "format": "jsonschema", "version": "1-0-9"}
    uri = "http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#"
    (place / "1-0-9").write_text(json.dumps({"$schema": uri, "self": self_description, "type": "object"}))
    folder = tmp_path / "enrichments"
    folder.mkdir()
    write(folder, "a.json", "anon_ip", "1-0-9", {"octets": 2})
    resolver = build_resolver(IgluSettings(schemas=(tmp_path / "schemas", ROOT / "schemas")))
    [(file, key, problem)] = faults(folder, Validator(resolver))
    assert (file, key) == ("a.json", "parameters")
    assert "anonOctets" in problem
    resolver.close()


@pytest.mark.parametrize("enabled", [True, False])
def test_a_disabled_file_is_validated_too(tmp_path: Path, validator: Validator, enabled: bool) -> None:
    write(tmp_path, "a.json", "anon_ip", "1-0-0", {"anonOctets": 9}, enabled=enabled)
    assert [fault[:2] for fault in faults(tmp_path, validator)] == [("a.json", "parameters.anonOctets")]


def test_a_disabled_file_needs_no_assets(tmp_path: Path, validator: Validator) -> None:
    block = {"database": "GeoLite2-City.mmdb", "uri": "s3://nowhere"}
    write(tmp_path, "a.json", "ip_lookups", "2-0-0", {"geo": block}, enabled=False)
    assert load(tmp_path, None, validator) == Enrichments()


@pytest.mark.parametrize("name", ["iab_spiders_and_robots_enrichment", "sql_query_enrichment_config", "yauaa_enrichment_config"])
def test_what_is_not_supported_is_named(tmp_path: Path, validator: Validator, name: str) -> None:
    write(tmp_path, "a.json", name, "1-0-0", {}, vendor=f"{SNOWPLOW}.enrichments", enabled=False)
    [(file, key, problem)] = faults(tmp_path, validator)
    assert (file, key) == ("a.json", "schema")
    assert problem.startswith(f"{name} is not supported by this version")


def test_what_nobody_knows_is_named(tmp_path: Path, validator: Validator) -> None:
    write(tmp_path, "a.json", "mind_reader", "1-0-0", {})
    assert faults(tmp_path, validator)[0][2].startswith("mind_reader is no enrichment known here")


def test_everything_wrong_is_said_at_once(tmp_path: Path, validator: Validator) -> None:
    (tmp_path / "a.json").write_text("{")
    write(tmp_path, "b.json", "mind_reader", "1-0-0", {})
    write(tmp_path, "c.json", "anon_ip", "1-0-0", {"anonOctets": 0, "more": 1})
    write(tmp_path, "d.json", "ip_lookups", "2-0-0", {"geo": {"database": "GeoLite2-City.mmdb", "uri": "s3://acme/geo"}})
    write(tmp_path, "e.json", "event_fingerprint_config", "1-0-1", {"excludeParameters": [], "hashAlgorithm": "CRC32"})
    found = faults(tmp_path, validator)
    assert {fault[0] for fault in found} == {"a.json", "b.json", "c.json", "d.json", "e.json"}
    assert sum(fault[0] == "c.json" for fault in found) == 2
    assert any("s3:" in problem for _, _, problem in found)


def test_what_we_ship_works_offline(validator: Validator, tmp_path: Path) -> None:
    enrichments = load(ROOT / "enrichments", None, validator, tmp_path)
    switched_on = {kind.attribute for kind in KINDS.values() if getattr(enrichments, kind.attribute) is not None}
    assert switched_on == {"ua_parser", "referer_parser", "campaign_attribution", "event_fingerprint", "anon_ip"}
    assert list(tmp_path.iterdir()) == []


def test_what_we_ship_has_a_file_for_every_kind() -> None:
    schemas = {json.loads(file.read_text())["schema"] for file in (ROOT / "enrichments").glob("*.json")}
    assert schemas == {kind.newest.uri for kind in KINDS.values()}


def test_the_shipped_page_names_every_file() -> None:
    page = (ROOT / "enrichments" / "README.md").read_text("utf-8")
    assert [file.name for file in (ROOT / "enrichments").glob("*.json") if f"`{file.name}`" not in page] == []


def golden_configurations() -> list[Path]:
    return sorted(
        folder for part in ("open", "reference") for folder in GOLDEN.glob(f"{part}/enrich/configs/*") if folder.is_dir()
    )


@pytest.mark.conformance
@pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"no golden configurations in {GOLDEN} (SNOWMELT_GOLDEN)")
@pytest.mark.parametrize("folder", golden_configurations(), ids=lambda folder: f"{folder.parts[-4]}-{folder.name}")
def test_recorded_configurations(folder: Path, validator: Validator) -> None:
    """Each loads, or names exactly the enrichments that Snowmelt does not have yet."""
    files = [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]
    names = {file["data"]["name"] for file in files}
    assets = folder.parents[1] / "assets"
    if names <= KINDS.keys():
        enrichments = load(folder, assets, validator)
        assert all(getattr(enrichments, KINDS[name].attribute) is not None for name in names)
    else:
        missing = {problem.split()[0] for _, key, problem in faults(folder, validator, assets) if key == "schema"}
        assert missing == names - KINDS.keys()
