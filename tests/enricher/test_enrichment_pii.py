"""PII pseudonymisation: what is hashed, what stays, and that nothing shared is changed."""

import copy
import hashlib
from pathlib import Path
from typing import Any

import pytest

from backbone.errors import ConfigurationError
from backbone.event import Event
from backbone.jsontext import LiteralNumber
from backbone.selfdescribing import SelfDescribing, parse_key
from enricher.assets import Assets
from enricher.enrichments import pii
from enricher.enrichments.configuration import Configuration
from enricher.enrichments.pii import FIELDS, Pii, hasher
from enricher.enrichments.protocol import Working

KEY = parse_key("iglu:com.snowplowanalytics.snowplow.enrichments/pii_enrichment_config/jsonschema/2-0-1")
EMAIL = parse_key("iglu:com.acme/email_sent/jsonschema/1-0-0")
SALT = "pepper123"


def build(*entries: dict[str, Any], algorithm: str = "SHA-256", salt: str = SALT, **data: Any) -> Pii:
    strategy = {"pseudonymize": {"hashFunction": algorithm, "salt": salt}}
    given = {"enabled": True, "emitEvent": True, **data, "parameters": {"pii": list(entries), "strategy": strategy}}
    return pii.build(Configuration(Path("pii.json"), KEY, given), Assets(None, Path("nowhere")))


def pojo(field: str) -> dict[str, Any]:
    return {"pojo": {"field": field}}


def rule(path: str, field: str = "contexts", criterion: str = "iglu:com.acme/email_sent/jsonschema/1-*-*") -> dict[str, Any]:
    return {"json": {"field": field, "schemaCriterion": criterion, "jsonPath": path}}


def sha256(text: str) -> str:
    return hashlib.sha256((text + SALT).encode()).hexdigest()


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD2", "fd0023383c2f99e896f9b1e219b33221"),
        ("MD5", "2a032585325ba692de23c304b96f41b6"),
        ("SHA-1", "ec8d6b75ca61a64226adf1e7e3c9d9af31e0d594"),
        ("SHA-256", "7d8a4beae5bc9d314600667d2f410918f9af265017a6ade99f60a9c8f3aac6e9"),
        ("SHA-384", "3553513bb805ce232aad657791f2dd597db9e1a559a501de7d8056a1b19ca177c55d2ca2d18989576d0e28dd69b32c9f"),
        (
            "SHA-512",
            "c1c732a878271190ed07dbe7eef553954cdb2607b708cc79638593495c33dd28"
            "263ef3dc67a922b8d9f40d49bb3a9b05e137b405a077bccee00cbb57537e13df",
        ),
    ],
)
def test_hash_functions(algorithm: str, expected: str) -> None:
    assert hasher(algorithm, SALT)("john@acme.com") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("70.46.123.145", "dd9720903c89ae891ed5c74bb7a9f2f90f6487927ac99afe73b096ad0287f3f5"),
        ("jim@acme.com", "72f323d5359eabefc69836369e4cabc6257c43ab6419b05dfb2211d0e44284c6"),
        ("DSLAM WAN Allocation", "4d5dd7eebeb9d47f9ebff5993502c0380a110c34711ef5062fdb84a563759f3b"),
        ("", "7a3477dad66e666bd203b834c54b6dfe8b546bdbc5283462ad14052abfb06600"),
    ],
)
def test_sha256_with_salt(text: str, expected: str) -> None:
    assert hasher("SHA-256", SALT)(text) == expected


def test_every_field_that_may_be_hashed_is_hashed_and_no_other() -> None:
    working = Working(Event(), {}, [])
    for name in (*FIELDS, "app_id", "page_url"):
        setattr(working.event, name, "clear")
    build(*map(pojo, FIELDS)).enrich(working)
    assert {name for name, value in working.event.__dict__.items() if value == sha256("clear")} == FIELDS
    assert working.event.app_id == working.event.page_url == "clear"


def test_an_empty_field_stays_empty_and_one_named_twice_is_hashed_once() -> None:
    working = Working(Event(), {}, [])
    working.event.user_id = "u"
    build(pojo("user_id"), pojo("user_id"), pojo("mkt_term")).enrich(working)
    assert (working.event.user_id, working.event.mkt_term) == (sha256("u"), None)


def hashed(data: Any, *rules: dict[str, Any]) -> Any:
    working = Working(Event(), {}, [])
    working.event.contexts = (SelfDescribing(EMAIL, data),)
    before = copy.deepcopy(data)
    build(*rules).enrich(working)
    assert data == before, "data that others may hold was changed"
    return working.event.contexts[0].data


DATA = {"e": "x", "n": 5, "z": None, "arr": ["x", 1, ["y"], {"k": "v"}], "o": {"e": "f"}, "list": [{"k": "1"}, {"q": "3"}]}


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("$.arr", {"arr": [sha256("x"), 1, ["y"], {"k": "v"}]}),
        ("$.arr[*]", {"arr": [sha256("x"), 1, [sha256("y")], {"k": "v"}]}),
        ("$..e", {"e": sha256("x"), "o": {"e": sha256("f")}}),
        ("$.list[*].k", {"list": [{"k": sha256("1")}, {"q": "3"}]}),
        ("$.['e','missing']", {"e": sha256("x")}),
        ("$.n", {}),
        ("$.z", {}),
        ("$.o", {}),
        ("$.missing", {}),
        ("$.z.a", {}),
    ],
)
def test_json_rule(path: str, changes: dict[str, Any]) -> None:
    assert hashed(DATA, rule(path)) == DATA | changes


def test_rules_add_up_and_an_empty_string_is_hashed() -> None:
    assert hashed({"a": "", "b": "y", "c": "z"}, rule("$.a"), rule("$.b")) == {"a": sha256(""), "b": sha256("y"), "c": "z"}


@pytest.mark.parametrize("data", ["text", ["text"], None, 7, True])
def test_a_rule_does_not_apply_to_data_that_is_no_object(data: Any) -> None:
    assert hashed(data, rule("$..*")) == data


@pytest.mark.parametrize(
    ("criterion", "matches"),
    [
        ("iglu:com.acme/email_sent/jsonschema/1-0-0", True),
        ("iglu:com.acme/email_sent/jsonschema/*-*-*", True),
        ("iglu:com.acme/email_sent/jsonschema/1-0-1", False),
        ("iglu:com.acme/email_sent/jsonschema/2-*-*", False),
        ("iglu:com.acme/email/jsonschema/1-*-*", False),
    ],
)
def test_criterion(criterion: str, matches: bool) -> None:
    assert hashed({"a": "b"}, rule("$.a", criterion=criterion)) == {"a": sha256("b") if matches else "b"}


def test_each_json_field_has_its_own_rules_and_spelling_of_numbers_survives() -> None:
    working = Working(Event(), {}, [])
    data = {"a": "b", "price": LiteralNumber("1.10")}
    original = SelfDescribing(EMAIL, data, exact=False)
    working.event.unstruct_event = original
    working.event.contexts = [original]
    working.entities = [original, SelfDescribing(parse_key("iglu:com.acme/other/jsonschema/1-0-0"), {"a": "b"})]
    build(rule("$.a", "unstruct_event"), rule("$.a", "derived_contexts")).enrich(working)
    text = f'{{"schema":"{EMAIL}","data":{{"a":"{sha256("b")}","price":1.10}}}}'
    assert working.event.unstruct_event.text() == text
    assert [entity.data["a"] for entity in working.entities] == [sha256("b"), "b"]
    assert working.entities[0].text() == text
    assert working.event.contexts == [original]
    assert data["a"] == "b"


@pytest.mark.parametrize(
    ("anonymous_only", "headers", "acts"),
    [
        (False, [], True),
        (True, [], False),
        (True, ["Host: x", "SP-Anonymous: *"], True),
        (True, ["sp-anonymous:"], True),
        (True, ["X-SP-Anonymous: *"], False),
    ],
)
def test_anonymous_only(anonymous_only: bool, headers: list[str], acts: bool) -> None:
    working = Working(Event(), {}, headers)
    working.event.user_id = "u"
    build(pojo("user_id"), anonymousOnly=anonymous_only).enrich(working)
    assert (working.event.user_id == sha256("u")) is acts


def test_a_filter_that_cannot_be_applied_fails_the_event_rather_than_letting_it_pass(caplog: pytest.LogCaptureFixture) -> None:
    working = Working(Event(), {}, [])
    working.event.contexts = [SelfDescribing(EMAIL, {"l": [{"a": "secret", "b": "x"}]})]
    build(rule("$.l[?(@.a =~ '[')].b")).enrich(working)
    [failure] = working.failures
    assert (failure.schema_key, failure.identifier) == (KEY, "pii")
    assert "secret" not in caplog.text


def test_every_fault_of_a_configuration_is_reported() -> None:
    with pytest.raises(ConfigurationError) as caught:
        build(
            pojo("page_url"),
            pojo("user_id"),
            rule("$"),
            rule("$.a", criterion="iglu:com.acme/x"),
            rule("$.a", field="se_label"),
            salt=pii.PLACEHOLDER_SALT,
        )
    assert [fault.key.removeprefix("parameters.") for fault in caught.value.faults] == [
        "strategy.pseudonymize.salt",
        "pii[0].pojo.field",
        "pii[2].json.jsonPath",
        "pii[3].json.schemaCriterion",
        "pii[4].json.field",
    ]
