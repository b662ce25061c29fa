"""Where the replicas of a serving listen."""

import asyncio
import socket

import pytest

from tfserving_api.addresses import resolve


def _resolved(addresses, timeout_s=1.0):
    return asyncio.run(resolve(addresses, timeout_s))


@pytest.fixture
def name_service(monkeypatch):
    """Answers instead of the system's: addresses by name."""
    known = {}

    async def getaddrinfo(_loop, host, port, **_):
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        families = {ip: socket.AF_INET6 if ":" in ip else socket.AF_INET for ip in known[host]}
        return [(family, socket.SOCK_STREAM, 6, "", (ip, int(port))) for ip, family in families.items()]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return known


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ("127.0.0.1:8500", {"127.0.0.1:8500"}),
        ("dns:///127.0.0.1:8500", {"127.0.0.1:8500"}),
        ("127.0.0.1:8500,127.0.0.1:8501, 127.0.0.2:8500", {"127.0.0.1:8500", "127.0.0.1:8501", "127.0.0.2:8500"}),
        ("[::1]:8500,127.0.0.1:8500", {"[::1]:8500", "127.0.0.1:8500"}),
        ("unix:/run/serving.sock", {"unix:/run/serving.sock"}),
        ("ipv4:127.0.0.1:8500,127.0.0.2:8500", {"ipv4:127.0.0.1:8500", "127.0.0.2:8500"}),
    ],
)
def test_addresses_are_replicas_as_they_stand(addresses, expected):
    assert _resolved(addresses) == expected


@pytest.mark.parametrize("address", ["serving:8500", "dns:serving:8500", "dns:///serving:8500"])
def test_each_address_of_a_name_is_a_replica(name_service, address):
    name_service["serving"] = ["10.0.0.1", "10.0.0.2", "fd00::3"]
    assert _resolved(address) == {"10.0.0.1:8500", "10.0.0.2:8500", "[fd00::3]:8500"}


def test_names_may_stand_in_a_list(name_service):
    name_service.update({"serving-a": ["10.0.0.1"], "serving-b": ["10.0.0.2"]})
    assert _resolved("serving-a:8500,serving-b:8501") == {"10.0.0.1:8500", "10.0.0.2:8501"}


def test_a_name_that_leads_nowhere_hides_no_other(name_service):
    name_service["serving-a"] = ["10.0.0.1"]
    assert _resolved("serving-b:8500,serving-a:8500") == {"10.0.0.1:8500"}


@pytest.mark.usefixtures("name_service")
def test_names_that_lead_nowhere_are_no_empty_fleet():
    assert _resolved("serving-a:8500,serving-b:8500") is None


@pytest.mark.parametrize("host", ["a..b", "a" * 64])
def test_what_is_no_name_leads_nowhere(host):
    assert _resolved(f"{host}:8500") is None
    assert _resolved(f"{host}:8500,127.0.0.1:8500") == {"127.0.0.1:8500"}


def test_a_name_that_gets_no_answer_is_not_waited_for_and_hides_no_other(monkeypatch):
    answer = asyncio.BaseEventLoop.getaddrinfo

    async def getaddrinfo(loop, host, port, **options):
        if host == "serving":
            await asyncio.Event().wait()
        return await answer(loop, host, port, **options)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    assert _resolved("serving:8500", timeout_s=0.05) is None
    assert _resolved("serving:8500,10.0.0.1:8500") == {"10.0.0.1:8500"}
