import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from backbone import jsontext
from backbone.iglu import build_resolver
from backbone.iglu.configuration import BUNDLED
from backbone.iglu.fast_engine import fast_engine
from backbone.iglu.validator import CompiledSchema, Validator
from backbone.selfdescribing import parse_key
from backbone.settings import IgluSettings
from registry.check import check
from registry.subschemas import subschemas

_ROOT = Path(__file__).parents[2]
_FACTS = Path(os.environ.get("SNOWMELT_GOLDEN", _ROOT / "../shared/data/golden")).parent / "core-schemas.json"
_CENTRAL = Path(os.environ.get("SNOWMELT_IGLU_CENTRAL", _ROOT / "../shared/data/iglu-central")) / "schemas"
_FILES = sorted(path for path in BUNDLED.rglob("*") if path.is_file())
_SCHEMAS = [path for path in _FILES if path.parent.name == "jsonschema"]


def _path(file: Path) -> str:
    return file.relative_to(BUNDLED).as_posix()


def _read(file: Path) -> Any:
    return jsontext.loads(file.read_bytes())[0]


def test_the_bundled_schemas_have_no_faults() -> None:
    assert check(BUNDLED) == []


@pytest.mark.parametrize("file", _SCHEMAS, ids=_path)
def test_every_schema_compiles_for_the_fast_engine_without_a_connection(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", None)
    assert CompiledSchema(_read(file), jsontext.MAX_DEPTH).issues == ()
    assert fast_engine(_read(file)) is not None


@pytest.mark.parametrize("file", _SCHEMAS, ids=_path)
def test_every_schema_says_what_it_is_for(file: Path) -> None:
    assert len(_read(file)["description"]) > 10


@pytest.mark.parametrize("file", [path for path in _SCHEMAS if _path(path).startswith("com.acme/")], ids=_path)
def test_the_examples_describe_every_property_and_bound_every_string(file: Path) -> None:
    for at, schema in list(subschemas(_read(file)))[1:]:
        assert schema.get("description"), at
        if "string" in str(schema.get("type")):
            assert "maxLength" in schema, at


def _core() -> list[dict[str, Any]]:
    return json.loads(_FACTS.read_text()) if _FACTS.is_file() else []


@pytest.mark.skipif(not _FACTS.is_file(), reason=f"no facts of the schemas trackers need: {_FACTS}")
def test_every_schema_that_trackers_and_the_pipeline_need_is_there() -> None:
    needed = {f"{fact['vendor']}/{fact['name']}/{fact['format']}/{fact['version']}" for fact in _core()}
    assert needed
    assert needed - {_path(file) for file in _FILES} == set()


def _bare(node: Any, names_are_properties: bool = False) -> Any:
    """Without annotations, and without what an empty `properties` says: nothing."""
    if isinstance(node, list):
        return [_bare(item) for item in node]
    if not isinstance(node, dict):
        return node
    dropped = () if names_are_properties else ("description", "title", "$schema", "self")
    maps = ("properties", "patternProperties", "definitions")
    bare = {key: _bare(item, key in maps and not names_are_properties) for key, item in node.items() if key not in dropped}
    return bare if names_are_properties else {key: item for key, item in bare.items() if not (key == "properties" and item == {})}


@pytest.mark.skipif(not _CENTRAL.is_dir(), reason=f"no public schemas in {_CENTRAL}")
@pytest.mark.parametrize("file", [path for path in _SCHEMAS if not _path(path).startswith("com.acme/")], ids=_path)
def test_a_schema_of_others_means_what_it_means_to_them(file: Path) -> None:
    assert _bare(_read(file)) == _bare(_read(_CENTRAL / _path(file)))


@pytest.mark.skipif(not _CENTRAL.is_dir(), reason=f"no public schemas in {_CENTRAL}")
def test_all_public_schemas_compile_without_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", None)
    files = [path for path in _CENTRAL.rglob("*") if path.is_file() and path.parent.name == "jsonschema"]
    assert len(files) >= 660
    unusable = [str(file) for file in files if CompiledSchema(_read(file)).issues]
    slow = [str(file) for file in files if fast_engine(_read(file)) is None]
    assert (unusable, slow) == ([], [])


@pytest.mark.parametrize(
    ("uri", "data"),
    [
        ("iglu:com.acme/product_view/jsonschema/1-0-0", {"sku": "A-1", "position": 1, "viewedAt": "2026-01-31T10:00:00Z"}),
        (
            "iglu:com.acme/product/jsonschema/1-0-0",
            {"sku": "A-1", "name": "Lamp", "price": 19.99, "currency": "EUR", "tags": ["new"]},
        ),
        ("iglu:com.acme/page/jsonschema/1-0-0", {"type": "product", "section": None}),
        ("iglu:com.acme/newsletter_signup/jsonschema/1-0-0", {"topic": "lamps", "email": "ann@example.com", "consent": True}),
    ],
)
def test_the_examples_accept_what_they_are_for(uri: str, data: dict[str, Any]) -> None:
    validator = Validator(build_resolver(IgluSettings(schemas=())))
    assert validator.check_value(parse_key(uri), data) == parse_key(uri)
    assert validator.check_value(parse_key(uri), {**data, "unknown": 1}) != parse_key(uri)
