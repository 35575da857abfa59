import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backbone import jsontext
from backbone.errors import RegistryUnavailable
from backbone.iglu import resolver as resolver_module
from backbone.iglu.failures import RegistryError, ResolutionError, ValidationError
from backbone.iglu.fast_engine import fast_engine
from backbone.iglu.keywords import reporter
from backbone.iglu.registries import Answer, FolderRegistry, Place
from backbone.iglu.reporting import InvalidSchema
from backbone.iglu.resolver import Resolver
from backbone.iglu.validator import Validator
from backbone.selfdescribing import SchemaKey, SelfDescribing, parse_key


def key(version: str = "1-0-0") -> SchemaKey:
    return parse_key(f"iglu:com.acme/thing/jsonschema/{version}")


def put(folder: Path, version: str, **document: Any) -> None:
    file = folder / key(version).path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document))


def validator(folder: Path, **options: Any) -> Validator:
    return Validator(Resolver([FolderRegistry(Place("local"), folder)]), **options)


def test_a_valid_datum_gives_the_key_it_was_validated_with(tmp_path: Path) -> None:
    put(tmp_path, "1-0-0", type="object")
    assert validator(tmp_path).check(SelfDescribing(key(), {})) == key()


def test_an_invalid_datum_gives_reports(tmp_path: Path) -> None:
    put(tmp_path, "1-0-0", type="object")
    failure = validator(tmp_path).check(SelfDescribing(key(), 5))
    assert isinstance(failure, ValidationError)
    assert failure.superseded_by is None
    assert failure.data_reports[0].keyword == "type"


def test_an_unknown_schema_is_a_failure_of_the_datum(tmp_path: Path) -> None:
    failure = validator(tmp_path).check(SelfDescribing(key(), {}))
    assert isinstance(failure, ResolutionError)
    assert failure.value()["lookupHistory"][0]["errors"] == [{"error": "NotFound"}]


def test_a_silent_registry_is_no_failure_of_the_datum() -> None:
    class Silent:
        rank = 100
        place = Place("silent")

        def get(self, key: SchemaKey) -> Answer:
            return RegistryError("RepoFailure", "Unexpected server response: 500", transient=True)

        def close(self) -> None:
            pass

    with pytest.raises(RegistryUnavailable, match="silent: Unexpected server response: 500"):
        Validator(Resolver([Silent()])).check(SelfDescribing(key(), {}))


def test_superseded_schemas_are_replaced_and_failures_say_so(tmp_path: Path) -> None:
    put(tmp_path, "1-0-0", type="string")
    put(tmp_path, "1-0-1", **{"type": "integer", "$supersedes": ["1-0-0"]})
    checking = validator(tmp_path)
    assert checking.check(SelfDescribing(key(), 5)) == key("1-0-1")
    failure = checking.check(SelfDescribing(key(), "x"))
    assert isinstance(failure, ValidationError)
    assert failure.value()["supersededBy"] == "1-0-1"
    plain = checking.check(SelfDescribing(key("1-0-1"), "x"))
    assert isinstance(plain, ValidationError)
    assert "supersededBy" not in plain.value()


def test_a_changed_schema_is_compiled_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver_module, "WATCH_SECONDS", 0.0)
    put(tmp_path, "1-0-0", type="string")
    checking = validator(tmp_path)
    assert checking.check_value(key(), "x") == key()
    put(tmp_path, "1-0-0", type="integer")
    assert isinstance(checking.check_value(key(), "x"), ValidationError)
    assert checking.check_value(key(), 5) == key()


def test_an_unusable_schema_fails_the_datum_with_its_issues(tmp_path: Path) -> None:
    put(tmp_path, "1-0-0", type="any")
    failure = validator(tmp_path).check_value(key(), {})
    assert isinstance(failure, ValidationError)
    assert failure.schema_issues


def test_data_deeper_than_the_limit_fail(tmp_path: Path) -> None:
    put(tmp_path, "1-0-0", type="array")
    failure = validator(tmp_path, max_depth=3).check_value(key(), [[[1]]])
    assert isinstance(failure, ValidationError)
    assert failure.data_reports[0].message == "Maximum allowed JSON depth exceeded"
    assert validator(tmp_path, max_depth=None).check_value(key(), [[[1]]]) == key()


@pytest.mark.parametrize("text", ['{"price": 1.10}', '{"price": 1.0e0, "note": "\\ud800"}', '{"price": 1e400}'])
def test_numbers_that_keep_their_spelling_and_odd_strings_are_validated(tmp_path: Path, text: str) -> None:
    put(tmp_path, "1-0-0", type="object", properties={"price": {"type": "number"}, "note": {"type": "string", "maxLength": 1}})
    data, exact = jsontext.loads(text)
    assert not exact
    assert validator(tmp_path).check(SelfDescribing(key(), data, exact)) == key()


NAMES = st.sampled_from(["a", "b", "c", "#d", "é"])
TEXTS = st.sampled_from(
    ["", "a", "ab", "abc", "a\n", "2024-02-29T12:30:15Z", "é", "0f0e0d0c-0b0a-4908-8706-050403020100", "x:y", "1.2.3.4"]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 5), st.sampled_from([1.0, 0.5, -0.0, 1e20, 10**20, 2.5]), TEXTS)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)
TYPES = st.sampled_from(["string", "integer", "number", "null", "boolean", "object", "array"])
PATTERNS = st.sampled_from(["^a$", "^.$", "a+", "^[a-z&&[^b]]$", "(?i)A", "^(a++)$"])
FORMATS = st.sampled_from(["date-time", "uuid", "uri", "ipv4", "nonsense", "email", "ipv6", "color"])
REFERENCES = st.sampled_from(["#/definitions/x", "#", "http://x.y/z", "#/definitions/none", "iglu:a"])


def schemas(plain_only: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Draft-4 schemas; `plain_only` leaves out what the two validators are known to see differently."""

    def level(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
        branches = st.lists(inner, min_size=1, max_size=2)
        keywords: dict[str, st.SearchStrategy[Any]] = {
            "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
            "enum": st.lists(SCALARS, min_size=1, max_size=3, unique_by=repr),
            "minimum": st.integers(-2, 3),
            "maximum": st.integers(-2, 5),
            "multipleOf": st.sampled_from([1, 2, 0.5]),
            "minLength": st.integers(0, 3),
            "maxLength": st.integers(0, 3),
            "properties": st.dictionaries(NAMES, inner, max_size=3),
            "required": st.lists(NAMES, min_size=1, max_size=2, unique=True),
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b"]), inner, max_size=1),
            "items": inner | st.lists(inner, min_size=1, max_size=2),
            "additionalItems": st.booleans() | inner,
            "minItems": st.integers(0, 2),
            "maxItems": st.integers(0, 2),
            "minProperties": st.integers(0, 2),
            "maxProperties": st.integers(0, 2),
            "allOf": branches,
            "anyOf": branches,
            "not": inner,
            "dependencies": st.dictionaries(NAMES, inner | st.lists(NAMES, min_size=1, max_size=1), max_size=1),
        }
        if not plain_only:
            keywords |= {
                "pattern": PATTERNS,
                "format": FORMATS,
                "additionalProperties": st.booleans() | inner,
                "uniqueItems": st.booleans(),
                "oneOf": branches,
                "nullable": st.booleans(),
                "$ref": REFERENCES,
            }
        return st.fixed_dictionaries({}, optional=keywords)

    return st.recursive(st.fixed_dictionaries({}, optional={"type": TYPES}), level, max_leaves=4)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(schemas(plain_only=False), schemas(plain_only=False), VALUES)
def test_what_the_fast_engine_accepts_has_no_reports(schema: dict[str, Any], definition: dict[str, Any], value: Any) -> None:
    document = {**schema, "definitions": {"x": definition}}
    engine = fast_engine(document)
    if engine is None or not engine(value):
        return
    try:
        assert reporter(document).reports(value) == []
    except InvalidSchema as problem:
        raise AssertionError("the fast engine skipped a broken part") from problem


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(schemas(plain_only=True), VALUES)
def test_an_independent_validator_gives_the_same_verdict(schema: dict[str, Any], value: Any) -> None:
    assert (reporter(schema).reports(value) == []) is jsonschema.Draft4Validator(schema).is_valid(value)
