"""TLS of the calls that a process makes itself."""

from collections.abc import Sequence

import grpc

from transport.pem import read_authorities, read_pair
from transport.tls_settings import PeerTls
from transport.watched import UnusableFileError

NO_PROXY = ("grpc.enable_http_proxy", 0)
"""Processes of one service are no business of the proxy that the environment may name for others."""

_RECONNECTION = (
    # gRPC waits up to two minutes between tries to connect; the other side is back sooner.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    # How long a try may take at least, by gRPC's connection-backoff.md: on a busy machine 100 ms are none for TLS.
    ("grpc.min_reconnect_backoff_ms", 1000),
    # It looks a name up anew after half a minute at the earliest; the other side may be back at another address.
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
)


def connect(target: str, sizes: Sequence[tuple[str, int]], tls: PeerTls | None) -> grpc.aio.Channel:
    """Returns a channel to a gRPC target that notices soon that the other side is back.

    Args:
      target: such as "127.0.0.1:8500" or "dns:///serving:8500".
      sizes: options of gRPC, which tell how long messages may be.
      tls: of the other side; None is plain text.

    Raises:
      UnusableFileError: as of `credentials`.
    """
    options = (*sizes, *_RECONNECTION, NO_PROXY)
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
