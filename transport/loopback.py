"""Who can reach an address that a process listens on."""

from ipaddress import ip_address


def is_loopback(address: str) -> bool:
    """Tells whether only this machine can reach "host:port". A name other than localhost counts as reachable."""
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
