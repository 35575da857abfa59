"""The forms in which an id may be stored: as it is, and as the PII enrichment writes it."""

from collections.abc import Callable, Iterable
from pathlib import Path

from backbone.errors import ConfigurationError
from backbone.person import canonical
from enricher.enrichments import pii
from enricher.enrichments.configuration import Configuration, read

_NAME = "pii_enrichment_config"


def hashers(folder: Path) -> list[tuple[Path, Callable[[str], str]]]:
    """(file, what makes the pseudonym) of every PII configuration in the folder, disabled ones too: rows may be older.

    Raises ConfigurationError.
    """
    found = []
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        configuration = read(path)
        if configuration.key.name == _NAME and (made := _hasher(configuration)) is not None:
            found.append((path, made))
    return found


def _hasher(configuration: Configuration) -> Callable[[str], str] | None:
    """None for the shipped example, which nobody can have run with."""
    try:
        strategy = configuration.parameters["strategy"]["pseudonymize"]
        algorithm, salt = strategy["hashFunction"], strategy["salt"]
    except (LookupError, TypeError):
        algorithm, salt = None, None
    if algorithm not in pii.HASHES or type(salt) is not str:
        fault = configuration.fault("parameters.strategy.pseudonymize", "names no hash function and salt")
        raise ConfigurationError([fault])
    return None if salt == pii.PLACEHOLDER_SALT else pii.hasher(algorithm, salt)


def forms(ids: Iterable[str], hashers: Iterable[Callable[[str], str]]) -> list[str]:
    """The ids, and their pseudonyms; those of a UUID in small letters too, which is how requests' ids are hashed."""
    given = list(dict.fromkeys(ids))
    plain = dict.fromkeys(spelling for value in given for spelling in (value, canonical(value)))
    return list(dict.fromkeys([*given, *(make(value) for make in hashers for value in plain)]))
