"""Interceptor that holds each caller to a rate of calls and images."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from gateway import caller
from gateway.auth.rights import Access, access_to
from gateway.caller_rate import CallerRate
from gateway.errors import CallerRateExceededError
from gateway.interceptors.around import BeforeInterceptor, Context
from gateway.interceptors.wrapping import Handler, with_requests


class CallerRateInterceptor(BeforeInterceptor):
    """Takes a token for each call, and another kind for each image of a stream. Probes need none.

    A call that finds none is refused before its request is read. A stream waits: it is not read from meanwhile. It
    takes every token of its kind as soon as it is there, so calls have their own.

    Args:
      rate: tokens of a kind in a second, 0 for no limit.
      burst: tokens of a kind that are kept at most.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._limit = rate
        self._calls, self._images = CallerRate(rate, burst), CallerRate(rate, burst)

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Returns a handler that asks for tokens; the same one where there is no limit."""
        if not self._limit or access_to(method) is Access.OPEN:
            return handler
        if handler.request_streaming and handler.response_streaming:
            handler = with_requests(handler, self._paced)
        return super().wrap(method, handler)

    async def before(self, method: str, context: Context) -> None:
        """Refuses a call whose caller has no token left."""
        name = caller.current.get()
        if wait_s := self._calls.take(name):
            raise CallerRateExceededError(
                f"{name} has made more than {self._limit:g} calls a second; slow down.", retry_after_s=wait_s
            )

    async def _paced(self, requests: AsyncIterator[Any], _: object) -> AsyncIterator[Any]:
        async for request in requests:
            name = caller.current.get()
            try:
                await asyncio.sleep(self._images.reserve(name))
            except asyncio.CancelledError:
                self._images.give_back(name)
                raise
            yield request
