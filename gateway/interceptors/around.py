"""Base of interceptors that put an async context manager around the handler, whatever the kind of call."""

import inspect
from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import grpc

from gateway.interceptors.wrapping import Handler, WrappingInterceptor, behaviour_of, made_like


class AroundInterceptor(WrappingInterceptor):
    """Runs each call's handler inside `around`."""

    @abstractmethod
    def around(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AbstractAsyncContextManager[None]:
        """Returns what to enter before a call of "/package.Service/Method" is handled, and to leave after it."""

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Returns the handler, inside."""
        return made_like(handler, self._wrap_behaviour(method, behaviour_of(handler)), handler.request_deserializer)

    def _wrap_behaviour(self, method: str, behaviour: Any) -> Any:
        # grpc.aio asks a handler which of the two it is, so its wrapper has to be the same.
        if inspect.isasyncgenfunction(behaviour):

            async def yielding(request: Any, context: Any) -> AsyncIterator[Any]:
                async with self.around(method, context):
                    async for response in behaviour(request, context):
                        yield response

            return yielding

        async def returning(request: Any, context: Any) -> Any:
            async with self.around(method, context):
                return await behaviour(request, context)

        return returning
