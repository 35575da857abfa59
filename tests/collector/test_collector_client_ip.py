"""Whose address is stored."""

from collections.abc import Callable
from typing import Any

import pytest

from collector import client_ip


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        pytest.param([], "192.0.2.2", id="none"),
        pytest.param(["192.0.2.4"], "192.0.2.4", id="one"),
        pytest.param([" 192.0.2.4 , 10.0.0.1"], "192.0.2.4", id="leftmost"),
        pytest.param([", ,192.0.2.4"], "192.0.2.4", id="empty-entries"),
        pytest.param(["unknown"], "unknown", id="unknown"),
        pytest.param(["192.0.2.4, unknown"], "192.0.2.4", id="unknown-proxy"),
        pytest.param(["2001:DB8:0::1"], "2001:db8::1", id="ipv6-without-brackets"),
        pytest.param(["::ffff:192.0.2.4"], "192.0.2.4", id="ipv4-in-ipv6"),
        pytest.param(["garbage", "192.0.2.4"], "192.0.2.4", id="second-line"),
        pytest.param(["192.0.2.4", "192.0.2.5"], "192.0.2.4", id="first-line"),
        *(
            pytest.param([line], "192.0.2.2", id=f"no-address-{line}")
            for line in (
                "",
                "garbage",
                "192.0.2.4:80",
                "[::1]",
                "192.0.2.04",
                "192.0.2",
                "Unknown",
                "192.0.2.4, x",
                "fe80::1%eth0",
                "192.0.2.4é",
            )
        ),
    ],
)
def test_leftmost_entry_of_forwarded_for(lines: list[str], address: str) -> None:
    assert client_ip.leftmost([line.encode() for line in lines], "192.0.2.2") == address


@pytest.mark.parametrize(("peer", "address"), [("::1", "::1"), ("::ffff:10.0.0.1", "10.0.0.1"), ("unix", "unix")])
def test_without_the_header_it_is_who_connected(peer: str, address: str) -> None:
    assert client_ip.leftmost([], peer) == address


FORGED = ("X-Forwarded-For", "6.6.6.6, 203.0.113.9, 10.0.0.1")


@pytest.mark.parametrize(
    ("hops", "header", "address"),
    [
        (0, FORGED, "192.0.2.2"),
        (1, FORGED, "10.0.0.1"),
        (2, FORGED, "203.0.113.9"),
        (9, FORGED, "6.6.6.6"),
        (1, ("X-Forwarded-For", "6.6.6.6, 203.0.113.9:1234"), "203.0.113.9"),
        (1, ("X-Forwarded-For", "6.6.6.6, [2001:db8::1]:443"), "2001:db8::1"),
        (1, ("X-Forwarded-For", "6.6.6.6, garbage"), "unknown"),
    ],
)
def test_with_trusted_hops_clients_cannot_forge_it(
    inside: Callable[..., Any], hops: int, header: tuple[str, str], address: str
) -> None:
    app = inside(trusted_hops=hops)
    app.ask("GET", "/i", [header, ("Forwarded", "for=6.6.6.6"), ("Via", "x")])
    assert app.payload.ip_address == address
    forwarded = [f"X-Forwarded-For: {address}"] if address != "unknown" else []
    assert app.payload.headers == ["Via: x", *forwarded]


def test_with_trusted_hops_anonymous_stays_anonymous(inside: Callable[..., Any]) -> None:
    app = inside(trusted_hops=1)
    app.ask("GET", "/i", [FORGED, ("SP-Anonymous", "*")])
    assert (app.payload.ip_address, app.payload.headers) == ("unknown", ["SP-Anonymous: *"])
