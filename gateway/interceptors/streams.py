"""Interceptor that holds each caller to a number of open streams."""

from collections import Counter
from contextlib import AbstractAsyncContextManager
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

    def around(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AbstractAsyncContextManager[None]:
        """Has a stream of the call's caller open."""
        return _Open(self._open, self._settings.max_streams_of_caller)


class _Open:
    def __init__(self, streams: Counter[str], limit: int) -> None:
        self._streams = streams
        self._limit = limit
        self._caller = caller.current.get()

    async def __aenter__(self) -> None:
        if self._streams[self._caller] >= self._limit:
            raise QueueFullError(f"{self._caller} has {self._limit} streams open, which is the limit; use these.")
        self._streams[self._caller] += 1

    async def __aexit__(self, *_: object) -> None:
        self._streams[self._caller] -= 1
        if not self._streams[self._caller]:
            del self._streams[self._caller]
