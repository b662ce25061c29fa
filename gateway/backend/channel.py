"""Channels to TensorFlow Serving and to the trainer."""

import grpc

from transport.peer_tls import FollowedPeerTls, connect

MAX_ANSWER_BYTES = 256 * 2**20
"""Length of an answer: one heatmap of 8000 by 8000, or 32 of 1400 by 1400."""

TOO_LONG = "Received message larger than max"
"""What gRPC says of a longer one, in details of RESOURCE_EXHAUSTED."""


def open_channel(address: str, tls: FollowedPeerTls | None = None) -> grpc.aio.Channel:
    """Returns a channel as `connect` makes it, for answers of that length."""
    return connect(address, tls, MAX_ANSWER_BYTES)
