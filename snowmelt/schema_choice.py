"""Which schema versions the arguments of `snowmelt schema columns` mean: URIs, whole families, files."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from backbone import jsontext
from backbone.errors import ConfigurationError, Fault
from backbone.iglu.given_schemas import GivenSchemas, key_of
from backbone.iglu.registries import FolderRegistry
from backbone.iglu.resolver import Resolver
from backbone.selfdescribing import InvalidIglu, SchemaKey, SchemaVer, parse_key
from loader.family_report import Family

_FAMILY = re.compile(r"iglu:([a-zA-Z0-9\-_.]+)/([a-zA-Z0-9\-_]+)/jsonschema(?:/(?:([1-9][0-9]*)|\*)-\*-\*)?\Z")
_MOST_MODELS = 100


class _Name(NamedTuple):
    vendor: str
    name: str
    model: int


def chosen(about: Sequence[str], registries: Resolver) -> tuple[Resolver, list[Family]]:
    """The registries with the files before them, and the families.

    A URI with a full version means that this version is among the data; one of a whole family, that all of its versions are.
    Raises ConfigurationError with every fault of the arguments, RegistryUnavailable.
    """
    faults: list[Fault] = []
    seen: dict[_Name, set[SchemaVer]] = defaultdict(set)
    listed: dict[_Name, set[SchemaVer]] = defaultdict(set)
    documents: dict[SchemaKey, dict[str, Any]] = {}
    for argument in about:
        if not argument.startswith("iglu:"):
            document = _read(Path(argument), faults)
            documents.update(document)
            keys = list(document)
        else:
            keys = _named(argument, registries, faults)
        for key in keys:
            family = _Name(key.vendor, key.name, key.version.model)
            seen[family].add(key.version)
            listed[family].add(key.version)
            if key not in documents:
                listed[family].update(known.version for known in registries.family(*family))
    if faults:
        raise ConfigurationError(faults)
    resolver = Resolver([GivenSchemas("schemas of the command line", documents), *registries.registries])
    return resolver, [Family(*name, tuple(sorted(versions)), tuple(sorted(listed[name]))) for name, versions in seen.items()]


def _read(file: Path, faults: list[Fault]) -> dict[SchemaKey, dict[str, Any]]:
    try:
        document, _ = jsontext.loads(file.read_bytes())
        return {key_of(document): document}
    except OSError as problem:
        faults.append(Fault(str(file), "", problem.strerror or "cannot be read"))
    except (jsontext.JsonError, UnicodeDecodeError) as problem:
        faults.append(Fault(str(file), "", f"is not JSON: {problem}"))
    except InvalidIglu:
        faults.append(Fault(str(file), "self", "must hold vendor, name, format and version of a schema"))
    return {}


def _named(uri: str, registries: Resolver, faults: list[Fault]) -> list[SchemaKey]:
    family = _FAMILY.match(uri)
    if family is None:
        try:
            return [parse_key(uri)]
        except InvalidIglu:
            faults.append(Fault("command line", uri, "is not of the form iglu:vendor/name/jsonschema/1-0-0 or …/1-*-*"))
            return []
    vendor, name, model = family.groups()
    models = [int(model)] if model else _models(registries, vendor, name)
    keys = [key for number in models for key in registries.family(vendor, name, number)]
    if not keys:
        faults.append(Fault("command line", uri, "is in no registry"))
    return keys


def _models(registries: Resolver, vendor: str, name: str) -> list[int]:
    """Listed in folders; elsewhere as far as they go."""
    folders = [registry for registry in registries.registries if isinstance(registry, FolderRegistry)]
    found = {version.model for folder in folders for version in folder.versions(vendor, name)}
    if len(folders) < len(registries.registries):
        model = 1
        while model <= _MOST_MODELS and (model in found or registries.family(vendor, name, model)):
            found.add(model)
            model += 1
    return sorted(found)
