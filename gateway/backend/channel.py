"""Channels to TensorFlow Serving and to the trainer."""

import grpc

from transport.peer_tls import connect
from transport.tls_settings import PeerTls

MAX_ANSWER_BYTES = 256 * 2**20
"""Length of an answer: one heatmap of 8000 by 8000, or 32 of 1400 by 1400."""

TOO_LONG = "Received message larger than max"
"""What gRPC says of a longer one, in details of RESOURCE_EXHAUSTED."""

_UNLIMITED = -1
_OPTIONS = (
    # A batch of large inputs, or of heatmaps, is beyond gRPC's default of 4 MiB.
    ("grpc.max_send_message_length", _UNLIMITED),
    ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
    # gRPC waits up to two minutes between tries to connect; the other side is back sooner.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 500),
)


def open_channel(address: str, tls: PeerTls | None = None) -> grpc.aio.Channel:
    """Returns a channel that notices within a second that the other side is back.

    Args:
      address: a gRPC target, such as "127.0.0.1:8500" or "dns:///serving:8500".
      tls: of the other side; None is plain text.

    Raises:
      UnusableFileError: a file that it names cannot be used.
    """
    return connect(address, _OPTIONS, tls)
