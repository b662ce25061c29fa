"""Callers by the host that they call from."""

import pytest

from gateway.caller import host_of


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:10.1.2.3:45678", "10.1.2.3"),
        ("ipv6:%5B::1%5D:45678", "::1"),
        ("ipv6:[::1]:45678", "::1"),
        ("ipv6:%5Bfe80::2%25eth0%5D:45678", "fe80::2%eth0"),
        ("unix:/tmp/socket", "unix:/tmp/socket"),
    ],
)
def test_the_port_is_no_part_of_a_host(peer, host):
    assert host_of(peer) == host
