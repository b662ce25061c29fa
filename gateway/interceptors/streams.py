"""Interceptor that holds each caller to a number of open streams."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway import caller
from gateway.errors import QueueFullError
from gateway.interceptors.around import AroundInterceptor, Context
from gateway.interceptors.wrapping import Handler


class StreamsInterceptor(AroundInterceptor):
    """Refuses streams beyond the number. An idle one costs little, but each may come with a large image at any time.

    Args:
      limit: open streams of a caller at most.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: Counter[str] = Counter()

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Returns a handler that counts; the same one where there is one request."""
        return super().wrap(method, handler) if handler.request_streaming else handler

    @asynccontextmanager
    async def around(self, method: str, context: Context) -> AsyncIterator[None]:
        """Has a stream of the call's caller open."""
        name = caller.current.get()
        if self._open[name] >= self._limit:
            raise QueueFullError(f"{name} has {self._limit} streams open, which is the limit; use these.")
        self._open[name] += 1
        try:
            yield
        finally:
            self._open[name] -= 1
            if not self._open[name]:
                del self._open[name]
