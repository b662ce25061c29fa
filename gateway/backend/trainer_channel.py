"""The channel to the trainer."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

import grpc

from gateway.backend.channel import open_channel
from transport.peer_tls import FollowedPeerTls, renewal_of


class TrainerChannel:
    """Connects with what the files of TLS hold at that time; a channel of gRPC keeps its credentials for good.

    Whoever is connected stays so: what the files hold now may be wrong. A call stays where it began, for hours if
    it takes them.

    Args:
      address: of the trainer, as a gRPC target.
      tls: of the trainer; None is plain text.
    """

    def __init__(self, address: str, tls: FollowedPeerTls | None) -> None:
        self._address = address
        self._tls = tls
        self._leaving: set[asyncio.Task[None]] = set()
        self._open()

    def unary_unary(self, method: str) -> Callable[..., Any]:
        """As of grpc.aio.Channel; requests and answers are bytes."""

        def start(request: Any, **options: Any) -> Any:
            return self._present().unary_unary(method)(request, **options)

        return start

    def unary_stream(self, method: str) -> Callable[..., Any]:
        """As of grpc.aio.Channel, likewise."""

        def start(request: Any, **options: Any) -> Any:
            return self._present().unary_stream(method)(request, **options)

        return start

    async def aclose(self) -> None:
        """Closes it; calls in flight are lost."""
        for leaving in self._leaving:
            leaving.cancel()
        await asyncio.gather(self._channel.close(), *self._leaving, return_exceptions=True)

    def _open(self) -> None:
        self._is_outdated = renewal_of(self._tls)
        self._channel = open_channel(self._address, self._tls)

    def _present(self) -> grpc.aio.Channel:
        if self._is_outdated() and self._channel.get_state() is not grpc.ChannelConnectivity.READY:
            leaving = asyncio.create_task(self._channel.close(math.inf))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            self._open()
        return self._channel
