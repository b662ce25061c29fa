"""Interceptor that holds each caller to a rate of calls and images."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import grpc

from gateway import caller
from gateway.auth.rights import Access, access_to
from gateway.backlog import OutlookOf
from gateway.caller_rate import CallerRate
from gateway.errors import CallerRateExceededError
from gateway.interceptors.around import AroundInterceptor
from gateway.interceptors.wrapping import Handler, behaviour_of, made_like, with_requests
from gateway.settings import Settings


class CallerRateInterceptor(AroundInterceptor):
    """Takes a token for each call, and another kind for each image of a stream. Probes need none.

    A call that finds none is refused before its request is read. A stream waits: it is not read from meanwhile. It
    takes every token of its kind as soon as it is there, so calls have their own.
    """

    def __init__(self, settings: Settings, outlook: OutlookOf) -> None:
        super().__init__(settings, outlook)
        self._limit = settings.caller_rate
        self._calls, self._images = (CallerRate(settings.caller_rate, settings.caller_burst) for _ in range(2))

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Returns a handler that asks for tokens; the same one where there is no limit."""
        if not self._limit or access_to(method) is Access.OPEN:
            return handler
        if handler.request_streaming and handler.response_streaming:
            paced = with_requests(self._paced, behaviour_of(handler))
            handler = made_like(handler, paced, handler.request_deserializer)
        return super().wrap(method, handler)

    def around(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AbstractAsyncContextManager[None]:
        """Refuses a call whose caller has no token left."""
        return _Counted(self._calls, self._limit)

    async def _paced(self, requests: AsyncIterator[Any], _: object) -> AsyncIterator[Any]:
        async for request in requests:
            name = caller.current.get()
            try:
                await asyncio.sleep(self._images.reserve(name))
            except asyncio.CancelledError:
                self._images.give_back(name)
                raise
            yield request


class _Counted:
    def __init__(self, rate: CallerRate, limit: float) -> None:
        self._rate = rate
        self._limit = limit

    async def __aenter__(self) -> None:
        name = caller.current.get()
        if wait_s := self._rate.take(name):
            raise CallerRateExceededError(
                f"{name} has made more than {self._limit:g} calls a second; slow down.", retry_after_s=wait_s
            )

    async def __aexit__(self, *_: object) -> None:
        pass
