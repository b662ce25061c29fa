"""Where the replicas of a TensorFlow Serving listen."""

import asyncio
import re
import socket
from collections.abc import Iterable

_HOST_AND_PORT = re.compile(r"(?:dns:(?:///)?)?(?:\[(?P<bracketed>[^\[\]]+)\]|(?P<plain>[^\[\]:/]+)):(?P<port>\d+)")


async def resolve(addresses: str, timeout_s: float) -> frozenset[str] | None:
    """Looks up which replicas there are at the moment.

    Args:
      addresses: "host:port", "dns:///host:port", or several of them with commas between them; a host is an IP
        address or a name, and a name may stand for several replicas, as that of a headless Service does. Anything
        else, such as "unix:/run/serving.sock", is taken for the gRPC target of one replica.
      timeout_s: time for it, in seconds.

    Returns:
      A gRPC target for each replica of those names that lead anywhere at the moment; None where none does.
    """
    found = await asyncio.gather(*(_resolve_one(part.strip(), timeout_s) for part in addresses.split(",")))
    return frozenset(target for targets in found for target in targets) or None


async def _resolve_one(address: str, timeout_s: float) -> Iterable[str]:
    named = _HOST_AND_PORT.fullmatch(address)
    if named is None:
        return (address,)
    host, port = named["bracketed"] or named["plain"], named["port"]
    try:
        async with asyncio.timeout(timeout_s):
            answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # the latter: it is no name at all; a timeout is an OSError
        return ()
    return [f"[{ip}]:{port}" if family is socket.AF_INET6 else f"{ip}:{port}" for family, *_, (ip, *_) in answers]
