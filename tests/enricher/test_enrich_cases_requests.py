"""Cases of the enrichment specification: from bytes to the events of a request. The number of a case starts its test's id."""

import json
from typing import Any
from urllib.parse import quote

import pytest

SNOWPLOW = "com.snowplowanalytics.snowplow"
TP2 = f"/{SNOWPLOW}/tp2"


def test_01_a_payload_with_all_fields_and_unknown_ones_is_read(ask: Any) -> None:
    found = ask(
        "aid=3&e=pv", headers=["Host: h"], user_agent="UA", hostname="h", network_user_id="8712a379-4bcb-46ee-815d-85f26540577f"
    )
    assert found.event["app_id"] == "3"
    assert found.event["useragent"] == "UA"
    assert found.event["network_userid"] == "8712a379-4bcb-46ee-815d-85f26540577f"


def test_02_bytes_that_are_no_struct_are_one_bad_row_with_their_base64(process: Any) -> None:
    found = process(b"nonsense")
    assert found.kinds == ["collector_payload_format_violation"]
    data = found.bad[0]["data"]
    assert data["payload"] == "bm9uc2Vuc2U="
    assert data["failure"]["loader"] == "thrift"
    assert data["failure"]["message"]["error"].startswith("error deserializing raw event:")


@pytest.mark.parametrize(
    "data", [b"", b"\x0b", b"\x0b\x00\x64\x00\x00\x00\x0bshort"], ids=["empty", "cut in a head", "cut in a text"]
)
def test_03_bytes_that_break_off_say_so(process: Any, data: bytes) -> None:
    assert process(data).messages[0]["error"].endswith("Reached end of bytes when parsing as thrift format")


def test_04_another_schema_is_refused_by_name(get: Any) -> None:
    wrong = f"iglu:{SNOWPLOW}/wrong-schema/thrift/1-0-0"
    error = get(schema=wrong).messages[0]["error"]
    assert error == f"verifying record as iglu:{SNOWPLOW}/CollectorPayload/thrift/1-0-* failed: found {wrong}"


def test_05_every_failing_check_is_a_row_of_its_own_with_the_same_payload(get: Any) -> None:
    found = get(path=None, network_user_id="x")
    assert found.kinds == ["collector_payload_format_violation"] * 2
    assert [row["data"]["failure"]["message"]["payloadField"] for row in found.bad] == ["path", "networkUserId"]
    assert found.bad[0]["data"]["payload"] == found.bad[1]["data"]["payload"]


@pytest.mark.parametrize("path", ["/i", "/ice.png", "/i?foo=1", f"/{SNOWPLOW}/tp1", f"{SNOWPLOW}/tp1/"])
def test_06_paths_of_the_first_tracker_protocol(get: Any, path: str) -> None:
    assert get(path=path).event["event"] == "page_view"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/blah/i", "adapter_failures"),
        ("/com.sandgrod/v3", "adapter_failures"),
        ("i", "collector_payload_format_violation"),
        ("/robots.txt", "collector_payload_format_violation"),
        ("/a/b/c", "collector_payload_format_violation"),
        ("", "collector_payload_format_violation"),
    ],
)
def test_06_and_38_other_paths_are_accounted_for(get: Any, path: str, kind: str) -> None:
    assert get(path=path).kinds == [kind]


def test_38_an_unknown_api_is_named(get: Any) -> None:
    (message,) = get(path="/com.sandgrod/v3").messages
    assert message == {
        "field": "vendor/version",
        "value": "com.sandgrod/v3",
        "expectation": "vendor/version combination is not supported",
    }


@pytest.mark.parametrize("query", ['a={"x":1}', "a=b c", "a=%zz", "a=%", "a=^", "a=\t", "a=b#c#d"])
def test_07_an_illegal_query_string_is_a_bad_row(ask: Any, query: str) -> None:
    (message,) = ask(query).messages
    assert message["payloadField"] == "querystring"
    assert message["value"] == query


@pytest.mark.parametrize(
    ("query", "column", "value"),
    [
        ("e=pv&page=a;tna=2", "page_title", "a"),
        ("e=pv&page=a;tna=2", "name_tracker", "2"),
        ("e=pv&page=Dreaming%2520Way+x", "page_title", "Dreaming%20Way x"),
        ("aid&e=pv&p=web", "app_id", None),
        ("aid=1&aid=2&e=pv", "app_id", "2"),
        ("e=pv&page=a#b&aid=1", "app_id", None),
        ("e=pv&aid=a=b", "app_id", "a=b"),
        ("=x&e=pv&aid=1", "app_id", "1"),
        ("e=pv&p%61ge=named", "page_title", "named"),
        ("e=pv&page=%E0%A0%80%ED%A0%80x", "page_title", "ࠀ�x"),
        ("e=pv&page=é", "page_title", "�"),
    ],
    ids=[
        "08 semicolon",
        "08 second",
        "09 decoded once",
        "10 no value",
        "11 last wins",
        "fragment",
        "equals",
        "no name",
        "name",
        "bytes",
        "raw",
    ],
)
def test_08_to_11_query_strings_are_read_as_a_jvm_reads_them(ask: Any, query: str, column: str, value: str | None) -> None:
    assert ask(query).event.get(column) == value


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        (["X-Forwarded-For: 129.78.138.66, 129.78.64.103"], "129.78.138.66"),
        (['X-Forwarded-For: "[2001:db8::1]:8001"'], "2001:db8::1"),
        (["X-Forwarded-For: localhost"], "203.0.113.7"),
        (["Forwarded: for=2.2.2.2", "X-Forwarded-For: 1.1.1.1"], "1.1.1.1"),
        (["X-Forwarded-For: " + "a" * 1_000_000], "203.0.113.7"),
        (["Forwarded: for=2.2.2.2", "Accept: a"], "2.2.2.2"),
        (["Forwarded: by=3.3.3.3;for=4.4.4.4;proto=http"], "4.4.4.4"),
        (["X-Forwarded-For:1.1.1.1"], "1.1.1.1"),
        (["x-forwarded-for:  1.1.1.1:80"], "1.1.1.1"),
        ([], "203.0.113.7"),
    ],
    ids=[
        "12",
        "13",
        "14",
        "15",
        "16",
        "ours: not forgotten",
        "ours: by and for",
        "ours: no space",
        "ours: two spaces",
        "no header",
    ],
)
def test_12_to_16_the_client_address(get: Any, headers: list[str], address: str) -> None:
    assert get(headers=headers).event["user_ipaddress"] == address


@pytest.mark.parametrize("query", [None, ""], ids=["none", "empty"])
def test_19_the_first_protocol_needs_a_query(ask: Any, query: str | None) -> None:
    found = ask(query)
    assert found.kinds == ["adapter_failures"]
    assert found.messages[0]["expectation"] == "empty querystring: not a valid URI redirect"


GOOD = {"e": "pv", "p": "web", "tv": "t"}
BODY = json.dumps({"schema": f"iglu:{SNOWPLOW}/payload_data/jsonschema/1-0-4", "data": [GOOD]})


@pytest.mark.parametrize(
    ("query", "body", "content_type", "fields"),
    [
        (None, None, None, ["body", "querystring"]),
        (None, None, "text/plain", ["body", "querystring"]),
        (None, BODY, "text/plain", ["contentType"]),
        (None, BODY, "application/json;charset=utf-8", ["contentType"]),
        (None, BODY, None, ["contentType"]),
        ("e=pv", None, "application/json", ["body"]),
        ("e=pv", None, "text/html", ["contentType"]),
    ],
    ids=["20 nothing", "nothing but a type", "21 other type", "22 no space", "no type", "23 no body", "query and other type"],
)
def test_20_to_23_what_a_tracker_posts_must_be_declared(
    ask: Any, query: Any, body: Any, content_type: Any, fields: list[str]
) -> None:
    found = ask(query, path=TP2, body=body, content_type=content_type)
    assert found.kinds == ["tracker_protocol_violations"]
    assert [message["field"] for message in found.messages] == fields


def test_a_get_of_the_second_protocol_is_one_event(ask: Any) -> None:
    assert ask("e=pv&aid=x", path=TP2).event["app_id"] == "x"


def test_24_a_body_that_is_not_self_describing(ask: Any) -> None:
    (message,) = ask(path=TP2, body='{"not":"self-desc"}', content_type="application/json").messages
    assert message == {"json": {"not": "self-desc"}, "error": "INVALID_DATA_PAYLOAD"}


def test_25_a_valid_body_of_another_schema_mismatches_the_criterion_an_invalid_one_breaks_its_schema(ask: Any) -> None:
    uri = "iglu:com.acme/user/jsonschema/1-0-0"
    valid, invalid = ({"schema": uri, "data": data} for data in ({"id": "u"}, {}))
    (message,) = ask(path=TP2, body=json.dumps(valid), content_type="application/json").messages
    assert message == {"schemaKey": uri, "schemaCriterion": f"iglu:{SNOWPLOW}/payload_data/jsonschema/1-0-*"}
    (message,) = ask(path=TP2, body=json.dumps(invalid), content_type="application/json").messages
    assert message["error"]["error"] == "ValidationError"


def test_26_every_event_of_a_batch_needs_its_required_parameters(post: Any) -> None:
    found = post({"tv": "x"})
    assert {(report["path"], report["targets"][0]) for report in found.reports} == {("$[0]", "p"), ("$[0]", "e")}


def test_27_one_unknown_parameter_rejects_the_whole_batch(post: Any) -> None:
    found = post(GOOD, {**GOOD, "cv": "c"})
    assert not found.good
    assert [(report["path"], report["keyword"]) for report in found.reports] == [("$[1]", "additionalProperties")]


def test_28_the_query_string_overrules_every_event_of_a_batch(post: Any) -> None:
    found = post({**GOOD, "aid": "b"}, GOOD, GOOD, query="tv=0&nuid=123&aid")
    assert [(event["v_tracker"], event["network_userid"], event.get("app_id")) for event in found.good] == [
        ("0", "123", None)
    ] * 3


def test_29_events_of_a_batch_fail_one_by_one(post: Any, rig: Any) -> None:
    lost = [
        {**GOOD, "e": "ue", "ue_pr": rig.unstruct({"schema": f"iglu:com.acme/lost{n}/jsonschema/1-0-0", "data": {}})}
        for n in range(3)
    ]
    found = post(GOOD, *lost)
    assert len(found.good) == 1
    assert found.kinds == ["schema_violations"] * 3
    assert len(found.failed) == 3


REDIRECT = f"iglu:{SNOWPLOW}/uri_redirect/jsonschema/1-0-0"


def test_30_a_redirect_with_an_event_carries_the_click_as_an_entity(ask: Any) -> None:
    event = ask("u=https%3A%2F%2Fx.example&e=se", path="/r/tp2").event
    assert json.loads(event["contexts"])["data"] == [{"schema": REDIRECT, "data": {"uri": "https://x.example"}}]
    assert (event["v_tracker"], event["platform"]) == ("r-tp2", "web")


@pytest.mark.parametrize("parameter", ["co", "cx"])
def test_30_the_click_comes_before_the_entities_of_the_event(ask: Any, rig: Any, parameter: str) -> None:
    own = rig.contexts({"schema": "iglu:com.acme/user/jsonschema/1-0-0", "data": {"id": "u"}})
    given = quote(own, safe="") if parameter == "co" else rig.base64(own)
    event = ask(f"u=https%3A%2F%2Fx.example&e=se&{parameter}={given}", path="/r/tp2").event
    assert [item["schema"] for item in json.loads(event["contexts"])["data"]] == [REDIRECT, "iglu:com.acme/user/jsonschema/1-0-0"]


def test_31_a_redirect_without_an_event_is_one(ask: Any) -> None:
    event = ask("u=https%3A%2F%2Fx.example&p=mob", path="/r/tp2").event
    assert (event["event"], event["event_name"], event["platform"]) == ("unstruct", "uri_redirect", "mob")


def test_32_a_redirect_needs_its_target(ask: Any) -> None:
    found = ask("u&aid=1", path="/r/tp2")
    assert found.kinds == ["tracker_protocol_violations"]
    assert found.messages[0]["value"] == "u=null&aid=1"


def test_33_broken_entities_reject_a_redirect(ask: Any) -> None:
    (message,) = ask("u=https%3A%2F%2Fx.example&e=se&co=%7B%5B-", path="/r/tp2").messages
    assert (message["field"], message["value"]) == ("co|cx", "{[-")


@pytest.mark.parametrize("parameter", ["co", "cx"])
def test_entities_without_a_value_do_not_stop_a_redirect(ask: Any, parameter: str) -> None:
    assert "uri_redirect" in ask(f"u=https%3A%2F%2Fx.example&e=se&{parameter}", path="/r/tp2").event["contexts"]
