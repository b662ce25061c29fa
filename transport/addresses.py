"""Where a process may be told to listen."""

import socket
from typing import Annotated

from pydantic import AfterValidator, Field

_LAST_PORT = 65535


def _with_a_port_that_is(address: str) -> str:
    if address and int(address.rpartition(":")[2]) > _LAST_PORT:
        raise ValueError(f"there is no port beyond {_LAST_PORT}")
    return address


ListenAddress = Annotated[str, Field(pattern=r"^.+:\d+$"), AfterValidator(_with_a_port_that_is)]
"""Host and port; port 0 takes a free one."""

MaybeListenAddress = Annotated[str, Field(pattern=r"^(.+:\d+)?$"), AfterValidator(_with_a_port_that_is)]
"""The same, or empty for nowhere."""


def with_port(address: str, port: int) -> str:
    """Returns "host:port" with the port that was taken."""
    return f"{address.rpartition(':')[0]}:{port}"


def place_of(address: str) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """Returns family and address of "host:port", as sockets take them."""
    host, _, port = address.rpartition(":")
    return socket.AF_INET6 if ":" in host else socket.AF_INET, (host.strip("[]"), int(port))
