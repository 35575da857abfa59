"""The forms of an id that are looked for: as given, and as any PII configuration in the folder makes them."""

import hashlib
import json
from pathlib import Path

import pytest

from backbone.errors import ConfigurationError
from enricher.enrichments.pii import PLACEHOLDER_SALT
from snowmelt.pseudonyms import forms, hashers

ROOT = Path(__file__).parents[2]


def configure(folder: Path, name: str, **strategy: object) -> None:
    value = json.loads((ROOT / "enrichments/pii_enrichment_config.json").read_text())
    value["data"]["parameters"]["strategy"]["pseudonymize"] = strategy
    (folder / name).write_text(json.dumps(value))


def test_each_configuration_gives_one_more_form_also_a_disabled_one(tmp_path: Path) -> None:
    configure(tmp_path, "a.json", hashFunction="SHA-256", salt="old")
    configure(tmp_path, "b.json", hashFunction="MD5", salt="new")
    found = hashers(tmp_path)
    assert [path.name for path, _ in found] == ["a.json", "b.json"]
    expected = ["anna", hashlib.sha256(b"annaold").hexdigest(), hashlib.md5(b"annanew").hexdigest()]
    assert forms(["anna"], [make for _, make in found]) == expected


def test_a_uuid_is_hashed_in_small_letters_too(tmp_path: Path) -> None:
    configure(tmp_path, "a.json", hashFunction="SHA-1", salt="s")
    given = "0A1B2C3D-AAAA-4BBB-8CCC-ABCDEF012345"
    made = forms([given], [make for _, make in hashers(tmp_path)])
    assert made == [given, *(hashlib.sha1(f"{value}s".encode()).hexdigest() for value in (given, given.lower()))]


def test_the_shipped_example_and_other_enrichments_give_none(tmp_path: Path) -> None:
    configure(tmp_path, "a.json", hashFunction="SHA-1", salt=PLACEHOLDER_SALT)
    assert hashers(tmp_path) == []
    assert hashers(tmp_path / "missing") == []
    assert hashers(ROOT / "enrichments") == []


def test_a_configuration_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    configure(tmp_path, "a.json", hashFunction="ROT13", salt="s")
    with pytest.raises(ConfigurationError, match="names no hash function"):
        hashers(tmp_path)
