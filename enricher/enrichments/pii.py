"""PII pseudonymisation: chosen fields and properties are replaced by `hash(value + salt)`, in lower-case hexadecimal.

In entities and the self-describing event strings are hashed, also those directly inside an array that a path names; numbers,
booleans, null and objects stay. A rule applies to objects only. `emitEvent` is accepted and has no effect: the event it asks
for is no longer sent anywhere in Snowplow either. Runs last, so it sees the anonymised address and what other enrichments found.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from backbone.errors import ConfigurationError, Fault
from backbone.selfdescribing import Criterion, InvalidIglu, SchemaKey, SelfDescribing, parse_criterion
from enricher.assets import Assets
from enricher.enrichments.configuration import Configuration
from enricher.enrichments.jsonpath import Change, InvalidPath, compile_path
from enricher.enrichments.protocol import EnrichmentFailure, SimpleMessage, Working

_log = logging.getLogger("snowmelt.enricher")

FIELDS: Final = frozenset(
    {
        "user_id",
        "user_ipaddress",
        "user_fingerprint",
        "domain_userid",
        "network_userid",
        "ip_organization",
        "ip_domain",
        "tr_orderid",
        "ti_orderid",
        "mkt_term",
        "mkt_content",
        "se_category",
        "se_action",
        "se_label",
        "se_property",
        "mkt_clickid",
        "refr_domain_userid",
        "domain_sessionid",
    }
)
JSON_FIELDS: Final = ("contexts", "unstruct_event", "derived_contexts")
HASHES: Final = ("MD2", "MD5", "SHA-1", "SHA-256", "SHA-384", "SHA-512")
PLACEHOLDER_SALT: Final = "replace this by a long secret of your own"
"""What the configuration file we ship holds; nobody may run with it."""
IDENTIFIER: Final = "pii"
_ANONYMOUS = "sp-anonymous"

Rule = tuple[Criterion, Change]


class Pii:
    def __init__(
        self,
        key: SchemaKey,
        fields: Sequence[str],
        rules: Mapping[str, Sequence[Rule]],
        pseudonym: Callable[[str], str],
        anonymous_only: bool = False,
    ) -> None:
        """`rules` by names of JSON_FIELDS. `anonymous_only`: act only on requests with a header `SP-Anonymous`."""
        self.schema_key = key
        self._fields = tuple(dict.fromkeys(fields))
        self._pseudonym = pseudonym
        self._anonymous_only = anonymous_only
        self._contexts, self._unstruct, self._derived = (_Rules(rules.get(name, ())) for name in JSON_FIELDS)

    def enrich(self, working: Working) -> None:
        """Entities are replaced, never changed: others may hold them too."""
        if self._anonymous_only and not any(header[:12].lower() == _ANONYMOUS for header in working.headers):
            return
        event, pseudonym = working.event, self._pseudonym
        fields = event.__dict__
        for name in self._fields:
            value = fields.get(name)
            if value is not None:
                fields[name] = pseudonym(value)
        try:
            if self._contexts and event.contexts:
                event.contexts = [self._contexts.apply(entity) for entity in event.contexts]
            if self._unstruct and event.unstruct_event is not None:
                event.unstruct_event = self._unstruct.apply(event.unstruct_event)
            if self._derived:
                working.entities = [self._derived.apply(entity) for entity in working.entities]
        except Exception as error:  # a filter of jsonpath-ng that cannot cope with the data: the event must not pass unhashed
            _log.warning("PII rule failed: %s", type(error).__name__)
            message = SimpleMessage(f"A JSONPath could not be applied: {type(error).__name__}")
            working.failures.insert(0, EnrichmentFailure(message, self.schema_key, IDENTIFIER))


class _Rules:
    """The rules for one JSON field."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)
        self._matching = lru_cache(1_000)(self._changes)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def apply(self, entity: SelfDescribing) -> SelfDescribing:
        changes = self._matching(entity.key)
        old = entity.data
        if not changes or type(old) is not dict:
            return entity
        new = old
        for change in changes:
            new = change(new)
        return entity if new is old else SelfDescribing(entity.key, new, entity.exact)

    def _changes(self, key: SchemaKey) -> tuple[Change, ...]:
        return tuple(change for criterion, change in self._rules if criterion.matches(key))


def hasher(algorithm: str, salt: str) -> Callable[[str], str]:
    """`algorithm` is one of HASHES. A lone surrogate counts as `?`."""
    suffix = salt.encode("utf-8", "replace")
    if algorithm == "MD2":
        from Crypto.Hash import MD2  # hashlib has none, and hardly anybody wants it

        return lambda text: str(MD2.new(text.encode("utf-8", "replace") + suffix).hexdigest())
    new = getattr(hashlib, algorithm.replace("-", "").lower())
    return lambda text: str(new(text.encode("utf-8", "replace") + suffix).hexdigest())


def _hash_strings(pseudonym: Callable[[str], str]) -> Change:
    def change(value: Any) -> Any:
        if type(value) is str:
            return pseudonym(value)
        if type(value) is list and any(type(item) is str for item in value):
            return [pseudonym(item) if type(item) is str else item for item in value]
        return value

    return change


def build(configuration: Configuration, assets: Assets) -> Pii:
    parameters: Any = configuration.parameters
    strategy = parameters["strategy"]["pseudonymize"]
    algorithm, salt = strategy["hashFunction"], strategy["salt"]
    faults = []
    if algorithm not in HASHES:
        problem = f"must be one of {', '.join(HASHES)}"
        raise configuration.refuse("parameters.strategy.pseudonymize.hashFunction", problem)
    if salt == PLACEHOLDER_SALT:
        faults.append(configuration.fault("parameters.strategy.pseudonymize.salt", "put a secret of your own here"))
    pseudonym = hasher(algorithm, salt)
    fields: list[str] = []
    rules: dict[str, list[Rule]] = {}
    for index, entry in enumerate(parameters["pii"]):
        place = f"parameters.pii[{index}]"
        if "pojo" in entry:
            fields.append(entry["pojo"]["field"])
            if fields[-1] not in FIELDS:
                faults.append(configuration.fault(f"{place}.pojo.field", f"{fields[-1]} is no field that can be hashed"))
        else:
            faults += _add_rule(configuration, rules, entry["json"], f"{place}.json", _hash_strings(pseudonym))
    if faults:
        raise ConfigurationError(faults)
    return Pii(configuration.key, fields, rules, pseudonym, configuration.data.get("anonymousOnly") is True)


def _add_rule(configuration: Configuration, rules: dict[str, list[Rule]], entry: Any, place: str, change: Change) -> list[Fault]:
    if entry["field"] not in JSON_FIELDS:
        return [configuration.fault(f"{place}.field", f"must be one of {', '.join(JSON_FIELDS)}")]
    try:
        criterion = parse_criterion(entry["schemaCriterion"])
    except InvalidIglu:
        return [configuration.fault(f"{place}.schemaCriterion", "must be of the form iglu:vendor/name/jsonschema/1-*-*")]
    try:
        rules.setdefault(entry["field"], []).append((criterion, compile_path(entry["jsonPath"], change)))
    except InvalidPath as error:
        return [configuration.fault(f"{place}.jsonPath", str(error))]
    return []
