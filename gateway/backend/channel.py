"""Channels to TensorFlow Serving and to the trainer."""

import grpc

from transport.peer_tls import FollowedPeerTls, connect

MAX_ANSWER_BYTES = 256 * 2**20
"""Length of an answer: one heatmap of 8000 by 8000, or 32 of 1400 by 1400."""

TOO_LONG = "Received message larger than max"
"""What gRPC says of a longer one, in details of RESOURCE_EXHAUSTED."""

_UNLIMITED = -1
_SIZES = (
    # A batch of large inputs, or of heatmaps, is beyond gRPC's default of 4 MiB.
    ("grpc.max_send_message_length", _UNLIMITED),
    ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
)


def open_channel(address: str, tls: FollowedPeerTls | None = None) -> grpc.aio.Channel:
    """Returns a channel as `connect` makes it, for messages of these lengths."""
    return connect(address, _SIZES, tls)
