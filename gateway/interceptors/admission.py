"""Interceptor that takes a Predict call on, or refuses it before its image is read."""

from collections.abc import AsyncIterator
from typing import Any

import grpc

from gateway.admission import Admission
from gateway.deadline import timeout_s
from gateway.errors import MalformedRequestError
from gateway.interceptors.wrapping import Handler, WrappingInterceptor, behaviour_of
from gateway.room import Room
from gateway.settings import Settings

_PREDICT = "/braintumor.v1.ClassifierService/Predict"


class AdmissionInterceptor(WrappingInterceptor):
    """Stands before Predict. Streams need it not: a stream that is not read from waits by itself.

    To gRPC the method takes a stream of requests, which is the same on the wire. So it is here that the one message
    is read, and a call that is refused costs neither its transfer nor the memory that it would take.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._admission = Admission(Room(settings.max_queued_images, settings.max_queued_bytes))

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Returns a handler of bytes that asks first; other methods stay as they are."""
        if method != _PREDICT:
            return handler
        behaviour = behaviour_of(handler)

        async def admitted(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            self._admission.check(0, timeout_s(context, self._settings))
            data = await anext(requests, None)
            if data is None:
                raise MalformedRequestError("The call has no request; make it with stubs of this contract.")
            with self._admission.admitted(len(data), timeout_s(context, self._settings)):
                return await behaviour(data, context)

        return grpc.stream_unary_rpc_method_handler(admitted, None, handler.response_serializer)
