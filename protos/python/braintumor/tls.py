"""TLS of channels to the service."""

import os
import re
from pathlib import Path

import grpc


def channel_credentials(
    ca: str | os.PathLike[str] | None = None,
    certificate: str | os.PathLike[str] | None = None,
    key: str | os.PathLike[str] | None = None,
) -> grpc.ChannelCredentials:
    """Returns what a client takes as `credentials`. Files are in PEM.

    Args:
      ca: authorities that the service's certificate may come from; None are those that gRPC ships.
      certificate: of the caller, where the service asks for one.
      key: private key of that certificate.

    Raises:
      OSError: a file cannot be read.
      ValueError: of certificate and key only one is given, or a file holds no such thing.
    """
    if (certificate is None) != (key is None):
        raise ValueError("a certificate and its key go together")
    return grpc.ssl_channel_credentials(
        _read(ca, "CERTIFICATE"), _read(key, "PRIVATE KEY"), _read(certificate, "CERTIFICATE")
    )


def _read(path: str | os.PathLike[str] | None, kind: str) -> bytes | None:
    """Returns what is in a file; gRPC itself takes anything, and then fails at each handshake."""
    if path is None:
        return None
    held = Path(path).read_bytes()
    if not re.search(rf"-----BEGIN [A-Z0-9 ]*{kind}-----".encode(), held):
        raise ValueError(f"{os.fspath(path)} holds no {kind.lower()} in PEM")
    return held
