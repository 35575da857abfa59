"""Bad rows as bytes: their envelope and their schemas' demands."""

import json
from pathlib import Path

import pytest

from backbone import badrow, jsontext
from backbone.badrow import Processor
from backbone.iglu import build_resolver
from backbone.iglu.validator import Validator
from backbone.selfdescribing import SchemaKey, from_value
from backbone.settings import IgluSettings

ROOT = Path(__file__).parents[2]
MAKER = Processor("snowmelt-enricher", "1.2.3")
NOW = "2025-04-30T10:05:00.250Z"
COLLECTOR = {
    "vendor": "v",
    "version": "w",
    "querystring": [{"name": "a", "value": None}],
    "contentType": None,
    "body": None,
    "collector": "c",
    "encoding": "UTF-8",
    "hostname": None,
    "timestamp": NOW,
    "ipAddress": None,
    "useragent": None,
    "refererUri": None,
    "headers": [],
    "networkUserId": None,
}
MESSAGE = {"field": "body", "value": None, "expectation": "x"}
ROWS = {
    "size_violation": badrow.size_violation(MAKER, NOW, 10, 20, "too much", "x"),
    "collector_payload_format_violation": badrow.payload_format_violation(MAKER, NOW, {"error": "x"}, "eA=="),
    "adapter_failures": badrow.request_rejected(MAKER, NOW, [MESSAGE], COLLECTOR, by_tracker=False),
    "tracker_protocol_violations": badrow.request_rejected(MAKER, NOW, [MESSAGE], COLLECTOR, by_tracker=True),
    "generic_error": badrow.generic_error(MAKER, NOW, ["x"], "eA=="),
}


@pytest.mark.parametrize("kind", ROWS)
def test_a_row_keeps_to_its_own_schema(kind: str) -> None:
    value, exact = jsontext.loads(ROWS[kind])
    row = from_value(value, exact)
    assert row.key.name == kind
    resolver = build_resolver(IgluSettings(schemas=(ROOT / "schemas",)))
    checked = Validator(resolver).check(row)
    resolver.close()
    assert checked == row.key if isinstance(checked, SchemaKey) else pytest.fail(str(checked))


def test_a_processor_has_the_version_of_the_installation() -> None:
    found = badrow.processor("snowmelt-enricher")
    assert found.artifact == "snowmelt-enricher"
    assert found.version.count(".") >= 2
    assert found.name == f"snowmelt-enricher-{found.version}"


def test_numbers_keep_their_spelling_and_lone_surrogates_become_question_marks() -> None:
    value, _ = jsontext.loads('{"n":1.10,"s":"\\ud800"}')
    row = badrow.event_failed(badrow.SCHEMA_VIOLATIONS, MAKER, NOW, [{"json": value, "error": "INVALID_DATA_PAYLOAD"}], {}, {})
    assert b'{"n":1.10,"s":"?"}' in row
    assert json.loads(row)["data"]["processor"] == {"artifact": "snowmelt-enricher", "version": "1.2.3"}
