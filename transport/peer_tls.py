"""TLS of the calls that a process makes itself."""

from collections.abc import Sequence
from typing import Any

import grpc

from transport.pem import read_authorities, read_pair
from transport.tls_settings import PeerTls
from transport.watched import UnusableFileError

NO_PROXY = ("grpc.enable_http_proxy", 0)
"""Processes of one service are no business of the proxy that the environment may name for others."""


def connect(target: str, options: Sequence[tuple[str, Any]], tls: PeerTls | None) -> grpc.aio.Channel:
    """Returns a channel to a gRPC target, in plain text where there is no `tls`.

    Raises:
      UnusableFileError: as of `credentials`.
    """
    options = (*options, NO_PROXY)
    if tls is None:
        return grpc.aio.insecure_channel(target, options=options)
    named = (("grpc.ssl_target_name_override", tls.name),) if tls.name else ()
    return grpc.aio.secure_channel(target, credentials(tls), options=(*options, *named))


def credentials(tls: PeerTls) -> grpc.ChannelCredentials:
    """Returns what the files hold now.

    Raises:
      UnusableFileError: a file is missing or no PEM, or the key is another certificate's.
    """
    try:
        authorities = read_authorities(tls.ca)
        if tls.certificate is None or tls.key is None:
            return grpc.ssl_channel_credentials(authorities)
        return grpc.ssl_channel_credentials(authorities, *read_pair(tls.certificate, tls.key))
    except OSError as err:
        raise UnusableFileError(f"{err.filename} cannot be read: {err.strerror}") from err
