"""Interceptor that reads the request of each call that has one, and of Predict only where there is room for it."""

from collections.abc import AsyncIterator
from typing import Any

from gateway import caller, deadline
from gateway.admission import Admission
from gateway.interceptors.wrapping import Handler, WrappingInterceptor, behaviour_of, made_reading
from gateway.outlook import OutlookOf
from gateway.receiving import IMAGES_AT_ONCE, OTHERS_AT_ONCE, Receiving
from gateway.room import Room
from gateway.settings import Settings
from transport.handler_kind import of_its_kind

_PREDICT = "/braintumor.v1.ClassifierService/Predict"


class ReceivingInterceptor(WrappingInterceptor):
    """Reads requests here, and not in gRPC, which would take them in whole before anybody is asked.

    To gRPC these methods take a stream of requests, which is the same on the wire. So of a call that is refused no more
    is taken in than was on its way already. Streams need it not: one that is not read from waits by itself.

    Args:
      settings: how much room there is, how long a request may take, and a call.
      outlook: of an image that comes now.
    """

    def __init__(self, settings: Settings, outlook: OutlookOf) -> None:
        self._settings = settings
        self._admission = Admission(Room(settings.max_queued_images, settings.max_queued_bytes), outlook)
        self._images = Receiving(IMAGES_AT_ONCE, settings.receive_timeout_s)
        self._others = Receiving(OTHERS_AT_ONCE, settings.receive_timeout_s)

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Returns a handler of bytes that reads them first; one of a stream stays as it is."""
        if handler.request_streaming:
            return handler
        behaviour = behaviour_of(handler)

        async def yielding(_: object, context: Any) -> AsyncIterator[Any]:
            data = await self._others.message(context, caller.current.get())
            async for response in behaviour(data, context):
                yield response

        async def returning(_: object, context: Any) -> Any:
            return await behaviour(await self._others.message(context, caller.current.get()), context)

        async def admitted(_: object, context: Any) -> Any:
            self._admission.check(deadline.begin(context, self._settings))
            data = await self._images.message(context, caller.current.get())
            with self._admission.admitted(len(data)):
                return await behaviour(data, context)

        if method == _PREDICT:
            return made_reading(handler, admitted)
        return made_reading(handler, of_its_kind(behaviour, yielding, returning))
