"""Base of interceptors that put an async context manager around the handler, whatever the kind of call."""

import inspect
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

import grpc

from gateway.settings import Settings

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_MaybeHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
_FACTORIES = {
    # (requests stream, responses stream)
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


class AroundInterceptor(grpc.aio.ServerInterceptor):
    """Runs each call's handler inside `around`. An instance serves one server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._wrapped: dict[str, _Handler] = {}

    @abstractmethod
    def around(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AbstractAsyncContextManager[None]:
        """Returns what to enter before a call of "/package.Service/Method" is handled, and to leave after it."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_MaybeHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _MaybeHandler:
        """Returns the method's handler, wrapped; None where there is no such method."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method
        if method not in self._wrapped:
            self._wrapped[method] = self._wrap(method, handler)
        return self._wrapped[method]

    def _wrap(self, method: str, handler: _Handler) -> _Handler:
        behaviour = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        make = _FACTORIES[handler.request_streaming, handler.response_streaming]
        return make(self._wrap_behaviour(method, behaviour), handler.request_deserializer, handler.response_serializer)

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
