"""UA parser: an entity `ua_parser_context` from the user agent, by the rules of the uap-core project.

The rules that ship with the `ua-parser` packages serve unless the configuration names a `regexes.yaml`, which replaces them.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from ua_parser.core import Domain, Matchers
from ua_parser.loaders import load_lazy_builtins, load_yaml
from ua_parser.regex import Resolver

from backbone.selfdescribing import SchemaKey, SelfDescribing, parse_key
from enricher.assets import Assets, Watched
from enricher.enrichments.configuration import Configuration
from enricher.enrichments.protocol import Working

CONTEXT = parse_key("iglu:com.snowplowanalytics.snowplow/ua_parser_context/jsonschema/1-0-0")
CACHE_SIZE: Final = 5_000
_LONGEST_CACHED = 2_000
"""Characters; nobody shall fill the memory with invented user agents."""


class _Rules:
    """One set of rules with the answers it gave. Entities are shared between events: nobody may change them."""

    def __init__(self, matchers: Matchers) -> None:
        self._resolve = Resolver(matchers)
        self._remembered = lru_cache(CACHE_SIZE)(self._context)

    def context(self, agent: str) -> SelfDescribing:
        return self._remembered(agent) if len(agent) <= _LONGEST_CACHED else self._context(agent)

    def _context(self, agent: str) -> SelfDescribing:
        found = self._resolve(agent.encode("utf-8", "replace").decode(), Domain.ALL)
        browser, system, device = found.user_agent, found.os, found.device
        family = browser.family if browser else "Other"
        version = (browser.major, browser.minor, browser.patch) if browser else (None, None, None)
        os_family = system.family if system else "Other"
        os_version = (system.major, system.minor, system.patch, system.patch_minor) if system else (None, None, None, None)
        data: dict[str, str | None] = {
            "useragentFamily": family,
            **dict(zip(("useragentMajor", "useragentMinor", "useragentPatch"), version, strict=True)),
            "useragentVersion": _with_version(family, version),
            "osFamily": os_family,
            **dict(zip(("osMajor", "osMinor", "osPatch", "osPatchMinor"), os_version, strict=True)),
            "osVersion": _with_version(os_family, os_version),
            "deviceFamily": device.family if device else "Other",
        }
        return SelfDescribing(CONTEXT, data)


def _with_version(family: str, parts: tuple[str | None, ...]) -> str:
    version = ".".join(part for part in parts if part is not None)
    return f"{family} {version}" if version else family


class UaParser:
    def __init__(self, key: SchemaKey, file: Path | None) -> None:
        """`file` is a `regexes.yaml`. Raises OSError, ValueError if it cannot be used."""
        self.schema_key = key
        self._rules = Watched([file], lambda: _from_file(file)) if file else None
        self._builtin = None if file else _builtin_rules()

    def enrich(self, working: Working) -> None:
        agent = working.event.useragent
        if agent is None:
            return
        rules = self._builtin or self._rules.current()  # type: ignore[union-attr]
        working.entities.insert(0, rules.context(agent))


@lru_cache(1)
def _builtin_rules() -> _Rules:
    return _Rules(load_lazy_builtins())


def _from_file(file: Path) -> _Rules:
    if load_yaml is None:
        raise ValueError("the package PyYAML is not installed")
    try:
        return _Rules(load_yaml(file))
    except OSError:
        raise
    except Exception as error:  # the YAML reader and the regex compiler have their own kinds
        raise ValueError(f"no usable rules: {type(error).__name__}: {error}") from None


def build(configuration: Configuration, assets: Assets) -> UaParser:
    parameters: Any = configuration.parameters
    file = configuration.asset(assets, "parameters.database", parameters) if "database" in parameters else None
    try:
        return UaParser(configuration.key, file)
    except (OSError, ValueError) as error:
        raise configuration.refuse("parameters.database", f"{file}: {error}") from None
