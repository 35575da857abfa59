"""IP lookups: from MaxMind files to columns, compared with their readable content and with geoip2's own models."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import geoip2.database
import pytest

from backbone.errors import ConfigurationError
from backbone.event import Event
from backbone.selfdescribing import parse_key
from enricher.assets import Assets
from enricher.enrichments import ip_lookups
from enricher.enrichments.configuration import Configuration
from enricher.enrichments.ip_lookups import IpLookups, parse_address
from enricher.enrichments.protocol import Working

KEY = parse_key("iglu:com.snowplowanalytics.snowplow/ip_lookups/jsonschema/2-0-1")
GOLDEN = Path(os.environ.get("SNOWMELT_GOLDEN", Path(__file__).parents[2] / "../shared/data/golden"))
FILES = GOLDEN / "open" / "enrich" / "assets"
NAMES = {
    "geo": "GeoIP2-City.mmdb",
    "isp": "GeoIP2-ISP.mmdb",
    "domain": "GeoIP2-Domain.mmdb",
    "connectionType": "GeoIP2-Connection-Type.mmdb",
    "asn": "GeoLite2-ASN.mmdb",
}
needs_files = pytest.mark.skipif(not FILES.is_dir(), reason=f"no MaxMind files in {FILES} (SNOWMELT_GOLDEN)")


@pytest.fixture(scope="module")
def lookups() -> IpLookups:
    return IpLookups(KEY, {block: FILES / name for block, name in NAMES.items()})


def looked_up(lookups: IpLookups, address: str) -> tuple[dict[str, Any], list[Any]]:
    """(columns set, data of the entities)."""
    working = Working(Event(), {}, [])
    working.event.user_ipaddress = address
    lookups.enrich(working)
    fields = dict(working.event.__dict__)
    assert fields.pop("user_ipaddress") == address
    return fields, [entity.data for entity in working.entities]


BERLIN = {
    "geo_country": "DE",
    "geo_region": "BE",
    "geo_region_name": "Land Berlin",
    "geo_city": "Berlin",
    "geo_zipcode": "10115",
    "geo_latitude": 52.5244,
    "geo_longitude": 13.4105,
    "geo_timezone": "Europe/Berlin",
    "ip_isp": "Acme Telekom",
    "ip_organization": "Acme GmbH",
    "ip_domain": "acme-telekom.de",
    "ip_netspeed": "Cable/DSL",
}


@needs_files
@pytest.mark.parametrize(
    "address",
    ["203.0.113.7", "203.0.113.7:8080", "[203.0.113.7]", "::ffff:203.0.113.7", "::FFFF:203.0.113.7", "::203.0.113.7"],
)
def test_every_spelling_of_an_address(lookups: IpLookups, address: str) -> None:
    assert looked_up(lookups, address) == (BERLIN, [{"number": 64500, "organization": "ACME-AS"}])


@needs_files
@pytest.mark.parametrize(
    ("address", "fields", "asn"),
    [
        pytest.param(
            "203.0.113.64",
            {"geo_region": "WBK", "geo_region_name": "West Berkshire", "geo_city": "Boxford"},
            [{"number": 64501, "organization": "ISLE"}],
            id="last of two subdivisions",
        ),
        pytest.param(
            "203.0.113.129",
            {"geo_zipcode": "98354", "ip_isp": "Century Hop", "ip_netspeed": "Corporate"},
            [{"number": 64502}],
            id="number of the ISP file, no organization",
        ),
        pytest.param("192.0.2.16", {"geo_city": "São Paulo"}, [{"number": 0, "organization": "Zero"}], id="number zero"),
        pytest.param("192.0.2.112", {"geo_country": "ES", "geo_latitude": 0.0, "geo_longitude": 0.0}, [], id="no coordinates"),
        pytest.param("2001:db8::1", {"geo_city": "Stockholm"}, [{"number": 64511, "organization": "SEXTANT"}], id="IPv6"),
        pytest.param("[2001:db8::1]:443", {"geo_city": "Stockholm"}, [{"number": 64511, "organization": "SEXTANT"}], id="port"),
        pytest.param("1.0.0.1", {"ip_isp": "Only ISP"}, [], id="only provider"),
        pytest.param("1.0.1.1", {"ip_domain": "only.domain.example"}, [], id="only domain"),
        pytest.param("1.0.2.1", {"ip_netspeed": "Cellular"}, [], id="only connection type"),
        pytest.param("1.0.3.1", {}, [{"number": 64510, "organization": "Only ASN"}], id="only autonomous system"),
        pytest.param(
            "192.0.2.96",
            {
                "geo_city": "Tab    herenewline",
                "ip_isp": "Tab    ISP",
                "ip_organization": "LineOrg",
                "ip_domain": "tab    .example",
            },
            [{"number": 64505, "organization": "Tab\tOrg"}],
            id="unsafe characters leave columns; JSON escapes them",
        ),
    ],
)
def test_record(lookups: IpLookups, address: str, fields: dict[str, Any], asn: list[Any]) -> None:
    found, entities = looked_up(lookups, address)
    assert {name: found.get(name) for name in fields} == fields
    assert entities == asn


@needs_files
@pytest.mark.parametrize(
    "address", ["192.0.2.250", "", "hello", "localhost", "a" * 1_000_000, "203.0.113.256", "203.0.113.7/24", "fe80::1%eth0"]
)
def test_nothing_found_is_no_failure(lookups: IpLookups, address: str) -> None:
    assert looked_up(lookups, address) == ({}, [])


@needs_files
def test_every_network_agrees_with_geoip2(lookups: IpLookups) -> None:
    """Its model layer reads the same file in its own way."""
    with geoip2.database.Reader(FILES / NAMES["geo"]) as reader:
        networks = [entry["network"] for entry in json.loads((FILES / "networks.json").read_text()) if entry["city"]]
        for network in networks:
            address = network.partition("/")[0]
            city = reader.city(address)
            found, _ = looked_up(lookups, address)
            place = (found["geo_country"], found.get("geo_region"), found.get("geo_zipcode"), found.get("geo_timezone"))
            area = city.subdivisions.most_specific
            assert place == (city.country.iso_code, area.iso_code, city.postal.code, city.location.time_zone)
            assert (found["geo_latitude"], found["geo_longitude"]) == (
                city.location.latitude or 0.0,
                city.location.longitude or 0.0,
            )
    assert len(networks) > 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [("127.1", "127.0.0.1"), ("203.0.113", "203.0.0.113"), ("2130706433", "127.0.0.1"), ("1.2.3.4:80", "1.2.3.4")],
)
def test_old_forms_of_an_address(text: str, expected: str) -> None:
    assert str(parse_address(text)) == expected


@pytest.mark.parametrize("text", ["1.2.3.4.5", "256.1", "1.16777216", "4294967296", "1..2", "٤.٢", "[::1", "1.2.3.4:", "::1%"])
def test_no_address(text: str) -> None:
    assert parse_address(text) is None


def build(folder: Path, **blocks: str) -> IpLookups:
    parameters = {block: {"database": name, "uri": "file:."} for block, name in blocks.items()}
    return ip_lookups.build(
        Configuration(folder / "ip.json", KEY, {"parameters": parameters}), Assets(None, folder / "downloads")
    )


def test_missing_and_unreadable_files_are_all_reported(tmp_path: Path) -> None:
    (tmp_path / "GeoIP2-ISP.mmdb").write_bytes(b"no such thing")
    with pytest.raises(ConfigurationError) as caught:
        build(tmp_path, geo="GeoLite2-City.mmdb", isp="GeoIP2-ISP.mmdb")
    assert [fault.key for fault in caught.value.faults] == ["parameters.geo", "parameters.isp"]
    assert "no file" in caught.value.faults[0].problem


@needs_files
def test_a_file_of_the_wrong_type_is_refused(tmp_path: Path) -> None:
    shutil.copy(FILES / NAMES["isp"], tmp_path / "GeoLite2-City.mmdb")
    with pytest.raises(ConfigurationError, match="is a file of type GeoIP2-ISP; one of a type with City or Enterprise is needed"):
        build(tmp_path, geo="GeoLite2-City.mmdb")


@needs_files
def test_a_replaced_file_is_in_effect_without_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enricher.assets._LOOK_EVERY", 0.0)
    file = tmp_path / "GeoLite2-ASN.mmdb"
    shutil.copy(FILES / NAMES["asn"], file)
    lookups = IpLookups(KEY, {"asn": file})
    assert looked_up(lookups, "203.0.113.129")[1] == []
    shutil.copy(FILES / NAMES["isp"], tmp_path / "new")
    os.replace(tmp_path / "new", file)
    assert looked_up(lookups, "203.0.113.129")[1] == [{"number": 64502}]


@needs_files
def test_a_file_overwritten_in_place_by_garbage_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A reader that had mapped this very file would die of it."""
    monkeypatch.setattr("enricher.assets._LOOK_EVERY", 0.0)
    file = tmp_path / "GeoIP2-City.mmdb"
    shutil.copy(FILES / NAMES["geo"], file)
    lookups = IpLookups(KEY, {"geo": file})
    with file.open("r+b") as handle:
        handle.truncate(0)
        handle.write(b"garbage")
    assert looked_up(lookups, "203.0.113.7")[0]["geo_city"] == "Berlin"
    assert looked_up(lookups, "2001:db8::1")[0]["geo_city"] == "Stockholm"
    assert "keeping the previous content" in caplog.text
