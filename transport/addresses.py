"""Addresses as "host:port"."""

import socket


def with_port(address: str, port: int) -> str:
    """Returns "host:port" with the port that was taken."""
    return f"{address.rpartition(':')[0]}:{port}"


def place_of(address: str) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """Returns family and address of "host:port", as sockets take them."""
    host, _, port = address.rpartition(":")
    return socket.AF_INET6 if ":" in host else socket.AF_INET, (host.strip("[]"), int(port))
