"""Who makes a call."""

import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from urllib.parse import unquote

_NAME = re.compile(r"[!-~]([ -~]{0,126}[!-~])?")

current: ContextVar[str] = ContextVar("caller", default="")
"""Caller of the call that the running task works for; empty outside of calls. The name that goes with the call's token
where tokens are checked, else the one in the caller's certificate, else the host that the call comes from."""


def host_of(peer: str) -> str:
    """Returns the plain host of a gRPC peer such as "ipv4:127.0.0.1:5000" or "ipv6:%5B::1%5D:5000"."""
    kind, _, address = peer.partition(":")
    return unquote(address.rpartition(":")[0]).strip("[]") if kind in {"ipv4", "ipv6"} else peer


def certified_name(authentication: Mapping[str, Iterable[bytes]]) -> str | None:
    """Returns the common name of the certificate that a caller has shown; None where none is fit for logs.

    Args:
      authentication: the call's `auth_context()`.
    """
    name = next(iter(authentication.get("x509_common_name", ())), b"").decode("ascii", "replace")
    return name if _NAME.fullmatch(name) else None
