"""Cases of the enrichment specification: parameters, times, the event's name. The number of a case starts its test's id."""

from typing import Any
from urllib.parse import quote

import pytest

UE_USER = '{"schema":"iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0","data":%s}'
USER = '{"schema":"iglu:com.acme/user/jsonschema/1-0-0","data":{"id":"u"}}'
IDENTITY = ("event_vendor", "event_name", "event_format", "event_version")


def test_41_a_page_view_has_its_name_and_time(get: Any, rig: Any) -> None:
    event = get().event
    assert [event[name] for name in IDENTITY] == ["com.snowplowanalytics.snowplow", "page_view", "jsonschema", "1-0-0"]
    assert event["derived_tstamp"] == event["collector_tstamp"] == "2025-04-30 10:00:00.000"
    assert event["etl_tstamp"] == "2025-04-30 10:05:00.250"
    assert event["event_id"] == rig.event_id
    assert event["v_etl"].startswith("snowmelt-enricher-")


def test_42_an_event_id_is_lower_cased(get: Any) -> None:
    assert get("eid=A729D278-110A-4AC6-845B-D1F12CE45AC7").event["event_id"] == "a729d278-110a-4ac6-845b-d1f12ce45ac7"


def test_43_a_bad_event_id_is_replaced_and_reported(get: Any) -> None:
    found = get("eid=1-1-1-1-1")
    assert [(report["path"], report["keyword"]) for report in found.reports] == [("eid", "atomic_field_parse_error")]
    assert len(found.failed[0]["event_id"]) == 36


def test_44_an_ad_impression_has_no_name(get: Any) -> None:
    found = get("e=ad")
    assert found.kinds == ["enrichment_failures"]
    assert found.messages[0]["message"]["value"] == "ad_impression"


def test_45_the_bad_row_tells_of_the_first_phase_the_failed_event_of_all(get: Any) -> None:
    found = get("e=foo")
    assert found.kinds == ["schema_violations"]
    assert [report["path"] for report in found.reports] == ["e"]
    assert [failure["failureType"] for failure in found.failures] == ["ValidationError", "EnrichmentError: "]


def test_46_an_event_without_data_of_its_own_is_good_and_nameless(get: Any) -> None:
    event = get("e=ue").event
    assert not set(IDENTITY) & set(event)


def test_47_data_are_kept_whatever_the_event(get: Any) -> None:
    event = get(f"e=pp&ue_pr={quote(UE_USER % USER)}").event
    assert event["event_name"] == "page_ping"
    assert USER in event["unstruct_event"]


@pytest.mark.parametrize(("code", "name"), [("tr", "transaction"), ("ti", "transaction_item"), ("se", "event"), ("ev", "event")])
def test_every_event_code_has_a_name(get: Any, code: str, name: str) -> None:
    assert get(f"e={code}").event["event_name"] == name


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("p", "ma", "Not a valid platform"),
        ("p", "", "Not a valid platform"),
        ("vid", "", "Cannot be converted to java.lang.Integer"),
        ("vid", "2147483648", "Cannot be converted to java.lang.Integer"),
        ("vid", "4_2", "Cannot be converted to java.lang.Integer"),
        ("tr_tt", "foo", "Cannot be converted to java.math.BigDecimal. Error : "),
        ("tr_tt", "1e999999", "Cannot be converted to java.math.BigDecimal. Error : "),
        ("res", "1200x-17", r"Does not conform to regex (\d+)x(\d+)"),
        ("res", "760x3389336768", "Could not be converted to java.lang.Integer"),
        ("res", "٧x٨", r"Does not conform to regex (\d+)x(\d+)"),
        ("dtm", "v", "Not in the expected format: ms since epoch"),
        ("dtm", "1111111111111111", "Formatting as 37179-09-17 07:18:31.111 is not Redshift-compatible"),
        ("cookie", "true", "Cannot be converted to Boolean-like java.lang.Byte"),
        ("sid", "{c6ef3124-b53a-4b13-a233-0088f79dcbcb}", "Not a valid UUID"),
        ("e", "pv ", "Not a valid event type"),
    ],
    ids=[
        "48",
        "48 empty",
        "50",
        "range",
        "underscore",
        "52",
        "exponent",
        "54 sign",
        "54 range",
        "digits",
        "55 no number",
        "55 range",
        "flag",
        "uuid",
        "e",
    ],
)
def test_48_to_55_a_value_of_the_wrong_kind_is_reported_and_left_out(get: Any, parameter: str, value: str, message: str) -> None:
    found = get(f"{parameter}={quote(value)}")
    (report,) = found.reports
    assert (report["path"], report["targets"]) == (parameter, [])
    assert report["message"].startswith(message)
    assert found.failures[0]["data"] == {parameter: value}
    assert len(found.failed) == 1


@pytest.mark.parametrize(
    ("query", "column", "value"),
    [
        ("vid=null", "domain_sessionidx", None),
        ("vid=-42", "domain_sessionidx", "-42"),
        ("vid=%D9%A4%D9%A2", "domain_sessionidx", "42"),
        ("se_va=42.5", "se_value", "42.5"),
        ("se_va=1E7", "se_value", "10000000"),
        ("se_va=1.2E9", "se_value", "1200000000"),
        ("se_va=0.000001", "se_value", "0.000001"),
        ("se_va=0.0000001", "se_value", "1E-7"),
        ("se_va=42.50", "se_value", "42.50"),
        ("se_va=-0.00", "se_value", "0.00"),
        ("se_va=.5", "se_value", "0.5"),
        ("se_va=NULL", "se_value", None),
        ("res=1200x800", "dvce_screenwidth", "1200"),
        ("vp=1200x800", "br_viewheight", "800"),
        ("ds=0001x2", "doc_width", "1"),
        ("dtm=1", "dvce_created_tstamp", "1970-01-01 00:00:00.001"),
        ("dtm=-62167219200000", "dvce_created_tstamp", "0000-01-01 00:00:00.000"),
        ("ttm=253402300799999", "true_tstamp", "9999-12-31 23:59:59.999"),
        ("cookie=0", "br_cookies", "0"),
        ("f_ag=1", "br_features_silverlight", "1"),
        ("nuid=a&tnuid=b", "network_userid", "b"),
        ("tnuid=b&nuid=a", "network_userid", "b"),
        ("se_la=s&ev_la=e&ev_pr=p&x=1&y=2", "se_label", "s"),
        ("ti_nm=m&ti_na=n", "ti_name", "m"),
        ("page=Hi%09%02%20Jo%0A", "page_title", "Hi     Jo"),
        ("page=%C2%85%E2%80%A8x", "page_title", "\x85\u2028x"),
        ("ip=127.0.0.1,%20127.0.0.2", "user_ipaddress", "127.0.0.1"),
        ("ip=", "user_ipaddress", None),
        ("cd=-1.5e10", "br_colordepth", "-1.5e10"),
        ("tz=Nowhere%2FAtAll", "os_timezone", "Nowhere/AtAll"),
        ("unknown=1", "app_id", None),
    ],
)
def test_49_to_63_parameters_become_fields(get: Any, query: str, column: str, value: str | None) -> None:
    assert get(query).event.get(column) == value


def test_53_atomic_errors_come_before_those_of_the_event(get: Any) -> None:
    wrong = '{"schema":"iglu:com.acme/user/jsonschema/1-0-0","data":{}}'
    found = get(f"e=ue&tr_tt=foo&ue_pr={quote(UE_USER % wrong)}")
    assert [message["schemaKey"].split("/")[1] for message in found.messages] == ["atomic", "user"]


COLLECTED = 1_723_194_000_000


@pytest.mark.parametrize(
    ("query", "derived"),
    [
        (f"dtm=1719738000000&stm={COLLECTED}", "2024-06-30 09:00:00.000"),
        ("dtm=1719738000001&stm=1719738000000", "2024-08-09 09:00:00.000"),
        ("dtm=1719738000000", "2024-08-09 09:00:00.000"),
        ("dtm=1719738000000&stm=1723194000000&ttm=1719738000005", "2024-06-30 09:00:00.005"),
    ],
    ids=["56 exact milliseconds over months", "57 sent before created", "not sent", "58 true time"],
)
def test_56_to_58_the_derived_time(get: Any, query: str, derived: str) -> None:
    assert get(query, timestamp=COLLECTED).event["derived_tstamp"] == derived


def test_60_an_event_must_say_which_collector_it_came_from(get: Any) -> None:
    found = get("cv=")
    assert found.kinds == ["enrichment_failures"]
    assert found.messages[0]["message"] == {"field": "v_collector", "value": None, "expectation": "should be set"}


def test_ours_a_payload_without_a_collector_is_a_bad_row(get: Any) -> None:
    assert get(collector=None).kinds == ["enrichment_failures"]


def test_ours_a_collector_name_is_cleaned(get: Any) -> None:
    assert get(collector="a\tb").event["v_collector"] == "a    b"


def test_61_an_empty_user_agent_parameter_empties_the_field(get: Any) -> None:
    assert "useragent" not in get("ua=", user_agent="UA").event
    assert get("ua=other", user_agent="UA").event["useragent"] == "other"


def test_a_user_agent_header_loses_line_ends_only(get: Any) -> None:
    assert get(user_agent="a\r\nb\tc\x0bd").event["useragent"] == "ab    c\x0bd"


@pytest.mark.parametrize("millis", [-62_167_219_200_001, 253_402_300_800_000])
def test_a_time_of_collection_that_four_digits_cannot_hold_fails(get: Any, millis: int) -> None:
    found = get(timestamp=millis)
    assert [report["path"] for report in found.reports] == ["collector_tstamp"]
    assert "collector_tstamp" not in found.failed[0]
