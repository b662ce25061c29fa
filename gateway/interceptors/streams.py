"""Interceptor that holds each caller to a number of open streams."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway import caller
from gateway.errors import QueueFullError
from gateway.interceptors.around import AroundInterceptor, Context
from gateway.interceptors.wrapping import Handler
from gateway.tally import Tally


class StreamsInterceptor(AroundInterceptor):
    """Refuses streams beyond the number, those of answers too: a watch has no end, and some need no token.

    An idle one costs little, but there may be any number of them, and each may come with a large image at any time.

    Args:
      limit: open streams of a caller at most.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open = Tally()

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Returns a handler that counts; the same one where there is one request and one answer."""
        return super().wrap(method, handler) if handler.request_streaming or handler.response_streaming else handler

    @asynccontextmanager
    async def around(self, method: str, context: Context) -> AsyncIterator[None]:
        """Has a stream of the call's caller open."""
        if self._open.own() >= self._limit:
            name = caller.current.get()
            raise QueueFullError(f"{name} has {self._limit} streams open, which is the limit; use these.")
        with self._open.one_more():
            yield
