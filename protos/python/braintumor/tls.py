"""TLS of channels to the service."""

import os
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
      ValueError: of certificate and key only one is given.
    """
    if (certificate is None) != (key is None):
        raise ValueError("a certificate and its key go together")
    return grpc.ssl_channel_credentials(_read(ca), _read(key), _read(certificate))


def _read(path: str | os.PathLike[str] | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()
