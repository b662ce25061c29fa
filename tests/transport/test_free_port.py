"""Whether a port is free, as `make run` asks before it starts anything."""

import socket
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("[::1]", socket.AF_INET6)])
def test_a_port_that_is_taken_is_told(host, family):
    if family is socket.AF_INET6 and not socket.has_ipv6:
        pytest.skip("no IPv6")
    with socket.create_server((host.strip("[]"), 0), family=family) as taken:
        address = f"{host}:{taken.getsockname()[1]}"
        run = _free("127.0.0.1:0", address)
        assert (run.returncode, run.stderr) == (
            1,
            f"PORT_2: cannot listen on {address}; is the port taken, or does the service run already?\n",
        )
    assert _free("127.0.0.1:0", address).returncode == 0


def test_a_port_that_is_too_high_is_told():
    run = _free("127.0.0.1:65536")
    assert run.returncode == 1
    assert run.stderr.startswith("PORT_1: ")
    assert len(run.stderr.splitlines()) == 1


def _free(*addresses: str) -> "subprocess.CompletedProcess[str]":
    named = [f"PORT_{number}={address}" for number, address in enumerate(addresses, 1)]
    command = [sys.executable, "-m", "transport.free_port", *named]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
