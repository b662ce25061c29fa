"""Base of interceptors that put something of their own in the place of each method's handler."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import grpc

from gateway.errors import MethodUnknownError
from transport.calls import UNKNOWN_METHOD, of_its_kind

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_FACTORIES = {
    # (requests stream, responses stream)
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


class WrappingInterceptor(ABC):
    """Wraps each method's handler once. An instance serves one server."""

    @abstractmethod
    def wrap(self, method: str, handler: Handler) -> Handler:
        """Returns what handles the calls of "/package.Service/Method" in place of a handler."""


class Chain(grpc.aio.ServerInterceptor):
    """All interceptors as the one that gRPC asks for each call: it finds what they have made of a method's handler.

    Args:
      interceptors: outermost first.
    """

    def __init__(self, interceptors: Sequence[WrappingInterceptor]) -> None:
        self._interceptors = interceptors
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Returns the method's handler, wrapped; where there is no such method, the one that says so."""
        method = handler_call_details.method
        if method in self._wrapped:
            return self._wrapped[method]
        handler = await continuation(handler_call_details)
        if handler is None:
            method, handler = UNKNOWN_METHOD, _UNKNOWN  # the names of such methods are the callers': kept nowhere
        if method not in self._wrapped:
            for interceptor in reversed(self._interceptors):
                handler = interceptor.wrap(method, handler)
            self._wrapped[method] = handler
        return self._wrapped[method]


async def _refuse(_requests: object, _context: object) -> None:
    raise MethodUnknownError("There is no such method here; make the call with stubs of this contract.")


_UNKNOWN: Handler = grpc.stream_unary_rpc_method_handler(_refuse)
"""Of every kind of call, since it reads no request and gives no answer."""


def behaviour_of(handler: Handler) -> Any:
    """Returns the function of a handler, whatever the kind of its calls."""
    return handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream


def made_like(handler: Handler, behaviour: Any) -> Handler:
    """Returns a handler of the same kind with another function, which takes bytes: ParsingInterceptor is inside it."""
    make = _FACTORIES[handler.request_streaming, handler.response_streaming]
    return make(behaviour, None, handler.response_serializer)


def made_reading(handler: Handler, behaviour: Any) -> Handler:
    """Returns a handler with the same kind of answers that reads the bytes of its requests itself."""
    return _FACTORIES[True, handler.response_streaming](behaviour, None, handler.response_serializer)


def with_requests(handler: Handler, changed: Callable[[Any, Any], Any]) -> Handler:
    """Returns a handler of the same kind whose request, or stream of requests, goes through `changed` first.

    Args:
      handler: gets what `changed` returns.
      changed: takes the request, or the stream of them, as bytes, and the call's context.
    """
    behaviour = behaviour_of(handler)

    async def yielding(request: Any, context: Any) -> AsyncIterator[Any]:
        async for response in behaviour(changed(request, context), context):
            yield response

    async def returning(request: Any, context: Any) -> Any:
        return await behaviour(changed(request, context), context)

    return made_like(handler, of_its_kind(behaviour, yielding, returning))
