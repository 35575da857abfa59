"""Settings and `resolver.json` → a resolver.

`resolver.json` is Snowplow's: self-describing, `iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-*`, with
`cacheSize`, optional `cacheTtl` (seconds) and `repositories`; keys nobody knows are allowed. An `embedded` repository is a
folder, relative to the file; the path `/iglu-client-embedded` of Snowplow's own images means the schemas we ship.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from backbone import jsontext
from backbone.errors import ConfigurationError, Fault
from backbone.iglu.http_registry import HttpRegistry, problem_of
from backbone.iglu.registries import FolderRegistry, Place, Registry
from backbone.iglu.resolver import CachePolicy, Resolver
from backbone.selfdescribing import Criterion, InvalidIglu, parse_key
from backbone.settings import IgluSettings

BUNDLED = Path(__file__).resolve().parents[2] / "schemas"
"""The schemas that come with Snowmelt: in a checkout beside the packages, in an installation too."""
_BUNDLED_NAME = "Snowmelt bundled schemas"
_BUNDLED_ALIAS = "/iglu-client-embedded"
_FIRST, _LAST = -(2**40), 2**40
_CRITERION = Criterion("com.snowplowanalytics.iglu", "resolver-config", "jsonschema", 1, 0, None)
_MAX_INT = 2**31 - 1


def build_resolver(settings: IgluSettings, extra_folders: Sequence[Path] = ()) -> Resolver:
    """Asks `extra_folders`, then the folders of the settings, then the registries of `resolver.json`, then the bundled schemas.

    Raises ConfigurationError with every fault of folders and `resolver.json`.
    """
    faults: list[Fault] = []
    folders = [*_given(extra_folders, "--schemas", faults), *_configured(settings, faults)]
    registries: list[Registry] = list(_own(folders))
    cache = CachePolicy()
    if settings.resolver is not None:
        others, cache = _read(settings.resolver, faults)
        registries.extend(others)
    if faults:
        raise ConfigurationError(faults)
    if not any(isinstance(known, FolderRegistry) and _same(known.folder, BUNDLED) for known in registries):
        registries.append(FolderRegistry(Place(_BUNDLED_NAME, _LAST), BUNDLED))
    return Resolver(registries, cache)


def _given(folders: Sequence[Path], key: str, faults: list[Fault]) -> Iterator[Path]:
    for folder in folders:
        if folder.is_dir():
            yield folder
        else:
            faults.append(Fault(str(folder), key, "is no folder"))


def _configured(settings: IgluSettings, faults: list[Fault]) -> Iterator[Path]:
    """The default folder may be absent; one that somebody asked for may not."""
    if "schemas" in settings.model_fields_set:
        return _given(settings.schemas, "iglu.schemas", faults)
    return iter(settings.schemas)


def _own(folders: Sequence[Path]) -> Iterator[Registry]:
    """The empty prefix matches every vendor, so these come before registries that merely match one."""
    seen: list[Path] = []
    for number, folder in enumerate(folders):
        if not any(_same(folder, other) for other in seen):
            seen.append(folder)
            yield FolderRegistry(Place(f"Schemas in {folder}", _FIRST + number, ("",)), folder)


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _read(file: Path, faults: list[Fault]) -> tuple[list[Registry], CachePolicy]:
    try:
        value, _ = jsontext.loads(file.read_bytes())
    except OSError as problem:
        faults.append(Fault(str(file), "", f"cannot be read: {problem.strerror}"))
        return [], CachePolicy()
    except jsontext.JsonError as problem:
        faults.append(Fault(str(file), "", f"is not JSON: {problem}"))
        return [], CachePolicy()
    return parse(value, file, faults)


def parse(value: Any, file: Path, faults: list[Fault]) -> tuple[list[Registry], CachePolicy]:
    """Registries and cache policy of a resolver configuration; what is wrong with it is added to `faults`."""
    name = str(file)
    if not isinstance(value, dict) or not isinstance(data := value.get("data"), dict):
        faults.append(Fault(name, "", "is no self-describing JSON object with `schema` and `data`"))
        return [], CachePolicy()
    if not _is_resolver_config(value.get("schema")):
        faults.append(Fault(name, "schema", f"must match {_CRITERION}"))
    cache = CachePolicy(_size(data, name, faults), _ttl(data, name, faults))
    repositories = data.get("repositories")
    if not isinstance(repositories, list):
        faults.append(Fault(name, "data.repositories", "must be a list"))
        return [], cache
    registries = [_registry(item, f"data.repositories[{number}]", file, faults) for number, item in enumerate(repositories)]
    faults.extend(_repeated(repositories, name))
    return [registry for registry in registries if registry is not None], cache


def _is_resolver_config(uri: Any) -> bool:
    try:
        return isinstance(uri, str) and _CRITERION.matches(parse_key(uri))
    except InvalidIglu:
        return False


def _repeated(repositories: Sequence[Any], file: str) -> Iterator[Fault]:
    names: list[str] = []
    for number, item in enumerate(repositories):
        name = item.get("name") if isinstance(item, dict) else None
        if isinstance(name, str):
            if name in names:
                yield Fault(file, f"data.repositories[{number}].name", f"`{name}` names another repository already")
            names.append(name)


def _size(data: Mapping[str, Any], file: str, faults: list[Fault]) -> int:
    size = data.get("cacheSize")
    if type(size) is int and abs(size) <= _MAX_INT:
        return size
    faults.append(Fault(file, "data.cacheSize", "must be an integer"))
    return 0


def _ttl(data: Mapping[str, Any], file: str, faults: list[Fault]) -> float | None:
    ttl = data.get("cacheTtl")
    if ttl is None or (type(ttl) is int and abs(ttl) <= _MAX_INT):
        return ttl
    faults.append(Fault(file, "data.cacheTtl", "must be an integer (seconds) or null"))
    return None


def _registry(item: Any, at: str, file: Path, faults: list[Fault]) -> Registry | None:
    before = len(faults)
    name = str(file)
    if not isinstance(item, dict):
        faults.append(Fault(name, at, "must be an object"))
        return None
    if not isinstance(item.get("name"), str):
        faults.append(Fault(name, f"{at}.name", "must be a string"))
    if type(item.get("priority")) is not int or abs(item["priority"]) > _MAX_INT:
        faults.append(Fault(name, f"{at}.priority", "must be an integer"))
    prefixes = item.get("vendorPrefixes")
    if not isinstance(prefixes, list) or not all(isinstance(prefix, str) for prefix in prefixes):
        faults.append(Fault(name, f"{at}.vendorPrefixes", "must be a list of strings"))
    connection = item.get("connection")
    kinds = [kind for kind in ("embedded", "http") if isinstance(connection, dict) and isinstance(connection.get(kind), dict)]
    if not kinds:
        faults.append(Fault(name, f"{at}.connection", "must hold `embedded` or `http`"))
    if len(faults) > before:
        return None
    place = Place(item["name"], item["priority"], tuple(item["vendorPrefixes"]))
    build = _embedded if kinds[0] == "embedded" else _http
    return build(place, item["connection"][kinds[0]], f"{at}.connection.{kinds[0]}", file, faults)


def _embedded(place: Place, connection: Mapping[str, Any], at: str, file: Path, faults: list[Fault]) -> Registry | None:
    path = connection.get("path")
    if not isinstance(path, str):
        faults.append(Fault(str(file), f"{at}.path", "must be a string"))
        return None
    folder = file.parent / path
    if not folder.is_dir() and path.rstrip("/") == _BUNDLED_ALIAS:
        return FolderRegistry(place, BUNDLED)
    if not folder.is_dir():
        faults.append(Fault(str(file), f"{at}.path", f"{folder} is no folder"))
        return None
    return FolderRegistry(place, folder)


def _http(place: Place, connection: Mapping[str, Any], at: str, file: Path, faults: list[Fault]) -> Registry | None:
    uri, apikey = connection.get("uri"), connection.get("apikey")
    usable_key = apikey is None or (isinstance(apikey, str) and apikey.isascii() and apikey.isprintable())
    if not usable_key:
        faults.append(Fault(str(file), f"{at}.apikey", "must be a string or null"))
    problem = problem_of(uri) if isinstance(uri, str) else "must be a string"
    if problem is not None:
        faults.append(Fault(str(file), f"{at}.uri", problem))
    if problem is not None or not usable_key or not isinstance(uri, str):
        return None
    return HttpRegistry(place, uri, apikey)
