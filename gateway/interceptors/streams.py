"""Interceptor that holds each caller to a number of open streams."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from gateway import caller
from gateway.backlog import OutlookOf
from gateway.errors import QueueFullError
from gateway.interceptors.around import AroundInterceptor
from gateway.interceptors.wrapping import Handler
from gateway.settings import Settings


class StreamsInterceptor(AroundInterceptor):
    """Refuses streams beyond the number. An idle one costs little, but each may come with a large image at any time."""

    def __init__(self, settings: Settings, outlook: OutlookOf) -> None:
        super().__init__(settings, outlook)
        self._open: Counter[str] = Counter()

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Returns a handler that counts; the same one where there is one request."""
        return super().wrap(method, handler) if handler.request_streaming else handler

    @asynccontextmanager
    async def around(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[None]:
        """Has a stream of the call's caller open."""
        name, limit = caller.current.get(), self._settings.max_streams_of_caller
        if self._open[name] >= limit:
            raise QueueFullError(f"{name} has {limit} streams open, which is the limit; use these.")
        self._open[name] += 1
        try:
            yield
        finally:
            self._open[name] -= 1
            if not self._open[name]:
                del self._open[name]
