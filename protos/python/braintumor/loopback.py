"""Who can reach an address."""

import re
from ipaddress import ip_address

_SCHEME = re.compile(r"^(?:dns:(?://[^/]*/)?|ipv4:|ipv6:)")


def is_loopback(target: str) -> bool:
    """Tells whether nothing but this machine is behind "host:port" or another of gRPC's targets.

    A name other than localhost counts as another machine, and so does what cannot be understood.
    """
    if target.startswith("unix:"):
        return True
    addresses = _SCHEME.sub("", target)
    return all(_is_loopback_host(_host(address)) for address in addresses.split(","))


def _host(address: str) -> str:
    if address.startswith("["):
        return address[1:].partition("]")[0]
    # More than one colon is an IPv6 address that stands alone.
    return address.rpartition(":")[0] if address.count(":") == 1 else address


def _is_loopback_host(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
