"""IP anonymisation: what is left of an address."""

import pytest

from backbone.event import Event
from backbone.selfdescribing import parse_key
from enricher.enrichments.anon_ip import AnonIp
from enricher.enrichments.protocol import Working

KEY = parse_key("iglu:com.snowplowanalytics.snowplow/anon_ip/jsonschema/1-0-1")


@pytest.mark.parametrize(
    ("address", "octets", "expected"),
    [
        ("0.23.0.20", 1, "0.23.0.x"),
        ("0.23.0.20", 2, "0.23.x.x"),
        ("0.23.0.20", 3, "0.x.x.x"),
        ("94.15.213.171", 4, "x.x.x.x"),
        ("777.2", 1, "777.2"),
        ("777.2.23", 4, "x.x.x"),
        ("999.aaa.bbb.c", 3, "999.x.x.x"),
        ("hello;goodbye", 3, "hello;goodbye"),
        ("", 4, "x"),
        ("1.2.3.4:80", 1, "1.2.3.x"),
        ("1.2.3.4.5", 2, "1.2.x.x.x"),
        ("::FFFF:152.16.24.123", 4, "::FFFF:x.x.x.x"),
        ("::ffff:152.16.24.123", 4, "x.x.x.x"),
        ("::ffff:152.16.24.123", 1, "::ffff:152.16.24.x"),
        ("::ffff:9810:187b", 1, "152.16.24.x"),
        ("2130706433", 4, "2130706433"),
    ],
)
def test_octets(address: str, octets: int, expected: str) -> None:
    assert AnonIp(KEY, octets, octets).anonymise(address) == expected


@pytest.mark.parametrize(
    ("address", "segments", "expected"),
    [
        ("::1", 3, "0:0:0:0:0:x:x:x"),
        ("2605:2700:0:3::4713:93e3", 4, "2605:2700:0:3:x:x:x:x"),
        ("2605:2700:0:3::4713:93e3", 7, "2605:x:x:x:x:x:x:x"),
        ("2605:2700:0:3::4713:93e3", 8, "x:x:x:x:x:x:x:x"),
        ("2700:zzzz::gggg", 6, "2700:zzzz:x:x:x:x:x:x"),
        ("2700:zzzz::gggg", 1, "2700:zzzz::gggg:x:x:x:x"),
        ("f334::40cb:152.16.24.142", 2, "f334:0:0:0:0:40cb:x:x"),
        ("::192.168.0.1", 1, "0:0:0:0:0:0:c0a8:x"),
        ("2001:0DB8::0001", 1, "2001:db8:0:0:0:0:0:x"),
        ("fe80::1%eth0", 2, "fe80:0:0:0:0:0:x:x"),
        ("[2001:db8::1]:443", 3, "[2001:db8::1]:443:x:x:x"),
        ("zz::", 8, "x:x:x:x:x:x:x:x"),
    ],
)
def test_segments(address: str, segments: int, expected: str) -> None:
    assert AnonIp(KEY, 1, segments).anonymise(address) == expected


def test_an_address_of_a_megabyte_is_treated_without_parsing() -> None:
    assert AnonIp(KEY, 4, 8).anonymise("1." * 500_000).startswith("x.x.x.x.x")


def test_an_event_without_an_address_stays_without() -> None:
    working = Working(Event(), {}, [])
    AnonIp(KEY, 2, 2).enrich(working)
    assert working.event.user_ipaddress is None
