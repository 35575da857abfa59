"""IP lookups: place, provider, domain, connection type and autonomous system of `user_ipaddress`, from MaxMind files.

Addresses only: host names are never resolved. The files are read from private copies, so that they may be overwritten while in
use, and are read again when they changed.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, Final

import geoip2.database
import maxminddb

from backbone.errors import ConfigurationError, Fault
from backbone.selfdescribing import SchemaKey, SelfDescribing, parse_key
from enricher.assets import Assets, Watched, private_copy
from enricher.enrichments.configuration import Configuration
from enricher.enrichments.protocol import Working
from enricher.text import clean

ASN = parse_key("iglu:com.snowplowanalytics.snowplow/asn/jsonschema/1-0-1")
DATABASES = {
    "geo": ("City", "Enterprise"),
    "isp": ("ISP",),
    "domain": ("Domain",),
    "connectionType": ("Connection-Type",),
    "asn": ("ASN",),
}
"""Block of the configuration → what the type a file states about itself may contain."""
CACHE_SIZE: Final = 20_000
_LONGEST = 64
_WITH_PORT = re.compile(r"\[([^\]]*)\](?::[0-9]+)?|([^:]+):[0-9]+")

Found = tuple[dict[str, Any], SelfDescribing | None]


class _Databases:
    """Open files with the answers they gave. What is returned is shared between events: nobody may change it."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        """Raises OSError, maxminddb.InvalidDatabaseError."""
        self._readers = {name: private_copy(file, maxminddb.open_database) for name, file in files.items()}
        self.find = lru_cache(CACHE_SIZE)(self._find)

    def _find(self, text: str) -> Found:
        address = parse_address(text)
        if address is None:
            return {}, None
        isp = self._record("isp", address)
        fields = {
            **_place(self._record("geo", address)),
            "ip_isp": _text(isp, "isp"),
            "ip_organization": _text(isp, "organization"),
            "ip_domain": _text(self._record("domain", address), "domain"),
            "ip_netspeed": _text(self._record("connectionType", address), "connection_type"),
        }
        asn = _asn(isp) or _asn(self._record("asn", address))
        return {name: value for name, value in fields.items() if value is not None}, asn

    def _record(self, database: str, address: IPv4Address | IPv6Address) -> Any:
        reader = self._readers.get(database)
        if reader is None:
            return None
        try:
            return reader.get(address)
        except ValueError:  # an IPv6 address and a file that knows IPv4 only; also a damaged record
            return None


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """An address, also in brackets or followed by a port, also in the old forms of one to three numbers (`127.1`)."""
    match = _WITH_PORT.fullmatch(text)
    if match is not None:
        text = match[1] or match[2] or ""
    if ":" not in text:
        return _ipv4(text)
    try:
        address = IPv6Address(text)
    except AddressValueError:
        return None
    return address.ipv4_mapped or address


def _ipv4(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except AddressValueError:
        return _classful(text.split("."))


def _classful(parts: list[str]) -> IPv4Address | None:
    """The last number fills the bytes that are left, as `inet_aton` and Java have it."""
    if len(parts) > 3 or not all(part.isascii() and part.isdecimal() and len(part) <= 10 for part in parts):
        return None
    *first, last = map(int, parts)
    if any(part > 255 for part in first) or last >= 256 ** (4 - len(first)):
        return None
    return IPv4Address(int.from_bytes(bytes(first), "big") * 256 ** (4 - len(first)) + last)


def _place(record: Any) -> dict[str, Any]:
    if not isinstance(record, dict):
        return {}
    areas = record.get("subdivisions")
    area = areas[-1] if isinstance(areas, list) and areas else None
    return {
        "geo_country": _text(record, "country", "iso_code"),
        "geo_region": _text(area, "iso_code"),
        "geo_city": _text(record, "city", "names", "en"),
        "geo_zipcode": _text(record, "postal", "code"),
        "geo_latitude": _number(record, "location", "latitude"),
        "geo_longitude": _number(record, "location", "longitude"),
        "geo_region_name": _text(area, "names", "en"),
        "geo_timezone": _text(record, "location", "time_zone"),
    }


def _asn(record: Any) -> SelfDescribing | None:
    number = _at(record, "autonomous_system_number")
    if not isinstance(number, int):
        return None
    name = _at(record, "autonomous_system_organization")
    return SelfDescribing(ASN, {"number": number, "organization": name} if isinstance(name, str) else {"number": number})


def _at(record: Any, *path: str) -> Any:
    for name in path:
        if not isinstance(record, dict):
            return None
        record = record.get(name)
    return record


def _text(record: Any, *path: str) -> str | None:
    found = _at(record, *path)
    return clean(found) if isinstance(found, str) else None


def _number(record: Any, *path: str) -> float:
    found = _at(record, *path)
    return float(found) if isinstance(found, int | float) else 0.0


class IpLookups:
    def __init__(self, key: SchemaKey, files: Mapping[str, Path]) -> None:
        """`files` by names of DATABASES. Raises OSError, maxminddb.InvalidDatabaseError."""
        self.schema_key = key
        self._databases = Watched(list(files.values()), lambda: _Databases(files))

    def enrich(self, working: Working) -> None:
        address = working.event.user_ipaddress
        if address is None or len(address) > _LONGEST:
            return
        fields, asn = self._databases.current().find(address)
        working.event.__dict__.update(fields)
        if asn is not None:
            working.entities.insert(0, asn)


def build(configuration: Configuration, assets: Assets) -> IpLookups:
    parameters: Any = configuration.parameters
    files: dict[str, Path] = {}
    faults: list[Fault] = []
    for name in DATABASES.keys() & parameters.keys():
        try:
            files[name] = configuration.asset(assets, f"parameters.{name}", parameters[name])
        except ConfigurationError as error:
            faults += error.faults
        else:
            problem = _problem(files[name], DATABASES[name])
            faults += [configuration.fault(f"parameters.{name}", f"{files[name]}: {problem}")] if problem else []
    if faults:
        raise ConfigurationError(sorted(faults))
    return IpLookups(configuration.key, files)


def _problem(file: Path, types: Sequence[str]) -> str | None:
    try:
        found = private_copy(file, _type)
    except (OSError, maxminddb.InvalidDatabaseError) as error:
        return str(error)
    if any(part in found for part in types):
        return None
    return f"is a file of type {found}; one of a type with {' or '.join(types)} is needed"


def _type(file: str) -> str:
    with geoip2.database.Reader(file) as reader:
        return reader.metadata().database_type
