"""Interceptor that takes a Predict call on, or refuses it before its image is read."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from gateway.admission import Admission
from gateway.backlog import OutlookOf
from gateway.deadline import timeout_s
from gateway.errors import DeadlineExceededError, MalformedRequestError
from gateway.interceptors.wrapping import Handler, WrappingInterceptor, behaviour_of
from gateway.room import Room
from gateway.settings import Settings

_PREDICT = "/braintumor.v1.ClassifierService/Predict"


class AdmissionInterceptor(WrappingInterceptor):
    """Stands before Predict. Streams need it not: a stream that is not read from waits by itself.

    To gRPC the method takes a stream of requests, which is the same on the wire. So it is here that the one message
    is read, and of a call that is refused no more is taken in than was on its way already.
    """

    def __init__(self, settings: Settings, outlook: OutlookOf) -> None:
        super().__init__(settings, outlook)
        self._admission = Admission(Room(settings.max_queued_images, settings.max_queued_bytes), outlook)

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Returns a handler of bytes that asks first; other methods stay as they are."""
        if method != _PREDICT:
            return handler
        behaviour = behaviour_of(handler)

        async def admitted(_: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            given_s = timeout_s(context, self._settings)
            with self._admission.admitted(given_s) as place:
                data = await _read(context, given_s)
                place.take(len(data))
                return await behaviour(data, context)

        return grpc.stream_unary_rpc_method_handler(admitted, None, handler.response_serializer)


async def _read(context: grpc.aio.ServicerContext[Any, Any], given_s: float) -> bytes:
    # Not with the iterator: it would end in a task of its own for each call.
    try:
        async with asyncio.timeout(given_s):
            data = await context.read()
    except TimeoutError as err:
        raise DeadlineExceededError("The request was not there within the call's deadline.") from err
    if not isinstance(data, bytes):
        raise MalformedRequestError("The call has no request; make it with stubs of this contract.")
    return data
