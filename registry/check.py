"""Checks a folder of schemas: every fault of every file, before an event meets it.

What is checked: JSON without repeated keys; path = `self`; `$schema`; the draft-4 metaschema; that every part compiles
(patterns, `$ref`); that patterns run here as they do in Java; `$supersedes`. Gaps between versions are warnings.
"""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import jsonschema

from backbone import jsontext
from backbone.errors import Fault
from backbone.iglu.metaschema import IGLU_SCHEMA
from backbone.iglu.patterns import InvalidPattern, UnsupportedPattern, matcher
from backbone.iglu.registries import MAX_SCHEMA_BYTES
from backbone.iglu.reporting import local_reference
from backbone.selfdescribing import InvalidIglu, SchemaKey, SchemaVer, parse_key, parse_version
from registry.subschemas import subschemas

_SELF = ("vendor", "name", "format", "version")


def check(folder: Path) -> list[Fault]:
    """Everything wrong with the schemas in `folder` (`vendor/name/format/version`, or that below a sub-folder `schemas`)."""
    if not folder.is_dir():
        return [Fault(str(folder), "", "is no folder")]
    root = _root(folder)
    faults: list[Fault] = []
    keys: list[SchemaKey] = []
    for file in _files(root):
        key = _key_of(file, root)
        if key is None:
            faults.append(Fault(str(file), "", "is not at vendor/name/format/version"))
        else:
            keys.append(key)
            faults.extend(_check_file(file, key, root))
    faults.extend(_same_but_for_case(keys, root))
    return faults


def warnings(folder: Path) -> list[Fault]:
    """What works here and might not elsewhere: gaps between versions, beyond which Snowplow's loaders find nothing."""
    root = _root(folder)
    return list(_gaps([key for key in (_key_of(file, root) for file in _files(root)) if key is not None], root))


def _root(folder: Path) -> Path:
    return folder / "schemas" if (folder / "schemas").is_dir() else folder


def _files(root: Path) -> list[Path]:
    """Schema files: not hidden ones, not those beside the vendors, not the version lists of static registries."""
    return sorted(path for path in root.rglob("*") if path.is_file() and not _set_aside(path.relative_to(root).parts))


def _set_aside(parts: tuple[str, ...]) -> bool:
    is_list = len(parts) == len(_SELF) and parts[-1].isdigit()
    return len(parts) == 1 or is_list or any(part.startswith(".") for part in parts)


def _key_of(file: Path, root: Path) -> SchemaKey | None:
    parts = file.relative_to(root).parts
    try:
        return parse_key("iglu:" + "/".join(parts)) if len(parts) == len(_SELF) else None
    except InvalidIglu:
        return None


def _check_file(file: Path, key: SchemaKey, root: Path) -> Iterator[Fault]:
    name = str(file)
    try:
        document = _read(file)
    except (OSError, ValueError) as problem:
        yield Fault(name, "", str(problem))
        return
    if key.format == "jsonschema":
        yield from (Fault(name, at, problem) for at, problem in _identity(document, key))
        yield from (Fault(name, at, problem) for at, problem in check_document(document))
        yield from (Fault(name, "$supersedes", problem) for problem in _supersedes(document, key, root))


def _read(file: Path) -> dict[str, Any]:
    """Raises OSError, ValueError."""
    if file.stat().st_size > MAX_SCHEMA_BYTES:
        raise ValueError(f"is longer than {MAX_SCHEMA_BYTES} bytes")
    text = file.read_bytes()
    try:
        jsontext.loads(text)
        document = json.loads(text, object_pairs_hook=_without_repeats)
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    except (jsontext.JsonError, json.JSONDecodeError) as problem:
        raise ValueError(f"is not JSON: {problem}") from None
    if not isinstance(document, dict):
        raise ValueError("is not a JSON object")
    return document


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"holds the key `{next(name for name in names if names.count(name) > 1)}` twice")
    return result


def _identity(document: dict[str, Any], key: SchemaKey) -> Iterator[tuple[str, str]]:
    given = document.get("self")
    if not isinstance(given, dict):
        yield "self", "must hold vendor, name, format and version"
        return
    for part, expected in zip(_SELF, (key.vendor, key.name, key.format, str(key.version)), strict=True):
        if given.get(part) != expected:
            yield f"self.{part}", f"is {json.dumps(given.get(part))}, but the file is at {expected!r}"
    for part in sorted(set(given) - set(_SELF)):
        yield f"self.{part}", "does not belong into `self`"


def check_document(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(place in the schema, problem) for all that keeps a JSON schema from being used, or from meaning the same everywhere."""
    if document.get("$schema") != IGLU_SCHEMA:
        yield "$schema", f"must be exactly {IGLU_SCHEMA}"
    if jsontext.depth(document) > jsontext.MAX_DEPTH:
        yield "", f"is nested more than {jsontext.MAX_DEPTH} levels deep"
        return
    broken = list(jsonschema.Draft4Validator(jsonschema.Draft4Validator.META_SCHEMA).iter_errors(document))
    for error in broken:
        yield error.json_path, f"is no valid JSON Schema, draft 4: {error.message}"
    if not broken:
        for at, schema in subschemas(document):
            yield from _patterns(at, schema)
            yield from _reference(at, schema, document)


def _patterns(at: str, schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for pattern in [*([schema["pattern"]] if "pattern" in schema else []), *schema.get("patternProperties", ())]:
        try:
            matcher(pattern)
        except InvalidPattern as problem:
            yield at, f"pattern {pattern}: {problem}"
        except UnsupportedPattern as problem:
            yield at, f"pattern {pattern} works in Java only: {problem}"


def _reference(at: str, schema: dict[str, Any], document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "$ref" not in schema:
        return
    target = schema["$ref"]
    if not isinstance(target, str):
        yield f"{at}.$ref", "must be a string"
    elif not target.startswith("#"):
        yield f"{at}.$ref", f"{target} is not part of this schema; remote ones are not read, and accept everything or nothing"
    elif local_reference(document, target) is None:
        yield f"{at}.$ref", f"{target} is not in this schema"


def _supersedes(document: dict[str, Any], key: SchemaKey, root: Path) -> Iterator[str]:
    listed = document.get("$supersedes", [])
    if not isinstance(listed, list):
        yield "must be a list of versions"
        return
    for version in listed:
        try:
            old = parse_version(version) if isinstance(version, str) else None
        except InvalidIglu:
            old = None
        if old is None:
            yield f"{json.dumps(version)} is no version"
        elif old >= key.version:
            yield f"{old} is not lower than {key.version}"
        elif not (root / key._replace(version=old).path).is_file():
            yield f"{old} does not exist"


def _gaps(keys: list[SchemaKey], root: Path) -> Iterator[Fault]:
    """Loaders look for versions one after the other, so that none beyond a gap is found."""
    ordered = sorted(key for key in keys if key.format == "jsonschema")
    for family, members in groupby(ordered, key=lambda key: (key.vendor, key.name, key.version.model)):
        versions = {key.version for key in members}
        for version in sorted(versions):
            before = _before(version)
            if before is not None and before not in versions:
                path = root / family[0] / family[1] / "jsonschema" / str(version)
                yield Fault(str(path), "self.version", f"{before} is missing, so that loaders do not find {version}")


def _before(version: SchemaVer) -> SchemaVer | None:
    if version.addition > 0:
        return version._replace(addition=version.addition - 1)
    return version._replace(revision=version.revision - 1) if version.revision > 0 else None


def _same_but_for_case(keys: list[SchemaKey], root: Path) -> Iterator[Fault]:
    for _, members in groupby(sorted(keys, key=lambda key: key.path.lower()), key=lambda key: key.path.lower()):
        first, *others = members
        for other in others:
            yield Fault(str(root / other.path), "", f"differs from {first.path} only in case")
