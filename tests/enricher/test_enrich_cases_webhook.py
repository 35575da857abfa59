"""Cases of the enrichment specification: the Iglu webhook. The number of a case starts its test's id."""

import json
from typing import Any

import pytest

PATH = "/com.snowplowanalytics.iglu/v1"
CAMPAIGN = "iglu:com.acme/campaign/jsonschema/1-0-0"
USER = "iglu:com.acme/user/jsonschema/1-0-0"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def data(event: dict[str, str]) -> Any:
    return json.loads(event["unstruct_event"])["data"]


def test_34_the_other_parameters_are_the_data(ask: Any) -> None:
    event = ask(f"schema={CAMPAIGN}&name=d&source=", path=PATH).event
    assert data(event) == {"schema": CAMPAIGN, "data": {"name": "d", "source": None}}
    assert (event["platform"], event["v_tracker"]) == ("app", "com.snowplowanalytics.iglu-v1")


def test_34_parameters_of_the_event_are_taken_over_and_some_are_no_data(ask: Any) -> None:
    eid = "c6ef3124-b53a-4b13-a233-0088f79dcbcb"
    event = ask(f"schema={CAMPAIGN}&name=d&aid=a&nuid=n&p=srv&eid={eid}&url=http://h.example/", path=PATH).event
    assert (event["app_id"], event["network_userid"], event["platform"], event["event_id"]) == ("a", "n", "srv", eid)
    assert data(event)["data"] == {"name": "d", "eid": eid, "url": "http://h.example/"}


@pytest.mark.parametrize(
    ("schema", "code"),
    [("iglooooooo://blah", "INVALID_IGLUURI"), ("iglu:com.acme/campaign/jsonschema/0-0-0", "INVALID_SCHEMAVER")],
)
def test_35_a_schema_that_is_none_is_named(ask: Any, schema: str, code: str) -> None:
    (message,) = ask(f"schema={schema}", path=PATH).messages
    assert message == {"field": "schema", "value": schema, "expectation": code}


def test_36_a_form_is_data_of_texts(ask: Any) -> None:
    event = ask(f"schema={CAMPAIGN}", path=PATH, body="name=a+b&source=&x", content_type=FORM).event
    assert data(event)["data"] == {"name": "a b", "source": "", "x": None}
    assert event["platform"] == "srv"


def test_37_an_array_is_as_many_events(ask: Any) -> None:
    found = ask(f"schema={CAMPAIGN}", path=PATH, body='[{"name":"a"},{"name":"b"}]', content_type=JSON)
    assert [data(event)["data"]["name"] for event in found.good] == ["a", "b"]


@pytest.mark.parametrize(
    ("query", "body", "content_type", "field", "expectation"),
    [
        (f"schema={CAMPAIGN}", "[]", JSON, "body", "empty array of events"),
        (f"schema={CAMPAIGN}", "{}", JSON, "body", "has no key-value pairs"),
        (f"schema={CAMPAIGN}", "5", JSON, "body", "has no key-value pairs"),
        (f"schema={CAMPAIGN}", "a={b", FORM, "body", "illegal character at index 2"),
        (f"schema={CAMPAIGN}", "{}", None, "contentType", None),
        (f"schema={CAMPAIGN}", "{}", "text/plain", "contentType", None),
        (None, "{}", FORM, "contentType", None),
    ],
)
def test_what_cannot_be_used_is_said(ask: Any, query: Any, body: str, content_type: Any, field: str, expectation: Any) -> None:
    found = ask(query, path=PATH, body=body, content_type=content_type)
    assert found.kinds == ["adapter_failures"]
    (message,) = found.messages
    assert message["field"] == field
    if expectation:
        assert message["expectation"] == expectation


def test_nothing_at_all_is_two_messages(ask: Any) -> None:
    assert [message["field"] for message in ask(path=PATH).messages] == ["schema", "body"]


def test_a_self_describing_body_needs_no_query(ask: Any) -> None:
    event = ask(path=PATH, body=json.dumps({"schema": USER, "data": {"id": "u"}}), content_type=JSON).event
    assert (event["event_vendor"], event["event_name"]) == ("com.acme", "user")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("{", {"field": "body"}),
        ('{"schema":"bad","data":{}}', {"error": "INVALID_IGLUURI"}),
        ("[]", {"error": "INVALID_DATA_PAYLOAD"}),
    ],
    ids=["no JSON", "no key", "no object"],
)
def test_a_body_that_is_not_self_describing_is_refused(ask: Any, body: str, expected: dict[str, str]) -> None:
    (message,) = ask(path=PATH, body=body, content_type=JSON).messages
    assert expected.items() <= message.items()


def test_data_that_break_their_schema_fail_alone(ask: Any) -> None:
    found = ask(f"schema={USER}", path=PATH, body='[{"id":"a"},{"id":5}]', content_type=JSON)
    assert len(found.good) == 1
    assert found.kinds == ["schema_violations"]


def test_numbers_keep_their_spelling(ask: Any) -> None:
    event = ask(f"schema={CAMPAIGN}", path=PATH, body='{"n":1.10,"big":12345678901234567890123}', content_type=JSON).event
    assert '{"n":1.10,"big":12345678901234567890123}' in event["unstruct_event"]
