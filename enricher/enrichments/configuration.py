"""Configuration files of enrichments: JSON in Snowplow's envelope, with `${NAME}` filled in from the environment.

    {"schema": "iglu:VENDOR/NAME/jsonschema/VERSION",
     "data": {"vendor": "VENDOR", "name": "NAME", "enabled": true, "parameters": {}}}

A substitution stands where a string value stands, without quotes: `"salt": ${PII_SALT}` needs the variable; with
`"salt": ${?PII_SALT}` the key is left out, or keeps an earlier value, when it is not set. Inside quotes it is plain text.
(Snowplow reads these files as HOCON; this is the part of it that keeps secrets out of files.)
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backbone.errors import ConfigurationError, Fault
from backbone.selfdescribing import InvalidIglu, SchemaKey, SelfDescribing, parse_key
from enricher.assets import Assets, MissingAsset

MAX_BYTES = 20_000_000
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\$\{(\??)\s*([A-Za-z_][A-Za-z0-9_.]*)\s*\}', re.DOTALL)
_ABSENT = "\ue000absent"


@dataclass(frozen=True, slots=True)
class Configuration:
    """One file, its envelope opened."""

    path: Path
    key: SchemaKey
    data: Mapping[str, Any]

    @property
    def enabled(self) -> bool:
        return self.data.get("enabled") is True

    @property
    def parameters(self) -> Mapping[str, Any]:
        found = self.data.get("parameters")
        return found if isinstance(found, dict) else {}

    @property
    def datum(self) -> SelfDescribing:
        return SelfDescribing(self.key, self.data)

    def fault(self, key: str, problem: str) -> Fault:
        return Fault(str(self.path), key, problem)

    def refuse(self, key: str, problem: str) -> ConfigurationError:
        return ConfigurationError([self.fault(key, problem)])

    def asset(self, assets: Assets, key: str, block: Mapping[str, Any]) -> Path:
        """The file that `database` and `uri` of a block name. Raises ConfigurationError."""
        found = assets.find(block.get("uri"), block["database"], self.path.parent)
        if isinstance(found, MissingAsset):
            raise self.refuse(key, found.problem)
        return found


def read(path: Path, environment: Mapping[str, str] = os.environ) -> Configuration:
    """Raises ConfigurationError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _refusal(path, f"larger than {MAX_BYTES} bytes")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _refusal(path, f"cannot be read: {error}") from None
    value = _parse(path, text, environment)
    if not isinstance(value, dict) or set(value) != {"schema", "data"} or not isinstance(value["data"], dict):
        raise _refusal(path, 'must be one object with "schema" (an iglu: address) and "data" (an object), nothing else')
    try:
        return Configuration(path, parse_key(value["schema"]), value["data"])
    except (InvalidIglu, TypeError):
        raise ConfigurationError([Fault(str(path), "schema", "is no iglu: address")]) from None


def _refusal(path: Path, problem: str) -> ConfigurationError:
    return ConfigurationError([Fault(str(path), "", problem)])


def _parse(path: Path, text: str, environment: Mapping[str, str]) -> Any:
    missing = [name for optional, name in _TOKEN.findall(text) if name and not optional and name not in environment]
    if missing:
        raise ConfigurationError([Fault(str(path), "", f"environment variable {name} is not set") for name in missing])

    def fill(match: re.Match[str]) -> str:
        return match[0] if match[2] is None else json.dumps(environment.get(match[2], _ABSENT))

    try:
        return json.loads(_TOKEN.sub(fill, text), object_pairs_hook=_pairs)
    except (ValueError, RecursionError) as error:
        raise _refusal(path, f"is not JSON: {error}") from None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in pairs if value != _ABSENT}
