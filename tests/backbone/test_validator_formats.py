import pytest

from backbone.iglu.formats import FORMATS

VALID = {
    "date-time": [
        "2024-01-01T10:00:00Z",
        "2024-01-01t10:00:00z",
        "2024-01-01 10:00:00.5z",
        "2024-01-01T10:00:00.Z",
        "2024-01-01T10:00:00.123456789Z",
        "2024-02-29T12:30:15+18:00",
        "2024-02-29T12:30:15-18:00",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2015-06-30T23:59:60Z",
        "2015-06-30T22:59:60-01:00",
        "2016-12-31T23:59:60Z",
        "2000-02-29T00:00:00Z",
    ],
    "date": ["2024-02-29", "0000-01-01", "+10000-01-01", "-0001-01-01", "-999999999-12-31"],
    "time": ["12:30:15", "25:00:00", "12:30:15.5"],
    "uuid": ["0f0e0d0c-0b0a-4908-8706-050403020100", "0F0E0D0C-0B0A-0908-0706-050403020100"],
    "uri": ["http://x.y/z?a=b#c", "a:", "http:", "http://x/%zz", "mailto:a@b", "a+b.c-d:e"],
    "ipv4": ["0.0.0.0", "255.255.255.255"],
    "ip-address": ["192.0.2.1", "01.2.3.4"],
    "ipv6": ["::", "::1", "2001:db8::1", "1:2:3:4:5:6:7:8", "::ffff:192.0.2.1", "1::8"],
    "hostname": ["localhost", "a-b.c", "1", "192.0.2.1", "a" * 63],
    "email": [
        "a@b.com",
        "a@b.test",
        "a+b@c.co.uk",
        '"a b"@c.com',
        "a@[192.0.2.1]",
        "a@[::1]",
        " a@b.com\n",
        "é@b.com",
        "o'neil@b.ie",
        "a@münchen.de",
        "a@b.xn--p1ai",
        "a" * 64 + "@b.com",
    ],
    "duration": ["P1D", "PT1.5S", "P1Y2M3W", "-P1DT2H"],
    "color": ["#fff", "red", "rgb(1, 2, 3)", "rgb(10%,20%,100%)"],
    "phone": ["+1 555 123 4567"],
    "alpha": ["abc"],
    "alphanumeric": ["a1"],
    "utc-millisec": ["1709209815123", "1.5"],
    "style": ["color: red;"],
}
INVALID = {
    "date-time": [
        "2024-01-01T10:00:00",
        "2024-01-01T10:00Z",
        "2024-01-01",
        "2024-01-01T10:00:00+0200",
        "2024-01-01T10:00:00-00:00",
        "2024-01-01T10:00:00+18:01",
        "2024-01-01T10:00:00+01:60",
        "2024-01-01T10:00:00.1234567890Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T10:60:00Z",
        "2024-01-01T23:59:60Z",
        "2016-12-31T22:59:60Z",
        "2017-06-30T23:59:60Z",
        "1990-12-31T23:59:61Z",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2024-00-10T00:00:00Z",
        "2024-04-31T00:00:00Z",
        "2024-01-01T10:00:00Z\n",
        "10000-01-01T00:00:00Z",
        "٢024-01-01T10:00:00Z",
    ],
    "date": [
        "2023-02-29",
        "2024-2-9",
        "20240229",
        "10000-01-01",
        "+2024-01-01",
        "-0000-01-01",
        "+1000000000-01-01",
        "2024-02-29Z",
        "",
    ],
    "time": ["12:30", "12:30:15Z", "1:2:3"],
    "uuid": [
        "0f0e0d0c0b0a49088706050403020100",
        "{0f0e0d0c-0b0a-4908-8706-050403020100}",
        "0f0e0d0c-0b0a-4908-8706-050403020100\n",
    ],
    "uri": ["//x/y", "rel", "", "http://x y", "http://x/é", "http://x/{a}", "http://x#a#b", "a:\n"],
    "ipv4": ["01.2.3.4", "1.2.3", "256.1.1.1", "1.2.3.4 ", "١.2.3.4"],
    "ip-address": ["256.1.1.1", "::1"],
    "ipv6": ["1:2:3:4:5:6:7:8:9", "::1 ", "fe80::1%eth0", "[::1]", "::192.0.2.256", "99999::"],
    "hostname": ["a_b", "a.", ".a", "-a", "a-", "a..b", "", "a" * 64],
    "email": [
        "a@b",
        "a",
        "@b.com",
        "a@",
        "a@b.c",
        ".a@c.com",
        "a.@c.com",
        "a@-b.com",
        "a@b..com",
        "a@192.0.2.1",
        "a b@c.com",
        "a@b.com.",
        "a" * 65 + "@b.com",
        f"a@{'b' * 64}.com",
        "a@[300.1.1.1]",
        "a@b.123",
        "",
    ],
    "duration": ["P", "PT", "1D", "P1H", "x"],
    "color": ["CadetBlue", "#ff", "rgb(256,1,1)"],
    "phone": ["555", "+0"],
    "alpha": ["ab1", ""],
    "alphanumeric": ["a-1"],
    "utc-millisec": ["x", ".5", "1."],
    "style": ["x"],
}


def pairs(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(name, text) for name, texts in table.items() for text in texts]


@pytest.mark.parametrize(("name", "text"), pairs(VALID))
def test_valid(name: str, text: str) -> None:
    assert FORMATS[name].holds(text)


@pytest.mark.parametrize(("name", "text"), pairs(INVALID))
def test_invalid(name: str, text: str) -> None:
    assert not FORMATS[name].holds(text)


def test_every_checked_format_is_tested() -> None:
    assert set(FORMATS) == set(VALID) == set(INVALID)
