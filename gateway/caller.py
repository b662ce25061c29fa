"""Who makes a call."""

from contextvars import ContextVar

METADATA_KEY = "x-caller"
"""Metadata key under which the trainer is told who calls; what a caller says of itself under it goes no further."""

current: ContextVar[str] = ContextVar("caller", default="")
"""Caller of the call that the running task works for; empty outside of calls. A name where callers are authenticated,
the host that the call comes from where they are not."""


def host_of(peer: str) -> str:
    """Returns the host of a gRPC peer such as "ipv4:127.0.0.1:5000", without its port."""
    kind, _, address = peer.partition(":")
    return address.rpartition(":")[0] if kind in {"ipv4", "ipv6"} else peer
