"""Interceptor around every call."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from observability import request_id
from trainer.errors import MalformedRequestError, MethodUnknownError
from trainer.status import to_status
from trainer.telemetry.call import ObservedCall
from transport.calls import HEALTH, UNKNOWN_METHOD, of_its_kind
from transport.entrance import Entrance
from transport.status import CODES, DETAILS_KEY

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # quoted: it is generic for type checkers only

_MAX_REQUEST_BYTES = 2**15
"""A request is names and a few paths. Each is recorded, refused or not, and escaping may make it six times as long: a
larger limit would let callers fill the disk."""


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Gives each call the caller's request id, reads its request, observes it, and gives it its status.

    It is the one place where exceptions leave the process: as `trainer.status` words them.
    """

    def __init__(self) -> None:
        self._open: set[asyncio.Task[Any]] = set()
        self._entrance = Entrance()

    async def all_begun(self, longest_s: float) -> None:
        """Returns when all calls have begun that have arrived; a server that stops cancels the others.

        Args:
          longest_s: longest time for that, in seconds.
        """
        await self._entrance.let_all_in(longest_s)

    async def all_ended(self) -> None:
        """Returns when no call is open. A server stops before the handlers of calls that it cancels have ended."""
        if self._open:
            await asyncio.wait(self._open)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["_Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler:
        """Returns the method's handler, wrapped; where there is no such method, the one that says so."""
        handler = await continuation(handler_call_details)
        if handler is None:  # of every kind of call, since no request is read
            refused = self._wrapped(_refuse, lambda requests: requests, UNKNOWN_METHOD)
            return grpc.stream_unary_rpc_method_handler(refused)
        if handler.request_streaming:  # none of our methods is; reflection is
            return handler
        make = (
            grpc.unary_stream_rpc_method_handler if handler.response_streaming else grpc.unary_unary_rpc_method_handler
        )
        parse = partial(_parsed, handler.request_deserializer or bytes)
        behaviour = self._wrapped(handler.unary_stream or handler.unary_unary, parse, handler_call_details.method)
        # Without a deserializer of gRPC's: it would call bytes that are no message an error of the server.
        return make(behaviour, None, handler.response_serializer)

    def _wrapped(self, behaviour: Any, parse: Callable[[Any], Any], method: str) -> Any:
        async def yielding(request: Any, context: Any) -> AsyncIterator[Any]:
            async with self._around(method, context):
                async for response in behaviour(parse(request), context):
                    yield response

        async def returning(request: Any, context: Any) -> Any:
            async with self._around(method, context):
                return await behaviour(parse(request), context)

        return of_its_kind(behaviour, yielding, returning)

    @asynccontextmanager
    async def _around(self, method: str, context: Any) -> AsyncIterator[None]:
        if (call := asyncio.current_task()) is not None:
            self._open.add(call)
            call.add_done_callback(self._open.discard)
        with ObservedCall(method, context):
            async with _mapped(context):
                if not method.startswith(f"/{HEALTH}"):  # whoever asks how the daemon is, is told at once
                    await self._entrance.enter()
                yield


async def _refuse(_requests: object, _context: object) -> None:
    raise MethodUnknownError("there is no such method here; make the call with stubs of this contract")


def _parsed(deserialize: Callable[[bytes], Any], data: bytes) -> Any:
    if len(data) > _MAX_REQUEST_BYTES:
        raise MalformedRequestError(
            f"The request has {len(data)} bytes, and the limit is {_MAX_REQUEST_BYTES}; name less, or what is shorter."
        )
    try:
        return deserialize(data)
    except DecodeError as err:
        raise MalformedRequestError(
            f"The {len(data)} bytes are no request of this method; make them with stubs of this contract."
        ) from err


@asynccontextmanager
async def _mapped(context: Any) -> AsyncIterator[None]:
    offered = dict(context.invocation_metadata() or ()).get(request_id.METADATA_KEY)
    identity = request_id.accept(offered)
    request_id.current.set(identity)
    metadata = ((request_id.METADATA_KEY, identity),)
    context.set_trailing_metadata(metadata)
    try:
        yield
    except grpc.aio.BaseError:
        raise  # what gRPC raises itself tells of a call that has ended already
    except Exception as err:  # noqa: BLE001 whatever goes wrong becomes a status
        status = to_status(err)
        await context.abort(CODES[status.code], status.message, (*metadata, (DETAILS_KEY, status.SerializeToString())))
