"""UA parser: the entity made from a user agent."""

from pathlib import Path
from typing import Any

import pytest

from backbone.errors import ConfigurationError
from backbone.event import Event
from backbone.selfdescribing import parse_key
from enricher.assets import Assets
from enricher.enrichments import ua_parser
from enricher.enrichments.configuration import Configuration
from enricher.enrichments.protocol import Working
from enricher.enrichments.ua_parser import CONTEXT, UaParser

KEY = parse_key("iglu:com.snowplowanalytics.snowplow/ua_parser_config/jsonschema/1-0-1")
RULES = """
user_agent_parsers:
  - regex: '.*'
    family_replacement: 'Any Browser'
os_parsers:
  - regex: '.*'
    os_replacement: 'Any System'
device_parsers:
  - regex: '.*'
    device_replacement: 'Any Device'
"""


@pytest.fixture(scope="module")
def builtin() -> UaParser:
    return UaParser(KEY, None)


def context(parser: UaParser, agent: str | None) -> list[Any]:
    working = Working(Event(), {}, [])
    working.event.useragent = agent
    parser.enrich(working)
    assert all(entity.key == CONTEXT for entity in working.entities)
    return [entity.data for entity in working.entities]


def entity(browser: tuple[str | None, ...], system: tuple[str | None, ...], device: str) -> dict[str, str | None]:
    names = ["useragentFamily", "useragentMajor", "useragentMinor", "useragentPatch", "useragentVersion"]
    names += ["osFamily", "osMajor", "osMinor", "osPatch", "osPatchMinor", "osVersion", "deviceFamily"]
    return dict(zip(names, (*browser, *system, device), strict=True))


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        pytest.param(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 5_1_1 like Mac OS X) AppleWebKit/534.46 (KHTML, like Gecko) "
            "Version/5.1 Mobile/9B206 Safari/7534.48.3",
            entity(("Mobile Safari", "5", "1", None, "Mobile Safari 5.1"), ("iOS", "5", "1", "1", None, "iOS 5.1.1"), "iPhone"),
            id="iPhone",
        ),
        pytest.param(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_10) AppleWebKit/600.1.25 (KHTML, like Gecko) Version/8.0 Safari/600.1.25",
            entity(("Safari", "8", "0", None, "Safari 8.0"), ("Mac OS X", "10", "10", None, None, "Mac OS X 10.10"), "Mac"),
            id="Mac",
        ),
        pytest.param(
            "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/48.0.2564.116 Safari/537.36",
            entity(("Chrome", "48", "0", "2564", "Chrome 48.0.2564"), ("Windows", "7", None, None, None, "Windows 7"), "Other"),
            id="Windows 7",
        ),
        pytest.param(
            "kjhgfds",
            entity(("Other", None, None, None, "Other"), ("Other", None, None, None, None, "Other"), "Other"),
            id="garbage",
        ),
        pytest.param(
            "\ud800",
            entity(("Other", None, None, None, "Other"), ("Other", None, None, None, None, "Other"), "Other"),
            id="lone surrogate",
        ),
    ],
)
def test_user_agent(builtin: UaParser, agent: str, expected: dict[str, str | None]) -> None:
    assert context(builtin, agent) == [expected]


def test_no_user_agent_no_entity(builtin: UaParser) -> None:
    assert context(builtin, None) == []


def test_a_user_agent_of_a_megabyte_is_parsed(builtin: UaParser) -> None:
    assert context(builtin, "Mozilla/5.0 Firefox/99.0 " + "x" * 1_000_000)[0]["useragentFamily"] == "Firefox"


def test_the_newest_entity_comes_first(builtin: UaParser) -> None:
    working = Working(Event(), {}, [])
    working.event.useragent = "one"
    builtin.enrich(working)
    working.event.useragent = "Mozilla/5.0 Firefox/99.0"
    builtin.enrich(working)
    assert [found.data["useragentFamily"] for found in working.entities] == ["Firefox", "Other"]


def build(folder: Path, parameters: dict[str, str]) -> UaParser:
    return ua_parser.build(Configuration(folder / "ua.json", KEY, {"parameters": parameters}), Assets(None, folder / "downloads"))


def test_rules_of_ones_own_replace_the_built_in_ones(tmp_path: Path) -> None:
    (tmp_path / "regexes.yaml").write_text(RULES)
    parser = build(tmp_path, {"uri": "file:.", "database": "regexes.yaml"})
    expected = entity(
        ("Any Browser", None, None, None, "Any Browser"), ("Any System", None, None, None, None, "Any System"), "Any Device"
    )
    assert context(parser, "Mozilla/5.0 Firefox/99.0") == [expected]


def test_changed_rules_are_in_effect_without_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enricher.assets._LOOK_EVERY", 0.0)
    file = tmp_path / "regexes.yaml"
    file.write_text(RULES)
    parser = build(tmp_path, {"uri": "file:.", "database": "regexes.yaml"})
    assert context(parser, "x")[0]["useragentFamily"] == "Any Browser"
    file.write_text(RULES.replace("Any Browser", "Some Browser"))
    assert context(parser, "x")[0]["useragentFamily"] == "Some Browser"


@pytest.mark.parametrize("content", ["", "a: [", "user_agent_parsers: []", RULES.replace("'.*'", "'('", 1), "\x00"])
def test_unusable_rules_are_a_fault_that_names_the_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "regexes.yaml").write_text(content)
    with pytest.raises(ConfigurationError, match=r"regexes\.yaml: no usable rules"):
        build(tmp_path, {"uri": "file:.", "database": "regexes.yaml"})
