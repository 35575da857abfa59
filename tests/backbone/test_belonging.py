"""Whose a request, a line or a bad row is: ids compared whole, in every form they are kept in, and nowhere else."""

import base64
import json
from typing import Any

import pytest

from backbone import badrow, thrift
from backbone.belonging import in_bad_row, in_line, in_raw, in_record
from backbone.event import COLUMNS, POSITION
from backbone.payload import CollectorPayload
from backbone.person import NOBODY, Person

UUID = "0a1b2c3d-aaaa-4bbb-8ccc-ABCDEF012345"
MAKER = badrow.Processor("snowmelt-enricher", "0.1.0")
WHEN = "2026-01-01T10:00:00.000Z"


def person(*, user: str = "", domain: str = "", network: str = "", cookies: tuple[str, ...] = ("sp",)) -> Person:
    return Person.of([user] if user else [], [domain] if domain else [], [network] if network else [], cookies)


def raw(**fields: Any) -> bytes:
    return thrift.encode(CollectorPayload(**fields))


def body(*events: dict[str, str]) -> str:
    return json.dumps({"schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4", "data": list(events)})


def line(**cells: str) -> str:
    made = [""] * len(COLUMNS)
    for name, value in cells.items():
        made[POSITION[name]] = value
    return "\t".join(made)


@pytest.mark.parametrize(
    ("who", "fields"),
    [
        (person(user="1"), {"querystring": "e=pv&uid=1"}),
        (person(user="a b&c"), {"querystring": "uid=a+b%26c;e=pv"}),
        (person(user="jö"), {"querystring": "uid=j%F6", "encoding": "ISO-8859-1"}),
        (person(domain="d-1"), {"body": body({"e": "pv", "duid": "x"}, {"e": "pv", "duid": "d-1"})}),
        (person(user='quo"te'), {"body": body({"uid": 'quo"te'})}),
        (person(user="1"), {"body": '{"data": [{"uid": "\\u0031"}]}'}),
        (person(network="n"), {"querystring": "tnuid=n"}),
        (person(network="n"), {"body": body({"nuid": "n"})}),
        (person(network=UUID), {"network_user_id": UUID.upper()}),
        (person(network=UUID.lower()), {"headers": ["Accept: */*", f"Cookie: a=b; sp={UUID}"]}),
        (person(network=UUID, cookies=("micro",)), {"headers": [f"cookie: micro={UUID}"]}),
        (person(domain=UUID), {"headers": [f"Cookie: _sp_id.1fff={UUID}.1700000000.3.1.2"]}),
        (person(user="1"), {"body": '{"uid": "1"}'}),
        (person(user="1"), {"body": '[{"uid": "1"}]'}),
        (person(user="1"), {"body": "e=pv&uid=1"}),
        (person(user="cut"), {"body": body({"uid": "cut"})[:-3]}),
    ],
)
def test_a_request_is_theirs_by_any_id_it_carries(who: Person, fields: dict[str, Any]) -> None:
    assert in_raw(who, raw(**fields))
    assert in_record(who, "raw", raw(**fields))


@pytest.mark.parametrize(
    ("who", "fields"),
    [
        (person(user="1"), {"querystring": "uid=10&e=pv&aid=1&tid=1"}),
        (person(user="1"), {"querystring": "duid=1&nuid=1"}),
        (person(user="1"), {"body": body({"uid": "10", "co": '{"uid":"1"}', "se_la": "1"})}),
        (person(user="ABC"), {"querystring": "uid=abc"}),
        (person(network=UUID), {"headers": [f"Cookie: spx={UUID}", f"X-Cookie: sp={UUID}", f"Referer: sp={UUID}"]}),
        (person(network="n"), {"network_user_id": NOBODY}),
        (person(user="x"), {}),
    ],
)
def test_a_request_is_not_theirs_by_likeness(who: Person, fields: dict[str, Any]) -> None:
    assert not in_raw(who, raw(**fields))


def test_what_is_no_request_is_nobodys() -> None:
    assert not in_raw(person(user="1"), b"\x0b\x00uid=1")


def test_an_enriched_line_is_theirs_by_its_columns() -> None:
    assert in_line(person(user="1"), line(user_id="1"))
    assert in_line(person(network=UUID), line(network_userid=UUID.lower()))
    assert in_line(person(domain="d"), line(domain_userid="d")[:60]), "cut, but after the column"
    assert not in_line(person(user="1"), line(user_id="10", app_id="1", txn_id="1", page_title="1"))
    assert not in_line(person(user="1"), "1")
    assert in_record(person(user="1"), "enriched", line(user_id="1").encode())
    assert not in_record(person(user="1"), "replayed", b'{"failure_key": "1"}')


def failed_event(parameters: dict[str, str], enriched: dict[str, Any] | None = None, **shared: Any) -> str:
    pairs = [{"name": name, "value": value} for name, value in parameters.items()]
    event = {"parameters": pairs, "headers": [], "userId": None, **shared}
    return badrow.event_failed(badrow.SCHEMA_VIOLATIONS, MAKER, WHEN, [], enriched or {}, event).decode()


def rejected(**payload: Any) -> str:
    about = {"vendor": "com.acme", "version": "v1", "querystring": None, "body": None, "headers": [], "networkUserId": None}
    return badrow.request_rejected(MAKER, WHEN, [], {**about, **payload}, True).decode()


@pytest.mark.parametrize(
    ("who", "row"),
    [
        (person(user="1"), failed_event({"uid": "1"})),
        (person(user="h"), failed_event({"uid": "1"}, {"user_id": "h"})),
        (person(network=UUID), failed_event({}, userId=UUID.lower())),
        (person(network=UUID), failed_event({}, headers=[f"Cookie: sp={UUID}"])),
        (person(user="1"), failed_event({}).replace('"parameters":[]', '"parameters":{"uid":"1"}')),
        (person(user="1"), rejected(querystring=[{"name": "uid", "value": "1"}])),
        (person(user="1"), rejected(body=body({"uid": "1"}))),
        (person(network=UUID), rejected(networkUserId=UUID)),
        (
            person(user="1"),
            badrow.payload_format_violation(MAKER, WHEN, {}, base64.b64encode(raw(querystring="uid=1")).decode()).decode(),
        ),
        (
            person(user="1"),
            badrow.generic_error(MAKER, WHEN, [], base64.b64encode(raw(body=body({"uid": "1"}))).decode()).decode(),
        ),
        (person(user="1"), badrow.size_violation(MAKER, WHEN, 1, 2, "", line(user_id="1", page_title="x" * 90)[:80]).decode()),
        (person(user="1"), badrow.size_violation(MAKER, WHEN, 1, 2, "", failed_event({"uid": "1"})[:-30]).decode()),
        (
            person(user="1"),
            badrow.size_violation(MAKER, WHEN, 1, 2, "", f"CollectorPayload(path:/i, body:{body({'uid': '1'})[:-3]}").decode(),
        ),
        (
            person(network=UUID),
            badrow.size_violation(MAKER, WHEN, 1, 2, "", f"CollectorPayload(querystring:a, networkUserId:{UUID})").decode(),
        ),
        (person(user="1"), badrow.size_violation(MAKER, WHEN, 1, 2, "", "CollectorPayload(querystring:uid=1, body:").decode()),
        (person(user="1"), line(user_id="1")),
        (
            person(user="1"),
            json.dumps({"schema": "iglu:x/loader_iglu_error/jsonschema/2-0-1", "data": {"payload": {"user_id": "1"}}}),
        ),
        (
            person(user="1"),
            json.dumps({"schema": "iglu:x/loader_parsing_error/jsonschema/2-0-0", "data": {"payload": line(user_id="1") + "\t"}}),
        ),
    ],
)
def test_a_bad_row_is_theirs_whatever_kind_it_is_of(who: Person, row: str) -> None:
    assert in_bad_row(who, row)
    assert in_record(who, "bad", row.encode())


@pytest.mark.parametrize(
    "row",
    [
        failed_event(
            {"uid": "10", "se_la": "1", "ue_pr": '{"uid":"1","user_id":"1"}'}, {"domain_userid": "1", "app_id": "1"}, userId="1"
        ),
        rejected(querystring=[{"name": "duid", "value": "1"}], body=body({"uid": "11", "co": '{"uid":"1"}'}), networkUserId="1"),
        badrow.size_violation(MAKER, WHEN, 1, 2, "", "CollectorPayload(querystring:uid=10&aid=1, networkUserId:1)").decode(),
        badrow.size_violation(MAKER, WHEN, 1, 2, "", failed_event({"uid": "10", "aid": "1"})[:-30]).decode(),
        badrow.generic_error(MAKER, WHEN, [], base64.b64encode(raw(querystring="uid=10")).decode()).decode(),
        "1",
        '{"uid": 1}',
        "[1]",
        "",
    ],
)
def test_a_bad_row_is_not_theirs_by_likeness(row: str) -> None:
    assert not in_bad_row(person(user="1"), row)


def test_a_person_travels_as_json() -> None:
    who = person(user="1", domain=UUID, network="n", cookies=("a", "b"))
    assert Person.from_json(json.loads(json.dumps(who.json()))) == who
