"""A folder of configuration files becomes the enrichments of this run; every fault in it is reported at once.

Files whose name ends in `.json` are read in name order. Each is validated, also a disabled one: against its own schema if that
resolves, else against the newest of its model that Snowmelt ships. Of two enabled files of one kind the later one counts.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from backbone.errors import ConfigurationError, Fault, RegistryUnavailable
from backbone.iglu.failures import IgluFailure
from backbone.selfdescribing import Criterion, SchemaKey, SchemaVer, SelfDescribing
from enricher.assets import Assets
from enricher.enrichments import anon_ip, campaign_attribution, event_fingerprint, ip_lookups, pii, referer_parser, ua_parser
from enricher.enrichments.anon_ip import AnonIp
from enricher.enrichments.campaign_attribution import CampaignAttribution
from enricher.enrichments.configuration import Configuration, read
from enricher.enrichments.event_fingerprint import EventFingerprint
from enricher.enrichments.ip_lookups import IpLookups
from enricher.enrichments.pii import Pii
from enricher.enrichments.protocol import Enrichment
from enricher.enrichments.referer_parser import RefererParser
from enricher.enrichments.ua_parser import UaParser

_log = logging.getLogger("snowmelt.enricher")

_SNOWPLOW = "com.snowplowanalytics.snowplow"
_ENRICHMENTS = "com.snowplowanalytics.snowplow.enrichments"


@dataclass(frozen=True, slots=True)
class Enrichments:
    """What is switched on. `enricher.enrich` holds the order in which they run."""

    ua_parser: UaParser | None = None
    referer_parser: RefererParser | None = None
    campaign_attribution: CampaignAttribution | None = None
    event_fingerprint: EventFingerprint | None = None
    ip_lookups: IpLookups | None = None
    anon_ip: AnonIp | None = None
    pii: Pii | None = None


class Checks(Protocol):
    """What `backbone.iglu.validator.Validator` does here."""

    def check(self, datum: SelfDescribing) -> SchemaKey | IgluFailure: ...


class Kind(NamedTuple):
    """One enrichment: `attribute` of Enrichments, the newest configuration schema shipped, and how it is made from one."""

    attribute: str
    newest: SchemaKey
    build: Callable[[Configuration, Assets], Enrichment]

    @property
    def accepted(self) -> Criterion:
        """Same model and revision, any addition."""
        vendor, name, format_, version = self.newest
        return Criterion(vendor, name, format_, version.model, version.revision, None)


def _kind(
    attribute: str, vendor: str, name: str, version: SchemaVer, build: Callable[[Configuration, Assets], Enrichment]
) -> Kind:
    return Kind(attribute, SchemaKey(vendor, name, "jsonschema", version), build)


KINDS: Final = {
    kind.newest.name: kind
    for kind in (
        _kind("ua_parser", _SNOWPLOW, "ua_parser_config", SchemaVer(1, 0, 1), ua_parser.build),
        _kind("referer_parser", _SNOWPLOW, "referer_parser", SchemaVer(2, 0, 1), referer_parser.build),
        _kind("campaign_attribution", _SNOWPLOW, "campaign_attribution", SchemaVer(1, 0, 1), campaign_attribution.build),
        _kind("event_fingerprint", _SNOWPLOW, "event_fingerprint_config", SchemaVer(1, 0, 1), event_fingerprint.build),
        _kind("ip_lookups", _SNOWPLOW, "ip_lookups", SchemaVer(2, 0, 1), ip_lookups.build),
        _kind("anon_ip", _SNOWPLOW, "anon_ip", SchemaVer(1, 0, 1), anon_ip.build),
        _kind("pii", _ENRICHMENTS, "pii_enrichment_config", SchemaVer(2, 0, 1), pii.build),
    )
}
"""By name of the configuration schema, as Snowplow tells them apart."""

NOT_SUPPORTED: Final = frozenset(
    {
        "asn_lookups",
        "yauaa_enrichment_config",
        "user_agent_utils_config",
        "iab_spiders_and_robots_enrichment",
        "bot_detection_enrichment_config",
        "cookie_extractor_config",
        "http_header_extractor_config",
        "currency_conversion_config",
        "cross_navigation_config",
        "javascript_script_config",
        "api_request_enrichment_config",
        "sql_query_enrichment_config",
        "weather_enrichment_config",
        "event_spec_enrichment_config",
    }
)
"""Snowplow's enrichments that this version of Snowmelt does not have."""


def load(folder: Path, assets: Path | None, validator: Checks, downloads: Path = Path("snowmelt-data/assets")) -> Enrichments:
    """`assets` is the folder of `--assets`; `downloads` keeps what is fetched. Raises ConfigurationError with every fault."""
    faults: list[Fault] = []
    chosen: dict[str, Configuration] = {}
    for path in _files(folder):
        try:
            configuration = read(path)
            faults += (problems := _check(configuration, validator))
        except ConfigurationError as error:
            faults += error.faults
            continue
        if configuration.enabled and not problems:
            if earlier := chosen.get(configuration.key.name):
                _log.warning("%s replaces %s: both configure %s", path.name, earlier.path.name, configuration.key.name)
            chosen[configuration.key.name] = configuration
    built: dict[str, Any] = {}
    finder = Assets(assets, downloads)
    for name, configuration in chosen.items():
        try:
            built[KINDS[name].attribute] = _build(KINDS[name], configuration, finder)
        except ConfigurationError as error:
            faults += error.faults
    if faults:
        finder.close()
        raise ConfigurationError(faults)
    return Enrichments(**built)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted((path for path in folder.iterdir() if path.name.endswith(".json")), key=lambda path: path.name)
    except OSError as error:
        raise ConfigurationError([Fault(str(folder), "", f"no folder of enrichments: {error.strerror}")]) from None


def _check(configuration: Configuration, validator: Checks) -> list[Fault]:
    key = configuration.key
    kind = KINDS.get(key.name)
    if kind is None:
        problem = "is not supported by this version of Snowmelt" if key.name in NOT_SUPPORTED else "is no enrichment known here"
        return [configuration.fault("schema", f"{key.name} {problem}; remove the file or rename it to something else than .json")]
    if not kind.accepted.matches(key):
        return [configuration.fault("schema", f"{key} is not accepted; {kind.accepted} is")]
    for candidate in (key, kind.newest):
        outcome = _validated(SelfDescribing(candidate, configuration.data), validator)
        if outcome is not None:
            return [configuration.fault(*problem) for problem in outcome]
    return [configuration.fault("schema", f"no registry has {key} or {kind.newest}")]


def _validated(datum: SelfDescribing, validator: Checks) -> list[tuple[str, str]] | None:
    """(key, problem) of everything wrong; None if the schema cannot be had."""
    try:
        outcome = validator.check(datum)
    except RegistryUnavailable:
        return None
    if isinstance(outcome, SchemaKey):
        return []
    failure = outcome.value()
    if failure["error"] == "ResolutionError":
        return None
    if issues := failure.get("schemaIssues"):
        return [("schema", f"{datum.key} is itself invalid: {issue['message']}") for issue in issues]
    reports = failure.get("dataReports", ())
    return [(str(report.get("path") or "").removeprefix("$").lstrip("."), report["message"]) for report in reports]


def _build(kind: Kind, configuration: Configuration, assets: Assets) -> Enrichment:
    try:
        return kind.build(configuration, assets)
    except (KeyError, TypeError, AttributeError, ValueError) as error:  # valid by its own schema, which is laxer than ours
        problem = f"has a form this version of Snowmelt does not understand ({type(error).__name__}: {error})"
        raise configuration.refuse("parameters", problem) from None
