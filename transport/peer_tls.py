"""TLS of the calls that a process makes itself."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import grpc

from transport import keepalive
from transport.pem import RenewedPair, read_authorities
from transport.tls_settings import PeerTls
from transport.watched import Note, Watched

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


@dataclass(frozen=True, slots=True)
class _Contents:
    credentials: grpc.ChannelCredentials
    expiry_s: float


class FollowedPeerTls:
    """What the files hold that another process is called with: a channel gets what that is when it is opened.

    Args:
      tls: its files.
      note: as of Watched.

    Attributes:
      name: as of PeerTls.
      certificate: the file of the process's own certificate; None where there is none.

    Raises:
      UnusableFileError: a file is missing or no PEM, or the key is another certificate's.
    """

    def __init__(self, tls: PeerTls, note: Note) -> None:
        self.name = tls.name
        self.certificate = tls.certificate
        self._tls = tls
        self._pair = RenewedPair(tls.certificate, tls.key) if tls.certificate and tls.key else None
        paths = [path for path in (tls.ca, tls.certificate, tls.key) if path is not None]
        self._files = Watched(paths, self._read, note, pause_s=0.0)

    def credentials(self) -> grpc.ChannelCredentials:
        """Returns the same object until the files have changed."""
        return self._files.get().credentials

    def expiry_s(self) -> float:
        """Returns when the process's own certificate ends, in seconds since the epoch; infinite without one."""
        return self._files.get().expiry_s

    def _read(self) -> _Contents:
        authorities = read_authorities(self._tls.ca)
        if self._pair is None:
            return _Contents(grpc.ssl_channel_credentials(authorities), inf)
        return _Contents(grpc.ssl_channel_credentials(authorities, *self._pair.read()), self._pair.expiry_s)


def renewal_of(tls: FollowedPeerTls | None) -> Callable[[], bool]:
    """Returns what tells later whether a channel would get other credentials than one that is opened now."""
    if tls is None:
        return lambda: False
    present = tls.credentials()
    return lambda: tls.credentials() is not present


def connect(target: str, tls: FollowedPeerTls | None = None, max_answer_bytes: int = -1) -> grpc.aio.Channel:
    """Returns a channel to a gRPC target that notices soon that the other side is lost, or back.

    Args:
      target: such as "127.0.0.1:8500" or "dns:///serving:8500".
      tls: of the other side; None is plain text.
      max_answer_bytes: how long an answer may be; -1 for any length, as requests have.
    """
    # By default 4 MiB are the limit, and a batch of large inputs, or of heatmaps, has more.
    sizes = ("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", max_answer_bytes)
    options = (*sizes, *_RECONNECTION, *keepalive.OF_CHANNELS, NO_PROXY)
    if tls is None:
        return grpc.aio.insecure_channel(target, options=options)
    named = (("grpc.ssl_target_name_override", tls.name),) if tls.name else ()
    return grpc.aio.secure_channel(target, tls.credentials(), options=(*options, *named))
