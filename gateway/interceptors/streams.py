"""Interceptor that holds each caller to a number of calls that may stay open."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from gateway import caller
from gateway.errors import QueueFullError
from gateway.interceptors.around import AroundInterceptor, Context
from gateway.interceptors.wrapping import Handler
from gateway.tally import Tally
from transport.calls import HEALTH, WAIT

WATCHES = 1024
"""Watches of health that a caller may have open. Each client behind a proxy may have one, and it is some 30 KB."""


class StreamsInterceptor(AroundInterceptor):
    """Refuses further calls that may stay open: streams, be it of requests or of answers, and those that wait for jobs.

    An idle one costs little, but there may be any number of them, and each may come with a large image at any time.
    Watches of health are counted apart: no image comes with them, and who has many shall not be short of others.

    Args:
      limit: open streams and waits of a caller at most; watches of health are no more than WATCHES.
    """

    def __init__(self, limit: int) -> None:
        self._of_health = _Open(WATCHES)
        self._others = _Open(limit)

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Returns a handler that counts; the same one where one answer comes soon after one request."""
        lasts = handler.request_streaming or handler.response_streaming or method == WAIT
        return super().wrap(method, handler) if lasts else handler

    def around(self, method: str, context: Context) -> AbstractAsyncContextManager[None]:
        """Has a stream of the call's caller open."""
        return (self._of_health if method.startswith(f"/{HEALTH}") else self._others).one_more()


class _Open:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open = Tally()

    @asynccontextmanager
    async def one_more(self) -> AsyncIterator[None]:
        if self._open.own() >= self._limit:
            name = caller.current.get()
            raise QueueFullError(f"{name} has {self._limit} streams or waits open, which is the limit; use these.")
        with self._open.one_more():
            yield
