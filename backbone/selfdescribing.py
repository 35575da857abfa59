"""Self-describing JSON: an Iglu URI naming a schema, and the data it describes.

`iglu:{vendor}/{name}/{format}/{version}`; version is SchemaVer MODEL-REVISION-ADDITION.
Source of the rules: Iglu's documentation; 128 characters a part as Snowplow Enrich ≥ 6.7.1.
"""

import re
from functools import lru_cache
from typing import Any, NamedTuple

from backbone import jsontext

_URI = re.compile(r"iglu:([a-zA-Z0-9\-_.]+)/([a-zA-Z0-9\-_]+)/([a-zA-Z0-9\-_]+)/([^/\s]+)\Z")
_VERSION = re.compile(r"([1-9][0-9]*)-(0|[1-9][0-9]*)-(0|[1-9][0-9]*)\Z")
_MAX_PART = 128
_MAX_INT = 2**31 - 1


class SchemaVer(NamedTuple):
    model: int
    revision: int
    addition: int

    def __str__(self) -> str:
        return f"{self.model}-{self.revision}-{self.addition}"


class SchemaKey(NamedTuple):
    vendor: str
    name: str
    format: str
    version: SchemaVer

    @property
    def path(self) -> str:
        return f"{self.vendor}/{self.name}/{self.format}/{self.version}"

    @property
    def uri(self) -> str:
        return f"iglu:{self.path}"

    def __str__(self) -> str:
        return self.uri


class InvalidIglu(ValueError):
    """Not a schema key, version or self-describing datum.

    `code` is INVALID_IGLUURI, INVALID_SCHEMAVER, INVALID_DATA_PAYLOAD, INVALID_SCHEMA or INVALID_METASCHEMA.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def parse_version(text: str) -> SchemaVer:
    """Raises InvalidIglu(INVALID_SCHEMAVER)."""
    match = _VERSION.match(text)
    if match is None:
        raise InvalidIglu("INVALID_SCHEMAVER")
    version = SchemaVer(*map(int, match.groups())) if len(text) <= 32 else None
    if version is None or max(version) > _MAX_INT:
        raise InvalidIglu("INVALID_SCHEMAVER")
    return version


@lru_cache(maxsize=4096)
def parse_key(uri: str) -> SchemaKey:
    """Raises InvalidIglu."""
    match = _URI.match(uri)
    if match is None:
        raise InvalidIglu("INVALID_IGLUURI")
    vendor, name, format_, version = match.groups()
    if max(len(vendor), len(name), len(format_)) > _MAX_PART:
        raise InvalidIglu("INVALID_IGLUURI")
    return SchemaKey(vendor, name, format_, parse_version(version))


class SelfDescribing:
    """A schema key with its data. `exact` says that `data` holds no `jsontext.LiteralNumber`."""

    __slots__ = ("data", "exact", "key")

    def __init__(self, key: SchemaKey, data: Any, exact: bool = True) -> None:
        self.key = key
        self.data = data
        self.exact = exact

    def text(self) -> str:
        """Compact JSON `{"schema":…,"data":…}`."""
        return f"{_head(self.key)}{jsontext.dumps(self.data, self.exact)}}}"

    def value(self) -> dict[str, Any]:
        return {"schema": self.key.uri, "data": self.data}

    def __repr__(self) -> str:
        return f"SelfDescribing({self.key.uri})"


@lru_cache(maxsize=4096)
def _head(key: SchemaKey) -> str:
    return f'{{"schema":"{key.uri}","data":'


def from_value(value: Any, exact: bool = True) -> SelfDescribing:
    """From parsed JSON: an object with a string `schema` and any `data` (null allowed); other keys are ignored.

    Raises InvalidIglu: INVALID_DATA_PAYLOAD for the shape, else the code of the URI's fault.
    """
    if type(value) is not dict or type(uri := value.get("schema")) is not str or "data" not in value:
        raise InvalidIglu("INVALID_DATA_PAYLOAD")
    return SelfDescribing(parse_key(uri), value["data"], exact)


class Criterion(NamedTuple):
    """`iglu:vendor/name/format/1-*-*`: `None` stands for `*`."""

    vendor: str
    name: str
    format: str
    model: int | None
    revision: int | None
    addition: int | None

    def matches(self, key: SchemaKey) -> bool:
        version = key.version
        return (
            key.vendor == self.vendor
            and key.name == self.name
            and key.format == self.format
            and (self.model is None or self.model == version.model)
            and (self.revision is None or self.revision == version.revision)
            and (self.addition is None or self.addition == version.addition)
        )

    def __str__(self) -> str:
        parts = ("*" if part is None else str(part) for part in self[3:])
        return f"iglu:{self.vendor}/{self.name}/{self.format}/{'-'.join(parts)}"


_CRITERION = re.compile(
    r"iglu:([a-zA-Z0-9\-_.]+)/([a-zA-Z0-9\-_]+)/([a-zA-Z0-9\-_]+)/([1-9][0-9]*|\*)-(0|[1-9][0-9]*|\*)-(0|[1-9][0-9]*|\*)\Z"
)


def parse_criterion(text: str) -> Criterion:
    """Raises InvalidIglu(INVALID_IGLUURI)."""
    match = _CRITERION.match(text)
    if match is None:
        raise InvalidIglu("INVALID_IGLUURI")
    vendor, name, format_, *version = match.groups()
    if any(len(part) > len(str(_MAX_INT)) or (part != "*" and int(part) > _MAX_INT) for part in version):
        raise InvalidIglu("INVALID_IGLUURI")
    return Criterion(vendor, name, format_, *(None if part == "*" else int(part) for part in version))
