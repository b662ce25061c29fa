"""Bases of interceptors that do something around the handler, or before it, whatever the kind of call."""

from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

import grpc

from gateway.interceptors.wrapping import Handler, WrappingInterceptor, behaviour_of, made_like
from transport.calls import of_its_kind

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class AroundInterceptor(WrappingInterceptor):
    """Runs each call's handler inside `around`."""

    @abstractmethod
    def around(self, method: str, context: Context) -> AbstractAsyncContextManager[None]:
        """Returns what to enter before a call of "/package.Service/Method" is handled, and to leave after it."""

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Returns the handler, inside."""
        behaviour = behaviour_of(handler)

        async def yielding(request: Any, context: Any) -> AsyncIterator[Any]:
            async with self.around(method, context):
                async for response in behaviour(request, context):
                    yield response

        async def returning(request: Any, context: Any) -> Any:
            async with self.around(method, context):
                return await behaviour(request, context)

        return made_like(handler, of_its_kind(behaviour, yielding, returning))


class BeforeInterceptor(WrappingInterceptor):
    """Runs `before`, and then each call's handler."""

    @abstractmethod
    async def before(self, method: str, context: Context) -> None:
        """Comes before a call of "/package.Service/Method" is handled; what it raises ends the call."""

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Returns the handler, behind it."""
        behaviour = behaviour_of(handler)

        async def yielding(request: Any, context: Any) -> AsyncIterator[Any]:
            await self.before(method, context)
            async for response in behaviour(request, context):
                yield response

        async def returning(request: Any, context: Any) -> Any:
            await self.before(method, context)
            return await behaviour(request, context)

        return made_like(handler, of_its_kind(behaviour, yielding, returning))
