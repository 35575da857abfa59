"""Event fingerprint: which parameters are hashed, and in what order."""

import hashlib

import pytest

from backbone.event import Event
from backbone.selfdescribing import parse_key
from enricher.enrichments.event_fingerprint import EventFingerprint
from enricher.enrichments.protocol import Working

KEY = parse_key("iglu:com.snowplowanalytics.snowplow/event_fingerprint_config/jsonschema/1-0-1")
SET_A: dict[str, str | None] = {
    "stm": "1000000000000",
    "eid": "123e4567-e89b-12d3-a456-426655440000",
    "e": "se",
    "se_ac": "buy",
}


def fingerprint(
    parameters: dict[str, str | None], algorithm: str = "MD5", excluded: tuple[str, ...] = ("stm", "eid")
) -> str | None:
    working = Working(Event(), parameters, [])
    EventFingerprint(KEY, algorithm, excluded).enrich(working)
    return working.event.event_fingerprint


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "6829c2021516783f1ef03a9e9736ac77"),
        ("SHA1", "00b058442f1f3a552fa1550b99ce5b8810a0ea75"),
        ("SHA256", "6698caf728ab1bf3ab9d1da032fc15608b78ac3368b398f0fb3f68969134a605"),
        ("SHA384", "184727a9620c6120aaaf82d8ea2ca495fb6bd5fe82b0079e3df23cabb3af2210a90d400cae535868558e36ba505723cc"),
        (
            "SHA512",
            "5a334ce50bbdb1902ed246e879a4dcff7996b34177e508b0980eb5948c9eb482"
            "e94567be2fa0d56fbc40320252e669245968f0cfd51aac7eb6e5994427c51926",
        ),
    ],
)
def test_algorithms(algorithm: str, expected: str) -> None:
    assert fingerprint(SET_A, algorithm) == expected


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        pytest.param({"se_ac": "buy", "e": "se", "stm": "2"}, "6829c2021516783f1ef03a9e9736ac77", id="excluded and order"),
        pytest.param(
            {"e": "se", "se_ac": "action", "se_ca": "category", "se_pr": "property"},
            "d9da320fae80dbf250856b9c17bbd37f",
            id="four parameters",
        ),
        pytest.param({"prefix": "suffix"}, "d212b3e0f5b8dc84c571d9f3399b129f", id="boundary before"),
        pytest.param({"prefi": "xsuffix"}, "c77889028462e4133fa45fb7a23a78e3", id="boundary after"),
        pytest.param({}, "d41d8cd98f00b204e9800998ecf8427e", id="nothing"),
        pytest.param({"stm": "1", "aid": None}, "d41d8cd98f00b204e9800998ecf8427e", id="nothing left"),
    ],
)
def test_what_is_hashed(parameters: dict[str, str | None], expected: str) -> None:
    assert fingerprint(parameters) == expected


def test_upper_case_first_and_values_in_utf8() -> None:
    parameters = {
        "e": "pv",
        "url": "https://example.com/?q=café",
        "page": "Home",
        "p": "web",
        "tv": "js-3.0.0",
        "Z": "upper",
        "eid": "x",
        "aid": None,
    }
    assert fingerprint(parameters, excluded=("eid", "nuid", "stm", "cv")) == "a01ab6cbf6334f203924b51b0a1090a2"


def test_names_are_ordered_by_utf16_code_units() -> None:
    """U+1F600 begins with D83D there, so it comes before U+FFFF."""
    text = "a\x1f1\x1fé\x1f2\x1f😀\x1f3\x1f\uffff\x1f4\x1f"
    parameters: dict[str, str | None] = {"\uffff": "4", "😀": "3", "é": "2", "a": "1"}
    assert fingerprint(parameters) == hashlib.md5(text.encode()).hexdigest()


def test_a_lone_surrogate_does_no_harm() -> None:
    assert fingerprint({"a": "\ud800"}) == hashlib.md5(b"a\x1f?\x1f").hexdigest()
